"""A missing part."""

from typing import Annotated

import torch
from torch import Tensor

from tlimb.components.contracts import Augmentation
from tlimb.components.draws import Draws
from tlimb.components.intensities import span


class Cutout(Augmentation):
    """Set a random box to the smallest intensity of each channel, which is background.

    Args:
        size: edge of the box, as a share of the image's along each axis.
        p: probability that a sample is changed.

    Source: DeVries, Taylor: Improved regularization of convolutional neural networks with cutout, 2017, section 3.2;
        boxes are kept inside the image here.
    """

    def __init__(
        self,
        *,
        size: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.25,
        p: Annotated[float, {"minimum": 0, "maximum": 1}] = 1.0,
    ) -> None:
        self.size = size
        self.p = p

    def apply(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Blank a box that lies anywhere inside the image."""
        if self.size == 0:
            return inputs
        axes = inputs.ndim - 2
        corners = draws.uniform(1, axes)
        inside = torch.ones((), dtype=torch.bool, device=inputs.device)
        for number, length in enumerate(inputs.shape[2:]):
            edge = max(1, round(self.size * length))
            first = (corners[:, number] * (length - edge + 1)).floor()[:, None]
            place = torch.arange(length, device=inputs.device)
            within = (place >= first) & (place < first + edge)
            inside = inside & within.reshape(len(inputs), 1, *(length if axis == number else 1 for axis in range(axes)))
        low, _ = span(inputs)
        return torch.where(inside & draws.chosen(self.p, inputs), low.expand_as(inputs), inputs)
