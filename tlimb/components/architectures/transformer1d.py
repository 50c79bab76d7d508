"""A small transformer for time series."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tlimb.components.attention import Block, Patches, Transformer, check_heads, patch_grid
from tlimb.components.contracts import Encoder, Inputs, Positions


class Transformer1D(Encoder):
    """A transformer whose tokens are stretches of time or regions, with a learned embedding of their places.

    With tokens of time, names and function are those of MONAI's ViT with one spatial dimension, without the
    normalisation of a cross-attention that MONAI writes into every block and does not use.

    Args:
        tokens: `time` makes a token of all regions in `patch_size` time points; `regions` makes one of a region's whole
            series, and takes series of this length only.
        patch_size: time points of a token; must divide the length of the series. Not used for `regions`.
        width: channels of a token.
        depth: number of transformer blocks.
        heads: attention heads of each block; must divide the width.
        hidden: width between the two layers of each block's perceptron; none for 4 times the width.
        class_token: the features are those of a learned token beside the others; otherwise the mean over tokens.
        dropout: probability of dropping a channel of the embedding, an attention weight, and a channel after each
            linear layer of a block but the first, 0 to 1.

    Source: Dosovitskiy et al.: An image is worth 16x16 words, ICLR 2021, on series; tokens of regions: Kan et al.:
        Brain network transformer, NeurIPS 2022, whose tokens are rows of the connectivity matrix, not series.
    """

    dims = (1,)
    aka: ClassVar[Mapping[str, str]] = {"transformer": "transformer1d"}
    example: ClassVar[Mapping[str, Any]] = {"patch_size": 8, "width": 12, "depth": 1, "heads": 3}

    def __init__(
        self,
        inputs: Inputs,
        *,
        tokens: Literal["time", "regions"] = "time",
        patch_size: Annotated[int, {"minimum": 1}] = 10,
        width: Annotated[int, {"minimum": 1, "multiple_of": "heads"}] = 64,
        depth: Annotated[int, {"minimum": 1}] = 2,
        heads: Annotated[int, {"minimum": 1}] = 4,
        hidden: Annotated[int | None, {"minimum": 1}] = None,
        class_token: bool = True,
        dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
    ) -> None:
        super().__init__()
        if len(inputs.shape) != 1:
            raise ValueError(f"transformer1d needs time series, the images have {len(inputs.shape)} dimensions")
        check_heads("transformer1d", width, heads)
        embedding: nn.Module
        if tokens == "time":
            grid = patch_grid(inputs.shape, patch_size)
            embedding = Patches(inputs.channels, grid, patch_size, width, dropout)
            self.positions = {"patch_embedding.position_embeddings": Positions(grid)}
        else:
            embedding = _Regions(inputs.channels, inputs.shape[0], width, dropout)
        blocks = [Block(width, hidden or 4 * width, heads, dropout, bias=False) for _ in range(depth)]
        self.network = Transformer(embedding, blocks, width, class_token=class_token)
        self.feature_dim = width
        self.stages = ("patch_embedding", *(f"blocks.{index}" for index in range(depth)), "norm")

    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32 of time series (batch, region, time)."""
        return self.network(inputs)

    def channel_axis(self) -> int:
        """Give the last axis, behind the tokens."""
        return -1


class _Regions(nn.Module):
    """Regions as tokens: a linear map of a region's series, and a learned vector for each region."""

    def __init__(self, regions: int, length: int, width: int, dropout: float) -> None:
        super().__init__()
        self.position_embeddings = nn.Parameter(torch.zeros(1, regions, width))
        self.series = nn.Linear(length, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.trunc_normal_(self.position_embeddings, std=0.02)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.dropout(self.series(inputs) + self.position_embeddings)
