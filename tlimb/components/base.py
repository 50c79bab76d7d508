"""The root of all components, and metrics: what can be known and used without torch."""

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
