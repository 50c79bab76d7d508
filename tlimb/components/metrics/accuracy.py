"""The accuracy."""

from typing import Any

import numpy as np

from tlimb.components.base import Metric
from tlimb.components.usable import usable


class Accuracy(Metric):
    """The share of samples whose most probable class is the right one, 0 to 1."""

    kind = "class"
    direction = "max"

    def compute(self, targets: np.ndarray[Any, Any], predictions: np.ndarray[Any, Any]) -> float:
        """Give the value; NaN where it is undefined or a prediction is not finite."""
        if not usable(targets, predictions):
            return float("nan")
        return float((predictions.argmax(axis=1) == targets).mean())
