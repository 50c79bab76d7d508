"""The balanced accuracy."""

from typing import Any

import numpy as np

from tlimb.components.base import Metric
from tlimb.components.usable import usable


class BalancedAccuracy(Metric):
    """The mean over classes of the share that is recognised, 0 to 1; chance is 1 / classes.

    Classes without a sample are left out; undefined when there is only one with samples.
    """

    kind = "class"
    direction = "max"

    def compute(self, targets: np.ndarray[Any, Any], predictions: np.ndarray[Any, Any]) -> float:
        """Give the value; NaN where it is undefined or a prediction is not finite."""
        import sklearn.metrics

        if not usable(targets, predictions) or len(np.unique(targets)) < 2:
            return float("nan")
        found = predictions.argmax(axis=1)
        # The mean recall over the true classes; scikit-learn's own function warns of classes nobody has.
        return float(sklearn.metrics.recall_score(targets, found, labels=np.unique(targets), average="macro"))
