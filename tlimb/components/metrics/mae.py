"""The mean absolute error."""

from typing import Any

import numpy as np

from tlimb.components.base import Metric
from tlimb.components.usable import usable


class MAE(Metric):
    """The mean absolute error, in the target's unit."""

    kind = "number"
    direction = "min"

    def compute(self, targets: np.ndarray[Any, Any], predictions: np.ndarray[Any, Any]) -> float:
        """Give the value; NaN where it is undefined or a prediction is not finite."""
        if not usable(targets, predictions):
            return float("nan")
        return float(np.abs(predictions - targets).mean())
