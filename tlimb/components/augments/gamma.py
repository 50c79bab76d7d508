"""Another contrast."""

from typing import Annotated

import torch
from torch import Tensor

from tlimb.components.contracts import Augmentation
from tlimb.components.draws import Draws
from tlimb.components.intensities import span


class Gamma(Augmentation):
    """Raise intensities, between the image's smallest and largest, to a random power.

    Args:
        log_range: largest natural logarithm of the power, either way; 0.3 gives 0.74 to 1.35.
        p: probability that a sample is changed.
    """

    def __init__(
        self,
        *,
        log_range: Annotated[float, {"minimum": 0, "maximum": 3}] = 0.3,
        p: Annotated[float, {"minimum": 0, "maximum": 1}] = 1.0,
    ) -> None:
        self.log_range = log_range
        self.p = p

    def apply(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Change the contrast, and keep the smallest and the largest intensity of each channel."""
        if self.log_range == 0:
            return inputs
        power = draws.between(1, self.log_range).exp().reshape(-1, *(1 for _ in inputs.shape[1:]))
        low, width = span(inputs)
        changed = low + width * ((inputs - low) / width.clamp(min=1e-12)).clamp(0, 1) ** power
        return torch.where(draws.chosen(self.p, inputs), changed, inputs)
