"""The simple fully convolutional network for brain age."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.contracts import Encoder, Inputs

CHANNELS = (32, 64, 128, 256, 256, 64)


class SFCN(Encoder):
    """The simple fully convolutional network (SFCN), a plain stack of 3D convolutions.

    All but the last block halve the image. The published head starts with an average over the 5 x 6 x 5 positions that
    160 x 192 x 160 voxels leave; here the average is over all positions, which is the same function at that size
    and defined at every other. A block does not halve an axis of length 1, so small images pass as well.

    Args:
        channels: width of each block; the last one has a kernel of 1 and gives the features.
        dropout: probability of dropping a feature before the head, 0 to 1.
        kernel: edge length of the convolutions in voxels, odd; the last block's stays 1. Published weights have 3.
        block_dropout: probability of dropping a whole channel after each block but the last, 0 to 1.

    Source: Peng, Gong, Beckmann, Vedaldi, Smith: Accurate brain age prediction with lightweight deep neural networks,
        Medical Image Analysis 68 (2021) 101871; weights of UKBiobank_deep_pretrain have these tensor names.
    """

    dims = (3,)
    example: ClassVar[Mapping[str, Any]] = {"channels": [4, 4, 8]}
    later = ("kernel", "block_dropout")

    def __init__(
        self,
        inputs: Inputs,
        *,
        channels: Annotated[Sequence[Annotated[int, {"minimum": 1}]], {"minItems": 2}] = CHANNELS,
        dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.5,
        kernel: Annotated[int, {"minimum": 1, "maximum": 15, "odd": True}] = 3,
        block_dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
    ) -> None:
        super().__init__()
        if len(inputs.shape) != 3:
            raise ValueError(f"sfcn needs volumes, the images have {len(inputs.shape)} dimensions")
        if kernel % 2 == 0:
            raise ValueError(f"a kernel of {kernel} has no middle: write an odd one")
        blocks = nn.Sequential()
        widths = (inputs.channels, *channels)
        for index, (before, after) in enumerate(pairwise(widths)):
            last = index == len(channels) - 1
            blocks.add_module(f"conv_{index}", _block(before, after, kernel, block_dropout, last))
        self.network = nn.Sequential()
        self.network.add_module("feature_extractor", blocks)
        self.dropout = nn.Dropout(dropout)
        self.feature_dim = widths[-1]
        self.stages = tuple(f"feature_extractor.conv_{index}" for index in range(len(channels)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32 of volumes (batch, channel, x, y, z)."""
        return self.dropout(self.network(inputs).mean(dim=(2, 3, 4)))

    def channel_axis(self) -> int:
        """Give the axis behind the batch."""
        return 1


class _Halve(nn.Module):
    """Maximum over 2 x 2 x 2 voxels, along axes longer than one voxel."""

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.max_pool3d(inputs, [min(2, length) for length in inputs.shape[2:]])


def _block(before: int, after: int, kernel: int, dropout: float, last: bool) -> nn.Sequential:
    """Make one block; the maximum is taken before the ReLU, as published."""
    if last:
        return nn.Sequential(nn.Conv3d(before, after, 1), nn.BatchNorm3d(after), nn.ReLU())
    convolution = nn.Conv3d(before, after, kernel, padding=kernel // 2)
    return nn.Sequential(convolution, nn.BatchNorm3d(after), _Halve(), nn.ReLU(), nn.Dropout3d(dropout))
