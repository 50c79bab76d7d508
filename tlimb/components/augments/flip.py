"""Mirroring."""

from typing import Annotated

import torch
from torch import Tensor

from tlimb.components.contracts import Augmentation
from tlimb.components.draws import Draws


class Flip(Augmentation):
    """Mirror left and right.

    A label that says a side, such as handedness or the side of a lesion, is wrong for a mirrored brain; the compiler
    warns of such labels.

    Args:
        p: probability that a sample is mirrored.
    """

    mirrors = True

    def __init__(self, *, p: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.5) -> None:
        self.p = p

    def apply(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Mirror the chosen samples along the axis that runs from left to right.

        Raises:
            ValueError: there is no such axis, as in a sagittal slice.
        """
        if draws.lateral is None:
            raise ValueError("flip mirrors left and right, and these inputs have no such axis")
        return torch.where(draws.chosen(self.p, inputs), inputs.flip(draws.lateral), inputs)
