"""A coarser resolution."""

from typing import Annotated

import torch
from torch import Tensor

from tlimb.components.contracts import Augmentation
from tlimb.components.draws import Draws


class Blur(Augmentation):
    """Smooth by a Gaussian of random width, the same along all axes.

    Args:
        sigma: largest standard deviation of the Gaussian, in voxels; each sample's lies between 0 and it.
        p: probability that a sample is changed.
    """

    def __init__(
        self,
        *,
        sigma: Annotated[float, {"minimum": 0, "maximum": 20, "unit": "voxel"}] = 1.0,
        p: Annotated[float, {"minimum": 0, "maximum": 1}] = 1.0,
    ) -> None:
        self.sigma = sigma
        self.p = p

    def apply(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Smooth along one axis after the other; beyond the border, the border's values."""
        if self.sigma == 0:
            return inputs
        widths = self.sigma * draws.uniform(1)
        reach = max(1, round(3 * self.sigma))
        offsets = torch.arange(-reach, reach + 1, dtype=torch.float32, device=inputs.device)
        weights = torch.exp(-0.5 * (offsets / widths.clamp(min=1e-3)[:, None]).square())
        weights = weights / weights.sum(1, keepdim=True)
        changed = inputs
        for axis in range(2, inputs.ndim):
            length = inputs.shape[axis]
            place = torch.arange(length, device=inputs.device)
            total = torch.zeros_like(inputs)
            for number, offset in enumerate(range(-reach, reach + 1)):
                factor = weights[:, number].reshape(-1, *(1 for _ in inputs.shape[1:]))
                total = total + factor * changed.index_select(axis, (place + offset).clamp(0, length - 1))
            changed = total
        return torch.where(draws.chosen(self.p, inputs), changed, inputs)
