"""The area under the receiver operating characteristic."""

from typing import Any

import numpy as np

from tlimb.components.base import Metric
from tlimb.components.usable import usable


class AUROC(Metric):
    """The area under the receiver operating characteristic, 0 to 1; chance is 0.5.

    With two classes, of the second against the first; with more, the mean over classes of each against all others.
    Undefined when a class has no sample.
    """

    kind = "class"
    direction = "max"

    def compute(self, targets: np.ndarray[Any, Any], predictions: np.ndarray[Any, Any]) -> float:
        """Give the value; NaN where it is undefined or a prediction is not finite."""
        import sklearn.metrics

        classes = predictions.shape[1] if predictions.ndim == 2 else 0
        if not usable(targets, predictions) or len(np.unique(targets)) < max(classes, 2):
            return float("nan")
        if classes == 2:
            return float(sklearn.metrics.roc_auc_score(targets, predictions[:, 1]))
        # One against all others by hand: scikit-learn refuses probabilities that sum to 1 but for a rounding.
        areas = [sklearn.metrics.roc_auc_score(targets == k, predictions[:, k]) for k in range(classes)]
        return float(np.mean(areas))
