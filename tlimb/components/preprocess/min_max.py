"""Scaling intensities to a range."""

from typing import Annotated, Literal

import numpy as np

from tlimb.components.contracts import Image, Preprocess
from tlimb.components.images import DataError
from tlimb.components.regions import values


class MinMax(Preprocess):
    """Map the smallest intensity of a region to one number and the largest to another, linearly.

    Voxels outside the region are changed by the same map, so they may lie outside the range. One bright voxel decides
    the scale of the whole image: `clip` before it keeps that from happening.

    Args:
        low: what the smallest intensity becomes.
        high: what the largest intensity becomes; above `low`.
        region: which voxels give the smallest and the largest: those of the mask file, those that are not 0, or all.
    """

    scales = "unit_range"

    def __init__(
        self,
        *,
        low: Annotated[float, {"minimum": -1e6, "maximum": 1e6, "unit": "intensity", "below": "high"}] = 0.0,
        high: Annotated[float, {"minimum": -1e6, "maximum": 1e6, "unit": "intensity"}] = 1.0,
        region: Literal["mask", "nonzero", "all"] = "all",
    ) -> None:
        if not low < high:
            raise ValueError(f"`low: {low:g}` is not below `high: {high:g}`")
        self.low, self.high, self.region = float(low), float(high), region

    def apply(self, image: Image) -> Image:
        """Give the image whose region reaches from `low` to `high`."""
        found = values(image, self.region)
        least, most = np.float32(found.min()), np.float32(found.max())
        if not most > least:
            raise DataError("all voxels of the region have one value")
        share = (image.voxels - least) / (most - least)
        return Image(share * np.float32(self.high - self.low) + np.float32(self.low), image.affine, image.mask)
