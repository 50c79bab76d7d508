"""Changing the voxel size."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np

from tlimb.components.contracts import Image, Preprocess
from tlimb.components.images import DataError, check_shape

Array = np.ndarray[Any, np.dtype[np.float32]]


class Resample(Preprocess):
    """Interpolate linearly to cubic voxels of one size, keeping the axes and the centre of the field of view.

    Where the new voxels are larger than the old ones, the triangle of the linear interpolation is as wide as the new
    voxels, so that fine detail is averaged and not folded into the image (antialiasing). The sums are done one
    term after another in single precision, so every machine and number of threads gives the same bits.

    Args:
        spacing_mm: edge length of the new voxels.
    """

    settles = ("spacing",)
    example: ClassVar[Mapping[str, Any]] = {"spacing_mm": 4.0}

    def __init__(self, *, spacing_mm: Annotated[float, {"exclusiveMinimum": 0, "maximum": 50, "unit": "mm"}]) -> None:
        self.spacing_mm = float(spacing_mm)

    def apply(self, image: Image) -> Image:
        """Give the volume with the new voxel size; the mask keeps the voxels that are inside by at least half."""
        if image.affine is None:
            raise DataError("the voxel size is unknown, so the image cannot be resampled")
        sizes = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))
        shape = image.voxels.shape[1:]
        after = tuple(max(1, round(n * size / self.spacing_mm)) for n, size in zip(shape, sizes, strict=True))
        check_shape(after, 4, 2**30)
        voxels, mask = image.voxels, None if image.mask is None else image.mask[None].astype(np.float32)
        affine = image.affine.copy()
        for axis, (size, count) in enumerate(zip(sizes, after, strict=True)):
            scale = self.spacing_mm / size
            if abs(scale - 1) < 1e-4 and count == shape[axis]:
                continue
            voxels = _along(voxels, axis + 1, count, scale)
            mask = None if mask is None else _along(mask, axis + 1, count, scale)
            affine[:3, 3] += affine[:3, axis] * _first(shape[axis], count, scale)
            affine[:3, axis] *= scale
        return Image(voxels, affine, None if mask is None else mask[0] >= 0.5)


def _first(before: int, after: int, scale: float) -> float:
    """Give the position of the first new voxel in old voxels, both fields of view having one centre."""
    return (before - 1) / 2 - (after - 1) / 2 * scale


def _weights(distances: np.ndarray[Any, Any], reach: float) -> np.ndarray[Any, Any]:
    """Give the weight of each old voxel, (new, near) float32, by its signed distance from the new one.

    A triangle that is sampled at whole voxels has its centre of mass beside its middle wherever the scale is no whole
    number, which moves intensities by up to 0.03 voxels. Each row is therefore multiplied by the linear function that
    gives it the sum 1 and the mean distance 0, so that images linear in space are reproduced exactly.
    """
    weights = np.maximum(0.0, 1.0 - np.abs(distances) / reach)
    weights /= weights.sum(axis=1, keepdims=True)
    first = (weights * distances).sum(axis=1, keepdims=True)
    second = (weights * distances**2).sum(axis=1, keepdims=True)
    spread = second - first**2
    # Without spread the new voxel lies on an old one and reads only that.
    corrected = weights * (second - first * distances) / np.where(spread > 1e-9, spread, 1.0)
    return np.where(spread > 1e-9, corrected, weights).astype(np.float32)


def _along(voxels: Array, axis: int, count: int, scale: float) -> Array:
    """Interpolate along one axis: new voxel j is the weighted mean of the old voxels near it."""
    before = voxels.shape[axis]
    centres = _first(before, count, scale) + np.arange(count) * scale
    reach = max(scale, 1.0)
    lowest = np.ceil(centres - reach).astype(np.int64)
    offsets = np.arange(int(np.ceil(2 * reach)) + 1)
    positions = lowest[:, None] + offsets
    weights = _weights(positions - centres[:, None], reach)
    # Beyond the border the outermost voxel goes on: its index is repeated.
    positions = positions.clip(0, before - 1)
    shape = [1] * voxels.ndim
    shape[axis] = count
    total: Array | None = None
    for near, weight in zip(positions.T, weights.T, strict=True):
        if not weight.any():
            continue
        term = np.take(voxels, near, axis=axis)
        term *= weight.reshape(shape)
        total = term if total is None else np.add(total, term, out=total)
    assert total is not None
    return total
