"""The mean squared error."""

from typing import Any

import numpy as np

from tlimb.components.base import Metric
from tlimb.components.usable import usable


class MSE(Metric):
    """The mean squared error, in the square of the target's unit."""

    kind = "number"
    direction = "min"

    def compute(self, targets: np.ndarray[Any, Any], predictions: np.ndarray[Any, Any]) -> float:
        """Give the value; NaN where it is undefined or a prediction is not finite."""
        if not usable(targets, predictions):
            return float("nan")
        return float(np.square(targets - predictions).mean())
