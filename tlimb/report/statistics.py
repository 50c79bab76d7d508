"""Means, spreads and paired differences, with honest counts."""

import math
from collections.abc import Sequence

import numpy as np
from attrs import frozen

from tlimb.report.request import MetricLike, Values
from tlimb.report.results import Scored

LEAST_FINITE = 0.9
"""Share of bootstrap samples in which the metric must be defined for an interval to be given."""


@frozen
class Summary:
    """A mean over distinct trainings.

    Attributes:
        mean: arithmetic mean.
        sd: standard deviation (ddof 1); None for a single training.
        n: number of distinct works, not of replicates: three replicates of equal work count once.
        low: lower end of the 95 % interval over participants; None when it was not asked for or is undefined.
        high: its upper end.
    """

    mean: float
    sd: float | None
    n: int
    low: float | None = None
    high: float | None = None


def summarise(values: Sequence[float]) -> Summary | None:
    """Give mean and sd of finite values; None when one is not finite or there is none."""
    if not values or not all(math.isfinite(value) for value in values):
        return None
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), sd, len(values))


def interval(
    pairs: Sequence[tuple[Scored, Scored]], metric: MetricLike, resamples: int, seed: int
) -> tuple[float, float] | None:
    """Give the 95 % percentile bootstrap interval of the mean paired difference, over participants.

    A sample draws participants with replacement, with all their images and the same draw for both sides and for
    all pairs; the trainings stay as they are, so this is the uncertainty of the test people only.

    Args:
        pairs: predictions of a row and of its reference on equal rows, one pair a repetition and fold.
        metric: computed on every sample.
        resamples: number of samples.
        seed: equal seeds give equal intervals.

    Returns:
        None when the rows differ within a pair or the metric is undefined in too many samples.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).
    """
    if resamples < 1 or not pairs or not all(_comparable(*pair) for pair in pairs):
        return None
    people = sorted({person for one, _ in pairs for person in one.people})
    places = {person: place for place, person in enumerate(people)}
    owners = [np.array([places[person] for person in one.people]) for one, _ in pairs]
    generator = np.random.default_rng(seed)
    means = []
    for _ in range(resamples):
        counts = np.bincount(generator.integers(len(people), size=len(people)), minlength=len(people))
        means.append(
            np.mean([_difference(pair, owner, counts, metric) for pair, owner in zip(pairs, owners, strict=True)])
        )
    finite = [mean for mean in means if math.isfinite(mean)]
    if len(finite) < LEAST_FINITE * resamples:
        return None
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def _comparable(one: Scored, other: Scored) -> bool:
    return one.people == other.people and bool(np.array_equal(one.targets, other.targets))


def _difference(pair: tuple[Scored, Scored], owner: Values, counts: Values, metric: MetricLike) -> float:
    chosen = np.repeat(np.arange(len(owner)), counts[owner])
    if not len(chosen):
        return math.nan
    one, other = (metric.compute(side.targets[chosen], side.predictions[chosen]) for side in pair)
    return one - other
