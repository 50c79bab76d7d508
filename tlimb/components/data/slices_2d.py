"""One slice of each volume, or 2D pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from tlimb.components.contracts import Array, Augmentation, DataModule, Image, Preprocess
from tlimb.components.images import load
from tlimb.components.preprocess.canonical import Canonical
from tlimb.components.preprocess.crop import Crop
from tlimb.components.preprocess.mean import Mean
from tlimb.components.preprocess.zscore import ZScore

_AXES = {"sagittal": 0, "coronal": 1, "axial": 2}


class Slices2D(DataModule):
    """One slice of each volume; a picture (.png, or .npy with two axes) is taken whole.

    Volumes are turned to RAS first. Rows run from the front (axial) or the top (coronal, sagittal), columns from the
    left (axial, coronal) or the back (sagittal) of the head. Colour pictures give three channels.

    Args:
        axis: plane of the slice.
        position: where the slice lies along its axis, 0 to 1; 0.5 is the central slice.
        intensity: `zscore` gives the slice mean 0 and standard deviation 1 in the region, `mean` divides by its mean
            before it is cut or padded to `size`, `none` leaves intensities as they are.
        region: pixels that `zscore` takes its statistics from: those of the mask file, those not 0, or all.
        size: rows and columns, cut from or padded around the centre; none for as they are.
        augment: random changes of training batches, in order.
    """

    revision = 2  # `mean` divides before the crop
    dims: ClassVar[tuple[int, ...]] = (2,)
    later = ("augment",)
    settles = ("orientation",)
    no_left: ClassVar[Mapping[str, Any] | None] = {"axis": "sagittal"}

    def __init__(
        self,
        *,
        axis: Literal["axial", "coronal", "sagittal"] = "axial",
        position: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.5,
        intensity: Literal["zscore", "mean"] | None = "zscore",
        region: Literal["mask", "nonzero", "all"] = "nonzero",
        size: Annotated[
            Sequence[int] | None,
            {"minItems": 2, "maxItems": 2, "items": {"type": "integer", "minimum": 1, "maximum": 1024}},
        ] = None,
        augment: Sequence[Augmentation] = (),
    ) -> None:
        self.augmentations = tuple(augment)
        # Columns run from the left in axial and coronal slices; a sagittal one has no left.
        self.lateral = None if axis == "sagittal" else 3
        if self.lateral is None and any(one.mirrors for one in augment):
            raise ValueError("a sagittal slice has no left and right that could be swapped; take `flip` out")
        self.axis = axis
        self.position = float(position)
        self._steps: list[Preprocess] = [] if size is None else [Crop(shape=size)]
        if intensity == "zscore":
            self._steps.append(ZScore(region=region))
        elif intensity == "mean":
            self._steps.insert(0, Mean())

    def load(self, image: Path, mask: Path | None) -> Array:
        """Read one slice: float32 (channel, row, column)."""
        current = load(image, mask)
        if current.voxels.ndim == 4:
            current = self._slice(Canonical().apply(current))
        for step in self._steps:
            current = step.apply(current)
        return current.voxels

    def _slice(self, image: Image) -> Image:
        axis = _AXES[self.axis]
        count = image.voxels.shape[axis + 1]
        index = min(int(count * self.position), count - 1)
        voxels = np.rot90(image.voxels.take(index, axis=axis + 1), axes=(1, 2))
        mask = None if image.mask is None else np.rot90(image.mask.take(index, axis=axis))
        return Image(np.ascontiguousarray(voxels), None, mask)

    def recipe(self) -> Mapping[str, Any]:
        """Give the slice and the steps with their options."""
        return {
            "reading": 1,
            "turned": Canonical().recipe(),
            "slice": [self.axis, self.position],
            "steps": [step.recipe() for step in self._steps],
        }
