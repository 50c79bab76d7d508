"""What an image is on its way from a file into a batch, and what each step on the way must offer."""

import hashlib
import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from attrs import frozen
from torch import Tensor

from tlimb import describe
from tlimb.components.base import Component
from tlimb.components.draws import Draws

Array = np.ndarray[Any, np.dtype[np.float32]]


@frozen
class Inputs:
    """What an encoder receives: `channels`, and the spatial `shape` in voxels or pixels."""

    channels: int
    shape: tuple[int, ...]


@frozen
class TargetFacts:
    """What the plan knows of a target, from the training part only.

    Attributes:
        label: name of the label; None for an objective without one.
        classes: class names in the order of outputs; empty for numbers.
        counts: people per class, same order.
        mean: mean of a number target, in its unit; None for classes.
        sd: standard deviation of a number target (ddof 0, 1.0 when constant).
    """

    label: str | None = None
    classes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    mean: float | None = None
    sd: float | None = None


@frozen
class Part:
    """What a batch is of the whole one, where several devices share that.

    Attributes:
        samples: of the whole batch.
        share: this batch's samples over those of the whole.
        shares: head -> this batch's samples with the head's label over those of the whole; 0 where nobody has it.
    """

    samples: int
    share: float
    shares: Mapping[str, float]


@frozen
class Batch:
    """Samples of one role.

    Attributes:
        inputs: (batch, channel, *spatial) float32, preprocessed and augmented.
        rows: (batch,) int64, position of each sample in its view.
        targets: head -> (batch,) float32 numbers or int64 class positions; 0 where missing.
        valid: head -> (batch,) bool, False where the label is missing.
        seeds: (batch,) int64, f(run seed, role, epoch, sample), for what is random about a sample; None outside
            training.
        part: what it is of a batch that several devices share; None for the whole of it.
    """

    inputs: Tensor
    rows: Tensor
    targets: Mapping[str, Tensor]
    valid: Mapping[str, Tensor]
    seeds: Tensor | None = None
    part: Part | None = None


@frozen
class Image:
    """One image in memory, between two steps of preprocessing.

    Attributes:
        voxels: (channel, *spatial) float32, finite.
        affine: (4, 4) float64, voxel indices to world coordinates in mm (x right, y anterior, z superior); None for
            files that have none (.npy, .png), whose axes then are taken as they are.
        mask: (*spatial) bool, True inside the brain; None when no mask is given.
    """

    voxels: Array
    affine: np.ndarray[Any, np.dtype[np.float64]] | None = None
    mask: np.ndarray[Any, np.dtype[np.bool_]] | None = None


class Preprocess(Component, ABC):
    """One deterministic step on an image; an option is kept in the attribute of its name."""

    settles: ClassVar[tuple[str, ...]] = ()
    """What images may differ in before this step and do not after it: `orientation`, `spacing`."""
    scales: ClassVar[str] = ""
    """What intensities are after it, for layouts of weights that expect it: `standardised` to a mean of 0 and a
    standard deviation of 1, `unit_range` for 0 to 1 (with default options), or a word of its own; empty for none."""

    @abstractmethod
    def apply(self, image: Image) -> Image:
        """Give the changed image.

        Raises:
            ValueError: the step cannot be done on this image; the message names no file.
        """

    def recipe(self) -> dict[str, Any]:
        """Give, as JSON, everything that decides the bits of `apply`: class, revision, options, and foreign code."""
        cls = type(self)
        names = [p.name for p in inspect.signature(cls).parameters.values() if p.kind is p.KEYWORD_ONLY]
        options = {name: describe.plain(getattr(self, name)) for name in names}
        recipe = {"class": f"{cls.__module__}.{cls.__qualname__}", "revision": cls.revision, "options": options}
        if not cls.__module__.startswith("tlimb."):
            module = inspect.getsource(sys.modules[cls.__module__])
            recipe["code"] = hashlib.sha256(module.encode()).hexdigest()
        return recipe


class Augmentation(Component, ABC):
    """One random change of a training batch, made on the device where the batch lies."""

    mirrors: ClassVar[bool] = False
    """It swaps left and right, which makes labels about a side wrong."""

    @abstractmethod
    def apply(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Give the changed batch; a sample's change depends on its own seed alone, and at zero strength it is none.

        Args:
            inputs: (batch, channel, *spatial) float32.
            draws: random numbers of this step, (batch, ...); purpose 0 says which samples are changed.
        """


class DataModule(Component, ABC):
    """Loading and preprocessing of one image, and augmentation of a batch."""

    augmentations: Sequence[Augmentation] = ()
    """Steps of `augment`, in order."""
    settles: ClassVar[tuple[str, ...]] = ()
    """What images may differ in because `load` makes it equal: `orientation`, `spacing`; its steps' add to it."""
    expects: ClassVar[tuple[str, ...]] = ()
    """What it takes for granted of images: `skull_stripped`, `registered` to a template."""
    no_left: ClassVar[Mapping[str, Any] | None] = None
    """Values of options with which nobody knows the left of its images, so that they cannot be mirrored; empty for all
    values, None for none."""
    lateral: int | None = None
    """Axis of a batch, (batch, channel, *spatial), that runs along left and right; None where there is none."""

    @abstractmethod
    def load(self, image: Path, mask: Path | None) -> Array:
        """Read and preprocess one image, deterministically: float32 (channel, *spatial).

        Raises:
            ValueError: the file cannot be used; the message has no file name.
        """

    @abstractmethod
    def recipe(self) -> Mapping[str, Any]:
        """Give, as JSON, everything that decides the bits of `load`; keys the volume cache."""

    def before_transfer(self, inputs: Tensor, seeds: Tensor) -> Tensor:
        """Change a training batch before it goes to the device, on the CPU and maybe in a process of a loader.

        Args:
            inputs: (batch, channel, *spatial) float32.
            seeds: (batch,) int64, f(run seed, role, epoch, sample).
        """
        return inputs

    def augment(self, inputs: Tensor, seeds: Tensor) -> Tensor:
        """Change a training batch at random after its transfer, on its device, each sample by its own seed.

        Args:
            inputs: (batch, channel, *spatial) float32.
            seeds: (batch,) int64, f(run seed, role, epoch, sample), on the same device.
        """
        for step, augmentation in enumerate(self.augmentations):
            inputs = augmentation.apply(inputs, Draws(seeds, step, self.lateral))
        return inputs


@frozen
class Positions:
    """Where the tokens of a learned position embedding (1, prefix + tokens, width) lie in the image.

    Attributes:
        shape: tokens along each axis; the last runs fastest.
        prefix: tokens before them that have no place, such as a class token.
    """

    shape: tuple[int, ...]
    prefix: int = 0
