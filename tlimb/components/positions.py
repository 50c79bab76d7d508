"""Fitting learned position embeddings to another grid of tokens."""

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from tlimb.components.contracts import Positions

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def same_places(source: Tensor, target: Tensor, own: Positions, parent: Positions | None) -> bool:
    """Say whether two embeddings have equal shapes and, as far as is known, the same grid."""
    return source.shape == target.shape and (parent is None or parent.shape == own.shape)


def grid_of(source: Tensor, own: Positions) -> tuple[int, ...] | None:
    """Give the grid of an embedding of which only the tensor is known; None where it could be several.

    Args:
        source: (1, prefix + tokens, width); of weights that say nothing of the images they were trained on.
        own: where the embedding would go; the number of axes is its.
    """
    if source.ndim != 3:
        return None
    count = source.shape[1] - own.prefix
    edge = round(max(count, 0) ** (1 / len(own.shape)))
    return (edge,) * len(own.shape) if edge and edge ** len(own.shape) == count else None


def interpolated(source: Tensor, target: Tensor, own: Positions, parent: Positions | None) -> Tensor | None:
    """Give an embedding on another grid, linear between the places along each axis; None when it cannot be.

    Places are the middles of equal parts of the image, as in torch's `interpolate` without aligned corners; beyond the
    outermost places the nearest one counts. Tokens of the prefix have no place and are copied.

    Args:
        source: (1, prefix + tokens, width), the parent's.
        target: the same of this encoder.
        own: grid and prefix of `target`.
        parent: those of `source`; None where they are not known, then it must be a cube, a square or a line.

    Source: Dosovitskiy et al., ICLR 2021, section 3.2 (in 2D, between resolutions); trilinear as is usual for volumes.
    """
    shape = grid_of(source, own) if parent is None else parent.shape
    prefix = own.prefix if parent is None else parent.prefix
    if (
        shape is None
        or prefix != own.prefix
        or len(shape) != len(own.shape)
        or source.shape != (1, prefix + prod(shape), target.shape[-1])
    ):
        return None
    places = source[:, prefix:].transpose(1, 2).reshape(1, -1, *shape)
    fitted = functional.interpolate(places.float(), size=own.shape, mode=_MODES[len(shape)], align_corners=False)
    tokens = fitted.flatten(2).transpose(1, 2).to(source.dtype)
    return torch.cat([source[:, :prefix], tokens], dim=1)


def described(positions: Mapping[str, Positions], name: str, source: Tensor) -> str:
    """Say in words which grid a position embedding has."""
    known = positions.get(name)
    return f"{source.shape[1]} tokens" if known is None else " x ".join(map(str, known.shape)) + " places"
