"""Regions of an image that statistics of intensities are taken from."""

from typing import Any, Literal

import numpy as np

from tlimb.components.contracts import Image
from tlimb.components.images import DataError

Region = Literal["mask", "nonzero", "all"]


def values(image: Image, region: Region) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Give the intensities of a region, of all channels together: those of the mask file, those not 0, or all.

    Raises:
        DataError: the image has no mask, or no voxel is in the region.
    """
    if region == "mask":
        if image.mask is None:
            raise DataError("there is no mask")
        found = image.voxels[:, image.mask]
    else:
        found = image.voxels if region == "all" else image.voxels[image.voxels != 0]
    if found.size == 0:
        raise DataError(f"no voxel is in the region `{region}`")
    return found
