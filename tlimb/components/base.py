"""The root of all components, metrics and layouts: what can be known and used without torch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np


class Component:
    """The root of all components."""

    revision: ClassVar[int] = 1
    aka: ClassVar[Mapping[str, str]] = {}
    """Other tools' words for it -> what to write here, for messages."""
    example: ClassVar[Mapping[str, Any]] = {}
    """Options for a small instance, as YAML would hold them; for tests, and wherever an option has no default."""
    later: ClassVar[tuple[str, ...]]
    """Options that were added after a release: left out of work while they have their default, so that results that
    were computed before stay valid. Absent for none."""


class Metric(Component, ABC):
    """A number computed from all predictions of a part at once; imports no torch at module level."""

    kind: ClassVar[Literal["number", "class"]]
    direction: ClassVar[Literal["max", "min"]]

    @abstractmethod
    def compute(self, targets: np.ndarray[Any, Any], predictions: np.ndarray[Any, Any]) -> float:
        """Give the value; NaN where it is undefined.

        Args:
            targets: (n,) float64 numbers, or int64 class positions.
            predictions: (n,) float64 numbers, or (n, classes) float64 probabilities.
        """


class Layout(Component):
    """How a file of public weights names its tensors, and what these were trained with; a table, no code.

    Names are changed in this order: `prefixes`, `renames`, `drop`. What is left must be the names in the encoder's
    `network`; each of the encoder's tensors must be there.
    """

    unwrap: ClassVar[tuple[str, ...]] = ()
    """Keys under which the tensors may stand in the file; the first that is there counts, else the file itself."""
    prefixes: ClassVar[tuple[str, ...]] = ()
    """Beginnings of names, taken off once each, in this order, where they are there."""
    renames: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Regular expressions and replacements, applied in this order wherever they fit."""
    drop: ClassVar[tuple[str, ...]] = ()
    """Patterns (`fc.*`) of tensors that belong to no encoder."""
    folded: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Regular expression of a bias before a normalisation by batch, and that one's running mean: the bias is taken off
    the mean, which is the same function in training and after it."""
    architecture: ClassVar[str | None] = None
    """Component that the weights fit; None for any."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Options of the architecture that the weights need."""
    preprocess: ClassVar[Mapping[str, Any]] = {}
    """Options of the data module that give images as the weights have seen them."""
    expects: ClassVar[tuple[str, ...]] = ()
    """What the images were that they have seen: `skull_stripped`, `registered` to a template; `standardised` (mean 0
    and standard deviation 1) or `unit_range` (0 to 1) where their authors say no more of intensities than that."""
    cohorts: ClassVar[tuple[str, ...]] = ()
    """Populations that they were trained on, for the leak guard; empty where only the file's origin tells."""
    licence: ClassVar[str] = ""
    """Terms of the weights, as their authors publish them: read those before use."""
