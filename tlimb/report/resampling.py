"""Metrics of thousands of resamples at once.

A bootstrap sample is a weight for each row: how often it was drawn. The usual metrics have a closed form in these
weights, so one matrix product replaces thousands of calls; a test compares every form with its metric component.
Other metrics are computed sample by sample.
"""

from collections.abc import Callable

import numpy as np

from tlimb.report.request import MetricLike, Values

SMALLEST = float(np.finfo(np.float64).eps)
"""Smallest probability that a logarithm is taken of, as the metric component has it."""

NO_SPREAD = 1e-12
"""Variance of a sample's targets, relative to that of all, that is rounding only."""

Weighted = Callable[[Values, Values, Values], Values]
"""Targets (n,), predictions (n,) or (n, classes), weights (samples, n) -> values (samples,)."""


def resampled(name: str, metric: MetricLike, targets: Values, predictions: Values, weights: Values) -> Values:
    """Give a metric of every resample.

    Args:
        name: the metric's name if it is one of tlimb's own, else anything.
        metric: used where no closed form is known.
        targets: (n,) float64 numbers or int64 class positions.
        predictions: (n,) or (n, classes) float64.
        weights: (samples, n) int64, how often each row was drawn.

    Returns:
        (samples,) float64, NaN where the metric is undefined.
    """
    if not len(targets) or not np.isfinite(predictions).all():
        return np.full(len(weights), np.nan)
    form = FORMS.get(name)
    with np.errstate(divide="ignore", invalid="ignore"):
        if form is not None:
            return form(targets, predictions, weights.astype(np.float64))
    chosen = (np.repeat(np.arange(len(targets)), drawn) for drawn in weights)
    return np.array([metric.compute(targets[rows], predictions[rows]) if len(rows) else np.nan for rows in chosen])


def _mean(values: Values, weights: Values) -> Values:
    mean: Values = weights @ values / weights.sum(axis=1)
    return mean


def _mae(targets: Values, predictions: Values, weights: Values) -> Values:
    return _mean(np.abs(targets - predictions), weights)


def _mse(targets: Values, predictions: Values, weights: Values) -> Values:
    return _mean((targets - predictions) ** 2, weights)


def _r2(targets: Values, predictions: Values, weights: Values) -> Values:
    centred = targets - targets.mean()
    spread = _mean(centred**2, weights) - _mean(centred, weights) ** 2
    # A sample of one person has no spread; rounding must not turn that into a huge number.
    spread[spread <= NO_SPREAD * float(np.mean(centred**2))] = np.nan
    return 1.0 - _mse(targets, predictions, weights) / spread


def _right(targets: Values, predictions: Values) -> Values:
    right: Values = (predictions.argmax(axis=1) == targets).astype(np.float64)
    return right


def _accuracy(targets: Values, predictions: Values, weights: Values) -> Values:
    return _mean(_right(targets, predictions), weights)


def _balanced_accuracy(targets: Values, predictions: Values, weights: Values) -> Values:
    right = _right(targets, predictions)
    recalls = np.stack(
        [_mean(right[targets == name], weights[:, targets == name]) for name in np.unique(targets)], axis=1
    )
    present = np.isfinite(recalls)
    means = np.where(present, recalls, 0.0).sum(axis=1) / present.sum(axis=1)
    return np.where(present.sum(axis=1) > 1, means, np.nan)


def _cross_entropy(targets: Values, predictions: Values, weights: Values) -> Values:
    sure = predictions[np.arange(len(targets)), targets] / predictions.sum(axis=1)
    return _mean(-np.log(np.clip(sure, SMALLEST, 1.0)), weights)


def _auroc(targets: Values, predictions: Values, weights: Values) -> Values:
    classes = predictions.shape[1]
    if classes == 2:
        return _area(targets == 1, predictions[:, 1], weights)
    areas = [_area(targets == name, predictions[:, name], weights) for name in range(classes)]
    return np.mean(areas, axis=0) if areas else np.full(len(weights), np.nan)


def _area(positive: Values, scores: Values, weights: Values) -> Values:
    """Give the share of (positive, negative) pairs in the right order, ties half.

    Source: Hanley and McNeil, Radiology 143, 1982: the area is the Mann-Whitney statistic.
    """
    levels, place = np.unique(scores, return_inverse=True)
    indicator = np.zeros((len(scores), len(levels)))
    indicator[np.arange(len(scores)), place] = 1.0
    above = (weights * positive) @ indicator
    below = (weights * ~positive) @ indicator
    before = np.cumsum(below, axis=1) - below
    area: Values = (above * (before + below / 2)).sum(axis=1) / (above.sum(axis=1) * below.sum(axis=1))
    return area


FORMS: dict[str, Weighted] = {
    "accuracy": _accuracy,
    "auroc": _auroc,
    "balanced_accuracy": _balanced_accuracy,
    "cross_entropy": _cross_entropy,
    "mae": _mae,
    "mse": _mse,
    "r2": _r2,
}
