"""The coefficient of determination."""

from typing import Any

import numpy as np

from tlimb.components.base import Metric
from tlimb.components.usable import usable


class R2(Metric):
    """The coefficient of determination: 1 - squared error / squared deviation from the mean of these targets.

    It is below 0 when the mean of the targets would have been the better prediction. Undefined for fewer than two
    different targets.
    """

    kind = "number"
    direction = "max"

    def compute(self, targets: np.ndarray[Any, Any], predictions: np.ndarray[Any, Any]) -> float:
        """Give the value; NaN where it is undefined or a prediction is not finite."""
        import sklearn.metrics

        if not usable(targets, predictions) or np.ptp(targets) == 0:
            return float("nan")
        return float(sklearn.metrics.r2_score(targets, predictions))
