"""The cross-entropy."""

from typing import Any

import numpy as np

from tlimb.components.base import Metric
from tlimb.components.usable import usable


class CrossEntropy(Metric):
    """The mean negative logarithm of the right class's probability, in nats.

    Probabilities below 2.2e-16 count as that.
    """

    kind = "class"
    direction = "min"

    def compute(self, targets: np.ndarray[Any, Any], predictions: np.ndarray[Any, Any]) -> float:
        """Give the value; NaN where it is undefined or a prediction is not finite."""
        import sklearn.metrics

        if not usable(targets, predictions):
            return float("nan")
        labels = np.arange(predictions.shape[1])
        sums = predictions.sum(axis=1, keepdims=True)
        return float(sklearn.metrics.log_loss(targets, predictions / sums, labels=labels))
