"""When a metric can be computed at all."""

from typing import Any

import numpy as np


def usable(targets: np.ndarray[Any, Any], predictions: np.ndarray[Any, Any]) -> bool:
    """Say whether there is a sample, and all targets and predictions are finite."""
    return len(targets) > 0 and bool(np.isfinite(targets).all()) and bool(np.isfinite(predictions).all())
