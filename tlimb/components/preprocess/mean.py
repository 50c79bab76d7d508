"""Scaling intensities by their mean."""

import numpy as np

from tlimb.components.contracts import Image, Preprocess
from tlimb.components.images import DataError


class Mean(Preprocess):
    """Divide by the mean of all voxels, background included.

    Source: Peng et al., Medical Image Analysis 68 (2021) 101871.
    """

    scales = "mean"

    def apply(self, image: Image) -> Image:
        """Give the image with mean 1."""
        mean = np.float32(image.voxels.mean(dtype=np.float64))
        if not mean > 0:
            raise DataError("the mean of the voxels is not positive")
        return Image(image.voxels / mean, image.affine, image.mask)
