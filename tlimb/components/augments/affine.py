"""Turning, scaling and moving."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from tlimb.components.contracts import Augmentation
from tlimb.components.draws import Draws
from tlimb.components.sampling import centred, read_at


class Affine(Augmentation):
    """Turn, scale and move the image about its centre, with linear interpolation.

    Args:
        rotate_deg: largest angle about each axis, either way.
        scale: largest relative change of size, either way; 0.1 gives 0.9 to 1.1.
        shift: largest displacement along each axis, in voxels, either way.
        p: probability that a sample is changed.
    """

    example: ClassVar[Mapping[str, Any]] = {"rotate_deg": 10.0}

    def __init__(
        self,
        *,
        rotate_deg: Annotated[float, {"minimum": 0, "maximum": 180, "unit": "degree"}] = 0.0,
        scale: Annotated[float, {"minimum": 0, "exclusiveMaximum": 1}] = 0.0,
        shift: Annotated[float, {"minimum": 0, "unit": "voxel"}] = 0.0,
        p: Annotated[float, {"minimum": 0, "maximum": 1}] = 1.0,
    ) -> None:
        self.rotate_deg = rotate_deg
        self.scale = scale
        self.shift = shift
        self.p = p

    def apply(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Read the image where the inverse of the movement points."""
        if self.rotate_deg == self.scale == self.shift == 0:
            return inputs
        axes = inputs.ndim - 2
        angles = draws.between(1, math.radians(self.rotate_deg), 3)
        sizes = 1 + draws.between(2, self.scale)
        moves = draws.between(3, self.shift, axes)
        turned = rotations(angles, axes) / sizes[:, None, None]
        where = centred(inputs) - moves.reshape(-1, *(1 for _ in range(axes)), axes)
        positions = torch.einsum("bij,b...j->b...i", turned, where)
        return torch.where(draws.chosen(self.p, inputs), read_at(inputs, positions), inputs)


def rotations(angles: Tensor, axes: int) -> Tensor:
    """Give rotation matrices, (batch, axes, axes), for angles in radians, (batch, 3); in a plane the first counts."""
    cosine, sine = angles.cos(), angles.sin()
    found = None
    for number, (first, second) in enumerate([(0, 1)] if axes == 2 else [(0, 1), (0, 2), (1, 2)]):
        one = torch.eye(axes, device=angles.device).repeat(len(angles), 1, 1)
        one[:, first, first] = one[:, second, second] = cosine[:, number]
        one[:, first, second], one[:, second, first] = -sine[:, number], sine[:, number]
        found = one if found is None else found @ one
    assert found is not None
    return found
