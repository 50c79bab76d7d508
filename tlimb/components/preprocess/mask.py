"""Emptying what lies outside the brain."""

from typing import Annotated

import numpy as np

from tlimb.components.contracts import Image, Preprocess
from tlimb.components.images import DataError


class Mask(Preprocess):
    """Set voxels outside the mask to 0, and let the steps after it know the mask.

    The mask is the dataset's own mask file (`mask` of `files`), or the voxels above a threshold. A threshold is in the
    units in which intensities arrive at this step, so it holds for images of one scale only; before a normalisation
    these are the units of the file. It is no removal of the skull: scalp and marrow are bright too.

    Args:
        threshold: intensity above which a voxel is kept, in any channel; none for the mask file.
    """

    def __init__(
        self, *, threshold: Annotated[float | None, {"minimum": -1e9, "maximum": 1e9, "unit": "intensity"}] = None
    ) -> None:
        self.threshold = None if threshold is None else float(threshold)

    def apply(self, image: Image) -> Image:
        """Give the image with zeros outside the mask."""
        if self.threshold is None and image.mask is None:
            raise DataError("there is no mask: write a `threshold`, or name the masks in `files`")
        if self.threshold is None:
            inside = np.asarray(image.mask)
        else:
            inside = np.asarray((image.voxels > np.float32(self.threshold)).any(axis=0))
        if not inside.any():
            raise DataError("no voxel is inside the mask")
        return Image(np.where(inside, image.voxels, np.float32(0)), image.affine, inside)
