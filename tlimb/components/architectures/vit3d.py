"""The vision transformer, for volumes."""

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from tlimb.components.attention import Block, check_heads, initialise
from tlimb.components.contracts import Encoder, Inputs


class ViT3D(Encoder):
    """A vision transformer (ViT) on patches of a volume, with a learned embedding of their positions.

    Tensor names and function are those of MONAI's ViT with convolution and learned positions, so public brain weights
    fit; the normalisation of a cross-attention that MONAI writes into every block, without using it, has no place
    here. MONAI's classifier without a class token takes the first patch; here the features then are the mean over
    patches.

    Args:
        patch: edge length of a patch in voxels; must divide each side of the images.
        width: channels of a token.
        depth: number of transformer blocks.
        heads: attention heads of each block; must divide the width.
        hidden: width between the two layers of each block's perceptron; none for 4 times the width.
        class_token: the features are those of a learned token beside the patches; otherwise the mean over patches.
        qkv_bias: queries, keys and values have a bias.
        dropout: probability of dropping a channel of the embedding, an attention weight, and a channel after each
            linear layer of a block but the first, 0 to 1.

    Source: Dosovitskiy et al.: An image is worth 16x16 words: transformers for image recognition at scale, ICLR 2021
        (section 3.1; the defaults are ViT-Base). Initial weights: normal of sd 0.02 as in its published code, where
        MONAI keeps torch's.
    """

    dims = (3,)
    aka: ClassVar[Mapping[str, str]] = {
        "vit": "vit3d: {patch: 16}",
        "vit_base": "vit3d",
        "vit_small": "vit3d: {width: 384, heads: 6}",
        "vit_tiny": "vit3d: {width: 192, heads: 3}",
    }
    example: ClassVar[Mapping[str, Any]] = {"patch": 8, "width": 24, "depth": 2, "heads": 3}

    def __init__(
        self,
        inputs: Inputs,
        *,
        patch: Annotated[int, {"minimum": 1}] = 16,
        width: Annotated[int, {"minimum": 1}] = 768,
        depth: Annotated[int, {"minimum": 1}] = 12,
        heads: Annotated[int, {"minimum": 1}] = 12,
        hidden: Annotated[int | None, {"minimum": 1}] = None,
        class_token: bool = True,
        qkv_bias: bool = False,
        dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
    ) -> None:
        super().__init__()
        if len(inputs.shape) != 3:
            raise ValueError(f"vit3d needs volumes, the images have {len(inputs.shape)} dimensions")
        check_heads("vit3d", width, heads)
        grid = _grid(inputs.shape, patch)
        blocks = [Block(width, hidden or 4 * width, heads, dropout, bias=qkv_bias) for _ in range(depth)]
        self.network = _ViT(_Embedding(inputs.channels, grid, patch, width, dropout), blocks, width, class_token)
        self.feature_dim = width
        self.stages = ("patch_embedding", *(f"blocks.{index}" for index in range(depth)), "norm")

    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32 of volumes (batch, channel, x, y, z)."""
        return self.network(inputs)


def _grid(shape: tuple[int, ...], patch: int) -> tuple[int, ...]:
    """Give the number of patches along each axis.

    Raises:
        ValueError: the patches do not cover the image.
    """
    if any(length % patch for length in shape):
        sizes = [tuple(max(1, n // patch + more) * patch for n in shape) for more in (0, 1)]
        below, above = (" x ".join(map(str, size)) for size in sizes)
        size = " x ".join(map(str, shape))
        raise ValueError(f"patches of {patch} do not cover {size}: crop or pad to {below} or {above}, or change patch")
    return tuple(length // patch for length in shape)


class _Embedding(nn.Module):
    """Patches as tokens: a linear map of each patch's voxels, and a learned vector for each place."""

    def __init__(self, channels: int, grid: tuple[int, ...], patch: int, width: int, dropout: float) -> None:
        super().__init__()
        self.position_embeddings = nn.Parameter(torch.zeros(1, prod(grid), width))
        self.patch_embeddings = nn.Conv3d(channels, width, patch, stride=patch)
        self.dropout = nn.Dropout(dropout)
        nn.init.trunc_normal_(self.position_embeddings, std=0.02)

    def forward(self, inputs: Tensor) -> Tensor:
        tokens = self.patch_embeddings(inputs).flatten(2).transpose(1, 2)
        return self.dropout(tokens + self.position_embeddings)


class _ViT(nn.Module):
    def __init__(self, embedding: _Embedding, blocks: list[Block], width: int, class_token: bool) -> None:
        super().__init__()
        if class_token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.class_token = class_token
        self.patch_embedding = embedding
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        initialise(self)

    def forward(self, inputs: Tensor) -> Tensor:
        tokens = self.patch_embedding(inputs)
        if self.class_token:
            tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return tokens[:, 0] if self.class_token else tokens.mean(dim=1)
