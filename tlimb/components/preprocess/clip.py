"""Limiting extreme intensities."""

from typing import Annotated, Literal

import numpy as np

from tlimb.components.contracts import Image, Preprocess
from tlimb.components.regions import values

Percent = Annotated[float, {"minimum": 0, "maximum": 100, "unit": "%"}]


class Clip(Preprocess):
    """Limit intensities to two percentiles of a region, everywhere in the image.

    The percentiles are those of each image by itself, between ranks by linear interpolation. Unless the region is all
    of the image, a voxel of 0 is background and stays 0, so that a `zscore` after it still knows the background.

    Source: Hyndman and Fan, The American Statistician 50 (1996) 361-365, definition 7.

    Args:
        low_percent: percentile of the region that no voxel lies below; 0 for its smallest intensity.
        high_percent: percentile of the region that no voxel lies above; 100 for its largest, above `low_percent`.
        region: which voxels give the percentiles: those of the mask file, those that are not 0, or all.
    """

    def __init__(
        self,
        *,
        low_percent: Annotated[Percent, {"below": "high_percent"}] = 1.0,
        high_percent: Percent = 99.0,
        region: Literal["mask", "nonzero", "all"] = "nonzero",
    ) -> None:
        if not low_percent < high_percent:
            raise ValueError(f"`low_percent: {low_percent:g}` is not below `high_percent: {high_percent:g}`")
        self.low_percent, self.high_percent, self.region = float(low_percent), float(high_percent), region

    def apply(self, image: Image) -> Image:
        """Give the image within the percentiles."""
        found = values(image, self.region).astype(np.float64)
        low, high = (np.float32(limit) for limit in np.percentile(found, (self.low_percent, self.high_percent)))
        limited = image.voxels.clip(low, high)
        if self.region != "all":
            limited = np.where(image.voxels == 0, np.float32(0), limited)
        return Image(limited, image.affine, image.mask)
