"""Layers of transformers, with the tensor names of MONAI."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Self-attention of several heads over all tokens of a sample (Vaswani et al., NeurIPS 2017, section 3.2).

    Args:
        width: channels of a token, a multiple of `heads`.
        heads: number of heads.
        dropout: probability of dropping an attention weight, and a channel of what is given, 0 to 1.
        bias: queries, keys and values have a bias.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.out_proj = nn.Linear(width, width)
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.drop_output = nn.Dropout(dropout)
        self.drop_weights = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Give (batch, tokens, width) of tokens of the same shape."""
        batch, count, width = tokens.shape
        parts = self.qkv(tokens).reshape(batch, count, 3, self.heads, width // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        drop = self.drop_weights.p if self.drop_weights.training else 0.0
        mixed = functional.scaled_dot_product_attention(queries, keys, values, dropout_p=drop)
        return self.drop_output(self.out_proj(mixed.transpose(1, 2).reshape(batch, count, width)))


class Perceptron(nn.Module):
    """Two linear layers with a GELU between them, on each token alone.

    Args:
        width: channels of a token.
        hidden: channels between the layers.
        dropout: probability of dropping a channel after each layer, 0 to 1.
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.drop1 = nn.Dropout(dropout)
        self.drop2 = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Give (.., width) of tokens of the same shape."""
        return self.drop2(self.linear2(self.drop1(functional.gelu(self.linear1(tokens)))))


class Block(nn.Module):
    """Attention and perceptron, each with a layer normalisation before it and a shortcut around both.

    Args:
        width: channels of a token, a multiple of `heads`.
        hidden: channels between the perceptron's layers.
        heads: number of heads.
        dropout: probability of dropping in attention and perceptron, 0 to 1.
        bias: queries, keys and values have a bias.
    """

    def __init__(self, width: int, hidden: int, heads: int, dropout: float, *, bias: bool) -> None:
        super().__init__()
        self.mlp = Perceptron(width, hidden, dropout)
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, dropout, bias=bias)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Give (batch, tokens, width) of tokens of the same shape."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class Patches(nn.Module):
    """Patches of an image as tokens: a linear map of each patch, and a learned vector for each place.

    Args:
        channels: of the image.
        grid: patches along each of 1 to 3 axes.
        patch: edge length of a patch.
        width: channels of a token.
        dropout: probability of dropping a channel of a token, 0 to 1.
    """

    def __init__(self, channels: int, grid: Sequence[int], patch: int, width: int, dropout: float) -> None:
        super().__init__()
        self.position_embeddings = nn.Parameter(torch.zeros(1, prod(grid), width))
        self.patch_embeddings = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(grid) - 1](channels, width, patch, stride=patch)
        self.dropout = nn.Dropout(dropout)
        nn.init.trunc_normal_(self.position_embeddings, std=0.02)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (batch, tokens, width) of images (batch, channel, *spatial); the last axis runs fastest."""
        tokens = self.patch_embeddings(inputs).flatten(2).transpose(1, 2)
        return self.dropout(tokens + self.position_embeddings)


class Transformer(nn.Module):
    """An embedding, blocks, and the feature of a learned token beside the others or the mean over them.

    Args:
        embedding: gives tokens (batch, tokens, width).
        blocks: applied one after the other.
        width: channels of a token.
        class_token: add a token, first, whose last state is given.
    """

    def __init__(self, embedding: nn.Module, blocks: Sequence[Block], width: int, *, class_token: bool) -> None:
        super().__init__()
        if class_token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.class_token = class_token
        self.patch_embedding = embedding
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        initialise(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (batch, width) of what the embedding takes."""
        tokens = self.patch_embedding(inputs)
        if self.class_token:
            tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return tokens[:, 0] if self.class_token else tokens.mean(dim=1)


def patch_grid(shape: Sequence[int], patch: int) -> tuple[int, ...]:
    """Give the number of patches along each axis.

    Raises:
        ValueError: the patches do not cover the image.
    """
    if any(length % patch for length in shape):
        sizes = [tuple(max(1, n // patch + more) * patch for n in shape) for more in (0, 1)]
        size, below, above = (" x ".join(map(str, one)) for one in (shape, *sizes))
        raise ValueError(
            f"patches of {patch} do not cover {size}: crop or pad to {below} or {above}, or change patch_size"
        )
    return tuple(length // patch for length in shape)


def check_heads(name: str, width: int, heads: int) -> None:
    """Refuse a width that does not fall into heads.

    Raises:
        ValueError: the width is not a multiple of the number of heads.
    """
    if width % heads:
        below, above = max(1, width // heads) * heads, (width // heads + 1) * heads
        raise ValueError(f"{name}: width {width} is no multiple of {heads} heads; write width {below} or {above}")


def initialise(network: nn.Module) -> None:
    """Draw the weights of all linear layers from a normal of sd 0.02, cut at 2, and set their biases to 0."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
