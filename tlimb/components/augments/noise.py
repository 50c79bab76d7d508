"""Noise of the receiver."""

from typing import Annotated

import torch
from torch import Tensor

from tlimb.components.contracts import Augmentation
from tlimb.components.draws import Draws
from tlimb.components.intensities import spread


class Noise(Augmentation):
    """Add Gaussian noise.

    Args:
        sd: standard deviation of the noise, as a multiple of that of the channel's intensities.
        p: probability that a sample is changed.
    """

    def __init__(
        self,
        *,
        sd: Annotated[float, {"minimum": 0}] = 0.1,
        p: Annotated[float, {"minimum": 0, "maximum": 1}] = 1.0,
    ) -> None:
        self.sd = sd
        self.p = p

    def apply(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Add noise that is independent between voxels and channels."""
        if self.sd == 0:
            return inputs
        changed = inputs + self.sd * spread(inputs) * draws.normal(1, *inputs.shape[1:])
        return torch.where(draws.chosen(self.p, inputs), changed, inputs)
