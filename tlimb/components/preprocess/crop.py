"""Cutting or filling an image to a shape."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np

from tlimb.components.contracts import Image, Preprocess
from tlimb.components.images import DataError


class Crop(Preprocess):
    """Cut the centre out of an image, or fill around it with zeros, along each axis as needed.

    An odd surplus loses one more voxel at the end of the axis than at its start.

    Args:
        shape: voxels along each axis, in the order of the axes (x, y, z for volumes).
    """

    example: ClassVar[Mapping[str, Any]] = {"shape": [6, 6, 6]}

    def __init__(
        self,
        *,
        shape: Annotated[Sequence[Annotated[int, {"minimum": 1, "maximum": 1024}]], {"minItems": 2, "maxItems": 3}],
    ) -> None:
        self.shape = tuple(shape)

    def apply(self, image: Image) -> Image:
        """Give the image in the shape."""
        before = image.voxels.shape[1:]
        if len(before) != len(self.shape):
            raise DataError(f"the image has {len(before)} axes, the crop {len(self.shape)}")
        starts = [_start(old, new) for old, new in zip(before, self.shape, strict=True)]
        voxels = np.stack([_cut(channel, starts, self.shape) for channel in image.voxels])
        mask = None if image.mask is None else _cut(image.mask, starts, self.shape)
        affine = image.affine
        if affine is not None:
            affine = affine.copy()
            affine[:3, 3] += affine[:3, : len(starts)] @ np.asarray(starts, dtype=np.float64)
        return Image(voxels, affine, mask)


def _start(old: int, new: int) -> int:
    """Give the first voxel that is kept; negative for so many zeros before the first."""
    return (old - new) // 2 if old >= new else -((new - old) // 2)


def _cut(voxels: np.ndarray[Any, Any], starts: list[int], shape: Sequence[int]) -> np.ndarray[Any, Any]:
    result = np.zeros(tuple(shape), dtype=voxels.dtype)
    source, target = [], []
    for start, old, new in zip(starts, voxels.shape, shape, strict=True):
        source.append(slice(max(start, 0), min(start + new, old)))
        target.append(slice(max(-start, 0), max(-start, 0) + min(start + new, old) - max(start, 0)))
    result[tuple(target)] = voxels[tuple(source)]
    return result
