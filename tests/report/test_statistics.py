"""The interval of a difference keeps what it promises, also where test people are related."""

import numpy as np
import pytest
from attrs import evolve

from tlimb.components.metrics.mae import MAE
from tlimb.report.results import Scored, Task
from tlimb.report.statistics import interval

TASK = Task("age", "age", ())


def pair(generator, families, size, shared):
    """Errors of a row and of its reference; relatives share part of what makes one better than the other.

    The reference is off by 10 everywhere, the row by 8 on average over the population.
    """
    own = generator.normal(0, 1, families * size)
    common = np.repeat(generator.normal(0, 1, families), size)
    errors = 8 + np.sqrt(1 - shared) * own + np.sqrt(shared) * common
    people = tuple(f"p{i}" for i in range(families * size))
    kin = tuple(f"f{i // size}" for i in range(families * size))
    targets = np.full(len(people), 50.0)
    row = Scored(TASK, targets, targets + errors, people, kin)
    return row, evolve(row, predictions=targets + 10.0)


def coverage(relatives, *, size, families=40, studies=300):
    """Share of simulated studies whose interval holds the true difference of -2."""
    held = 0
    for seed in range(studies):
        one, other = pair(np.random.default_rng(seed), families, size, shared=0.8)
        if not relatives:
            one, other = (evolve(side, families=side.people) for side in (one, other))
        low, high = interval("mae", MAE(), [(one, other)], 300, seed)
        held += low <= -2.0 <= high
    return held / studies


def test_the_interval_covers_as_promised_with_families_of_four():
    # 300 studies give a standard error of 0.013; 40 groups cost a percentile interval a little of its 0.95.
    assert 0.90 <= coverage(relatives=True, size=4) <= 0.98


def test_drawing_relatives_one_by_one_would_cover_far_too_little():
    assert coverage(relatives=False, size=4) < 0.80


def test_without_relatives_families_change_nothing():
    one, other = pair(np.random.default_rng(0), 60, 1, shared=0.5)
    alone = [evolve(side, families=side.people) for side in (one, other)]

    assert interval("mae", MAE(), [(one, other)], 200, 0) == interval("mae", MAE(), [tuple(alone)], 200, 0)


def test_the_interval_does_not_depend_on_the_key_of_identities():
    one, other = pair(np.random.default_rng(0), 30, 2, shared=0.5)
    renamed = [evolve(side, families=tuple(name[::-1] for name in side.families)) for side in (one, other)]

    assert interval("mae", MAE(), [(one, other)], 200, 0) == interval("mae", MAE(), [tuple(renamed)], 200, 0)


@pytest.mark.parametrize(("families", "given"), [(9, False), (10, True)])
def test_few_independent_groups_give_no_interval(families, given):
    found = interval("mae", MAE(), [pair(np.random.default_rng(0), families, 4, shared=0.5)], 100, 0)

    assert (found is not None) is given
