"""Images as they are stored."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tlimb.components.contracts import Array, Augmentation, DataModule
from tlimb.components.data.volume_3d import Volume3D

NO_LEFT = (
    "these images are not turned, so nobody knows their left; take `flip` out, or use `volume_3d` with `canonical`"
)


class Base(DataModule):
    """Volumes or pictures as their files hold them: nothing is turned, cut or scaled.

    Volumes keep the order and direction of the axes of their files, whatever their headers say of the head; scale and
    offset of the header are applied, and numbers become float32. All images of a batch must have one shape, which is
    checked before anything is trained. For images that another pipeline has finished.

    The same as `volume_3d` without steps, to the bit; pictures (.png, or .npy with two axes) are read too.

    Source: the data module `base` of Schulz et al., TLIMB, CEUR Workshop Proceedings 3651 (2024), which hands on what
        the dataset gives. There a dataset may change images before; here it names files alone.

    Args:
        augment: random changes of training batches, in order; `flip` is refused, because the left is not known.
    """

    dims: ClassVar[tuple[int, ...]] = (2, 3)
    no_left: ClassVar[Mapping[str, Any] | None] = {}

    def __init__(self, *, augment: Sequence[Augmentation] = ()) -> None:
        if any(one.mirrors for one in augment):
            raise ValueError(NO_LEFT)
        self.augmentations = tuple(augment)
        self._volume = Volume3D(preprocess=[])

    def load(self, image: Path, mask: Path | None) -> Array:
        """Read one image: float32 (channel, *spatial), axes as stored."""
        return self._volume.load(image, mask)

    def recipe(self) -> Mapping[str, Any]:
        """Give the empty list of steps, as `volume_3d` does."""
        return self._volume.recipe()
