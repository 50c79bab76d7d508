"""Layers of transformers, with the tensor names of MONAI."""

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
