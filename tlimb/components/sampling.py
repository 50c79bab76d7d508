"""Reading inputs between their voxels."""

import torch
from torch import Tensor
from torch.nn import functional


def centred(inputs: Tensor) -> Tensor:
    """Give the position of every voxel from the centre, in voxels: (1, *spatial, axes) float32."""
    axes = [torch.arange(n, dtype=torch.float32, device=inputs.device) - (n - 1) / 2 for n in inputs.shape[2:]]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)[None]


def read_at(inputs: Tensor, positions: Tensor) -> Tensor:
    """Read each sample at positions from its centre, linearly; beyond the border, the border's values.

    Args:
        inputs: (batch, channel, *spatial) float32, with 2 or 3 spatial axes.
        positions: (batch, *spatial, axes) float32, in voxels from the centre, axes in the order of `spatial`.

    Raises:
        ValueError: inputs have another number of spatial axes.
    """
    if inputs.ndim not in (4, 5):
        raise ValueError(f"images are moved in 2 or 3 dimensions; these have {inputs.ndim - 2}")
    sizes = torch.tensor(inputs.shape[2:], dtype=torch.float32, device=inputs.device)
    # grid_sample counts axes from the last, and from -1 to 1 between the centres of the outer voxels.
    grid = (2 * positions / (sizes - 1).clamp(min=1)).flip(-1)
    return functional.grid_sample(inputs, grid, mode="bilinear", padding_mode="border", align_corners=True)
