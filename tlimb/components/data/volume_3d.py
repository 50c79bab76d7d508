"""Volumes with a list of preprocessing steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tlimb.components.contracts import Array, Augmentation, DataModule, Preprocess
from tlimb.components.images import load
from tlimb.components.preprocess.canonical import Canonical


class Volume3D(DataModule):
    """Volumes, preprocessed by the given steps in the given order.

    Args:
        preprocess: steps, each done on what the one before it gave.
        augment: random changes of training batches, in order; `flip` needs `canonical` among the steps.
    """

    dims: ClassVar[tuple[int, ...]] = (3,)
    later = ("augment",)
    lateral = 2
    example: ClassVar[Mapping[str, Any]] = {"preprocess": []}

    def __init__(self, *, preprocess: Sequence[Preprocess], augment: Sequence[Augmentation] = ()) -> None:
        turned = any(isinstance(step, Canonical) for step in preprocess)
        if not turned and any(one.mirrors for one in augment):
            raise ValueError("without `canonical` nobody knows their left: add it to `preprocess`, or take `flip` out")
        self.preprocess = tuple(preprocess)
        self.augmentations = tuple(augment)

    def load(self, image: Path, mask: Path | None) -> Array:
        """Read and preprocess one volume: float32 (channel, x, y, z)."""
        current = load(image, mask)
        for step in self.preprocess:
            current = step.apply(current)
        return current.voxels

    def recipe(self) -> Mapping[str, Any]:
        """Give the steps with their options."""
        return {"reading": 1, "steps": [step.recipe() for step in self.preprocess]}
