"""Masking images and building them again from features."""

import math

from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.contracts import Inputs
from tlimb.components.draws import Draws

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_MASK = 900
"""Step of the draws of masks; those of augmentation are far below."""


class Decoder(nn.Module):
    """From features (batch, feature_dim) to images (batch, channel, *spatial), by three doublings of a coarse grid."""

    def __init__(self, feature_dim: int, inputs: Inputs, width: int) -> None:
        super().__init__()
        self.inputs, self.width = inputs, width
        self.coarse = [-(-size // 8) for size in inputs.shape]
        convolution = _CONVOLUTIONS[len(inputs.shape)]
        self.start = nn.Linear(feature_dim, width * math.prod(self.coarse))
        self.steps = nn.ModuleList(
            nn.Sequential(convolution(width, width, 3, padding=1), nn.GroupNorm(1, width), nn.ReLU()) for _ in range(3)
        )
        self.end = convolution(width, inputs.channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Give the images, cut to the size of the inputs."""
        found = self.start(features).reshape(-1, self.width, *self.coarse)
        for step in self.steps:
            found = step(functional.interpolate(found, scale_factor=2))
        found = self.end(found)
        for axis, size in enumerate(self.inputs.shape):
            found = found.narrow(axis + 2, 0, size)
        return found


def patches_masked(inputs: Tensor, seeds: Tensor, share: float, size: int) -> Tensor:
    """Give which voxels are masked: (batch, 1, *spatial) bool, in patches, the same share of them in each sample.

    Args:
        inputs: (batch, channel, *spatial) float32.
        seeds: (batch,) int64.
        share: of the patches, 0 to 1.
        size: edge of a patch in voxels.
    """
    grid = [-(-length // size) for length in inputs.shape[2:]]
    order = Draws(seeds, _MASK).uniform(1, math.prod(grid)).argsort(1).argsort(1)
    mask = (order < round(share * math.prod(grid))).reshape(len(inputs), 1, *grid)
    for axis, length in enumerate(inputs.shape[2:]):
        mask = mask.repeat_interleave(size, axis + 2).narrow(axis + 2, 0, length)
    return mask


def squared_error(images: Tensor, inputs: Tensor, counted: Tensor) -> Tensor:
    """Give the mean over samples of the mean squared error over the counted voxels that are not background.

    Preprocessing leaves the background constant, so a voxel that has exactly the value of the sample's first voxel is
    background: it would be most of the error, and teaches nothing.

    Args:
        images: (batch, channel, *spatial), what was built.
        inputs: the same, what should have been built.
        counted: (batch, 1, *spatial) bool.

    Raises:
        ValueError: what was built has another shape than the inputs; torch would compare every image with every other.
    """
    if images.shape != inputs.shape:
        raise ValueError(f"images of shape {tuple(images.shape)} cannot be compared with {tuple(inputs.shape)}")
    corner = inputs.flatten(2)[:, :, 0].reshape(*inputs.shape[:2], *(1 for _ in inputs.shape[2:]))
    weights = (counted & (inputs != corner)).to(images.dtype)
    error = (weights * (images - inputs).square()).flatten(1).sum(1)
    return (error / weights.flatten(1).sum(1).clamp(min=1)).mean()
