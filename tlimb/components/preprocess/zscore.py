"""Standardising intensities."""

from typing import Literal

import numpy as np

from tlimb.components.contracts import Image, Preprocess
from tlimb.components.images import DataError
from tlimb.components.regions import values


class ZScore(Preprocess):
    """Subtract the mean and divide by the standard deviation of a region, everywhere in the image.

    Voxels outside the region are changed by the same map, so the background stays darker than the brain (MONAI's
    NormalizeIntensity leaves it at 0, the mean of the brain). Each image is standardised by itself.

    Args:
        region: which voxels give mean and standard deviation: those of the mask file, those that are not 0, or all.
    """

    scales = "standardised"

    def __init__(self, *, region: Literal["mask", "nonzero", "all"] = "nonzero") -> None:
        self.region = region

    def apply(self, image: Image) -> Image:
        """Give the image with mean 0 and standard deviation 1 in the region."""
        found = values(image, self.region)
        # Statistics in double precision, then rounded: their last bits depend on the machine's vector width.
        mean, sd = np.float32(found.mean(dtype=np.float64)), np.float32(found.std(dtype=np.float64))
        if not sd > 0:
            raise DataError("all voxels of the region have one value")
        return Image((image.voxels - mean) / sd, image.affine, image.mask)
