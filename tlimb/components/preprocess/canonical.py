"""Turning a volume to the common orientation."""

import nibabel
import numpy as np

from tlimb.components.contracts import Image, Preprocess


class Canonical(Preprocess):
    """Permute and flip the axes so that they run to the right, to the front and up (RAS); nothing is interpolated.

    Files without an orientation (.npy) are taken to be so already.
    """

    settles = ("orientation",)

    def apply(self, image: Image) -> Image:
        """Give the volume with axes x (right), y (anterior), z (superior)."""
        if image.affine is None:
            return image
        turns = nibabel.io_orientation(image.affine)
        voxels = np.stack([nibabel.apply_orientation(channel, turns) for channel in image.voxels])
        mask = None if image.mask is None else nibabel.apply_orientation(image.mask, turns)
        affine = image.affine @ nibabel.orientations.inv_ornt_aff(turns, image.voxels.shape[1:])
        return Image(np.ascontiguousarray(voxels), affine, mask)
