"""The centre of images as they are stored."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from tlimb.components.contracts import Array, Augmentation, DataModule
from tlimb.components.data.base import NO_LEFT
from tlimb.components.data.volume_3d import Volume3D
from tlimb.components.preprocess.crop import Crop


class CropCenter(DataModule):
    """The central voxels of volumes or pictures, whose axes stay as their files hold them.

    An axis that is longer than asked loses as much on both sides, an axis that is shorter is filled with zeros on both;
    where that is no whole number, one voxel more goes to the end. Intensities stay as they are. For images that are
    registered already, and whose margins hold nothing.

    The same as `volume_3d` with the step crop alone, to the bit; pictures (.png, or .npy with two axes) are read too.

    Source: the data module `crop center` of Schulz et al., TLIMB, CEUR Workshop Proceedings 3651 (2024). The paper does
        not say what happens to smaller images; here they are filled with zeros.

    Args:
        size: voxels along each axis, in the order in which the axes are stored; pixels (row, column) for pictures.
        augment: random changes of training batches, in order; `flip` is refused, because the left is not known.
    """

    dims: ClassVar[tuple[int, ...]] = (2, 3)
    no_left: ClassVar[Mapping[str, Any] | None] = {}
    expects = ("registered",)
    example: ClassVar[Mapping[str, Any]] = {"size": [6, 6, 6]}

    def __init__(
        self,
        *,
        size: Annotated[Sequence[Annotated[int, {"minimum": 1, "maximum": 1024}]], {"minItems": 2, "maxItems": 3}],
        augment: Sequence[Augmentation] = (),
    ) -> None:
        if any(one.mirrors for one in augment):
            raise ValueError(NO_LEFT)
        self.augmentations = tuple(augment)
        self._volume = Volume3D(preprocess=[Crop(shape=size)])

    def load(self, image: Path, mask: Path | None) -> Array:
        """Read the centre of one image: float32 (channel, *size)."""
        return self._volume.load(image, mask)

    def recipe(self) -> Mapping[str, Any]:
        """Give the step with its size, as `volume_3d` does."""
        return self._volume.recipe()
