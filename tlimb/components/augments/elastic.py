"""Smooth deformation."""

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from tlimb.components.contracts import Augmentation
from tlimb.components.draws import Draws
from tlimb.components.sampling import centred, read_at


class Elastic(Augmentation):
    """Deform the image smoothly: displacements at a coarse grid of knots, interpolated between them.

    Args:
        displacement: standard deviation of the displacement of a knot along each axis, in voxels.
        knots: number of knots along each axis.
        p: probability that a sample is changed.

    Source: Simard, Steinkraus, Platt: Best practices for convolutional neural networks, ICDAR 2003, section 2; knots
        in place of a smoothed field of noise are ours, and cost a hundredth of the random numbers.
    """

    def __init__(
        self,
        *,
        displacement: Annotated[float, {"minimum": 0, "unit": "voxel"}] = 1.0,
        knots: Annotated[int, {"minimum": 2, "maximum": 32}] = 5,
        p: Annotated[float, {"minimum": 0, "maximum": 1}] = 1.0,
    ) -> None:
        self.displacement = displacement
        self.knots = knots
        self.p = p

    def apply(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Read the image at displaced positions."""
        if self.displacement == 0:
            return inputs
        axes = inputs.ndim - 2
        knots = self.displacement * draws.normal(1, axes, *(self.knots for _ in range(axes)))
        mode = "bilinear" if axes == 2 else "trilinear"
        field = functional.interpolate(knots, size=inputs.shape[2:], mode=mode, align_corners=True)
        positions = centred(inputs) + field.movedim(1, -1)
        return torch.where(draws.chosen(self.p, inputs), read_at(inputs, positions), inputs)
