"""Means, spreads and paired differences, with honest counts."""

import math
from collections.abc import Sequence

import numpy as np
from attrs import frozen

from tlimb.manifest.fields import entry
from tlimb.report.request import MetricLike, Values
from tlimb.report.resampling import resampled
from tlimb.report.results import Scored

LEAST_FINITE = 0.9
"""Share of bootstrap samples in which the metric must be defined for an interval to be given."""

LEAST_GROUPS = 10
"""With fewer independent groups of test people, a percentile interval covers far less than it says."""

AT_ONCE = 250
"""Resamples that are held in memory together."""


@frozen
class Summary:
    """A mean over distinct trainings."""

    mean: float = entry("Arithmetic mean; null where it is not finite.", type=["number", "null"])
    sd: float | None = entry("Standard deviation (ddof 1); null for a single training.", minimum=0)
    n: int = entry("Number of distinct works: three replicates of equal work count once.", minimum=1)
    low: float | None = entry(
        "Lower end of the 95 % interval over participants; null when it was not asked for or is undefined.",
        default=None,
        always=True,
    )
    high: float | None = entry("Upper end of that interval.", default=None, always=True)


def summarise(values: Sequence[float]) -> Summary | None:
    """Give mean and sd of finite values; None when one is not finite or there is none."""
    if not values or not all(math.isfinite(value) for value in values):
        return None
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), sd, len(values))


def interval(
    name: str, metric: MetricLike, pairs: Sequence[tuple[Scored, Scored]], resamples: int, seed: int
) -> tuple[float, float] | None:
    """Give the 95 % percentile bootstrap interval of the mean paired difference, over test people.

    A sample draws groups with replacement: families, with all their people and images, where relatives are known,
    else single people. Relatives resemble each other, so drawing them one by one would count the same news several
    times and give too narrow an interval. The draw is the same for both sides and for all pairs; the trainings stay
    as they are, so this is the uncertainty of the test people only.

    Args:
        name: the metric's name if it is one of tlimb's own, else anything.
        metric: computed on every sample.
        pairs: predictions of a row and of its reference on equal rows, one pair a repetition and fold.
        resamples: number of samples.
        seed: equal seeds give equal intervals.

    Returns:
        None when the rows differ within a pair, when there are fewer than `LEAST_GROUPS` groups, or when the metric
        is undefined in too many samples.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval); Davison and
        Hinkley, Bootstrap Methods and their Application, 1997, section 3.8 (groups are drawn whole).
    """
    if resamples < 1 or not pairs or not all(_comparable(*pair) for pair in pairs):
        return None
    # In order of appearance: identities are keyed, so their own order differs from group to group.
    groups = list(dict.fromkeys(family for one, _ in pairs for family in one.families))
    if len(groups) < LEAST_GROUPS:
        return None
    places = {group: place for place, group in enumerate(groups)}
    owners = [np.array([places[family] for family in one.families], dtype=np.int64) for one, _ in pairs]
    generator = np.random.default_rng(seed)
    means = []
    for begin in range(0, resamples, AT_ONCE):
        size = min(AT_ONCE, resamples - begin)
        drawn = generator.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=size)
        parts = [
            _values(name, metric, one, drawn[:, owner]) - _values(name, metric, other, drawn[:, owner])
            for (one, other), owner in zip(pairs, owners, strict=True)
        ]
        means.append(np.mean(parts, axis=0))
    found = np.concatenate(means)
    finite = found[np.isfinite(found)]
    if len(finite) < LEAST_FINITE * resamples:
        return None
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def _comparable(one: Scored, other: Scored) -> bool:
    return bool(one.people) and one.people == other.people and bool(np.array_equal(one.targets, other.targets))


def _values(name: str, metric: MetricLike, scored: Scored, weights: Values) -> Values:
    return resampled(name, metric, scored.targets, scored.predictions, weights)
