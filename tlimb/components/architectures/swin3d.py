"""The transformer with shifted windows, for volumes."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.attention import Perceptron, check_heads, initialise
from tlimb.components.contracts import Encoder, Inputs

_NEAR = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
MERGING = {
    "each": (*_NEAR, (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1)),
    "repeated": (*_NEAR, (1, 0, 1), (0, 1, 0), (0, 0, 1), (1, 1, 1)),
    "ordered": tuple(product((0, 1), repeat=3)),
}
"""Which of 2 x 2 x 2 tokens are put behind each other, in order."""


class Swin3D(Encoder):
    """A transformer whose attention stays within windows, which are shifted in every other block (Swin).

    Tensor names and function are those of `swinViT` in MONAI's SwinUNETR, so public brain weights fit. The features are
    the mean over positions of what its last stage gives, normalised over channels as SwinUNETR's decoder gets it. Every
    size passes: images, windows and pairs of tokens are padded with zeros at the end of an axis. Where an axis is
    shorter than a window, relative positions are looked up as MONAI does, among the first tokens of a whole window.

    Args:
        feature_size: channels of a token after the patches, a multiple of `heads`; doubled by each of the four stages.
        patch_size: edge length of a patch in voxels.
        window: edge length of a window in tokens.
        depths: blocks of each of the four stages.
        heads: attention heads in the first stage; doubled in each further stage.
        merging: order of the 8 neighbouring tokens that become one between stages. `each` takes each once, as MONAI
            does since 1.5; `repeated` takes two of them twice and two never, as MONAI did until 1.4 and as weights
            that were trained with it expect; `ordered` is MONAI's `mergingv2`.
        dropout: probability of dropping a channel of the patches and after each linear layer, 0 to 1.
        attention_dropout: probability of dropping an attention weight, 0 to 1.
        drop_path: probability of skipping the last block's two parts for a sample, 0 to 1; earlier blocks are skipped
            less, down to 0 in the first.

    Source: Liu et al.: Swin transformer: hierarchical vision transformer using shifted windows, ICCV 2021; in 3D:
        Hatamizadeh et al.: Swin UNETR, BrainLes 2021. The mean over positions is the first paper's, as is the initial
        normal of sd 0.02.
    """

    dims = (3,)
    aka: ClassVar[Mapping[str, str]] = {"swin": "swin3d", "swin_unetr": "swin3d: {feature_size: 48}"}
    example: ClassVar[Mapping[str, Any]] = {"feature_size": 6, "window": 3, "depths": [2, 1, 1, 1]}

    def __init__(
        self,
        inputs: Inputs,
        *,
        feature_size: Annotated[int, {"minimum": 1, "multiple_of": "heads"}] = 48,
        patch_size: Annotated[int, {"minimum": 1}] = 2,
        window: Annotated[int, {"minimum": 1, "maximum": 32}] = 7,
        depths: Annotated[Sequence[Annotated[int, {"minimum": 1}]], {"minItems": 4, "maxItems": 4}] = (2, 2, 2, 2),
        heads: Annotated[int, {"minimum": 1}] = 3,
        merging: Literal["each", "repeated", "ordered"] = "each",
        dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
        attention_dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
        drop_path: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
    ) -> None:
        super().__init__()
        if len(inputs.shape) != 3:
            raise ValueError(f"swin3d needs volumes, the images have {len(inputs.shape)} dimensions")
        check_heads("swin3d", feature_size, heads)
        self.network = nn.Sequential()
        self.network.add_module("patch_embed", _Patches(inputs.channels, feature_size, patch_size))
        self.network.add_module("pos_drop", nn.Dropout(dropout))
        skips = torch.linspace(0, drop_path, sum(depths), device="cpu").tolist()
        for index, depth in enumerate(depths):
            first = sum(depths[:index])
            drops = [(dropout, attention_dropout, skip) for skip in skips[first : first + depth]]
            width = feature_size * 2**index
            stage = _Stage(width, heads * 2**index, window, drops, MERGING[merging])
            self.network.add_module(f"layers{index + 1}", nn.ModuleList([stage]))
        initialise(self.network)
        self.feature_dim = 16 * feature_size
        self.stages = ("patch_embed", *(f"layers{index + 1}" for index in range(len(depths))))

    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32 of volumes (batch, channel, x, y, z)."""
        tokens = inputs
        for name in ("patch_embed", "pos_drop", *(f"layers{index}.0" for index in range(1, len(self.stages)))):
            tokens = self.network.get_submodule(name)(tokens)
        return functional.layer_norm(tokens, tokens.shape[-1:]).mean(dim=(1, 2, 3))

    def channel_axis(self) -> int:
        """Give the last axis, behind the tokens."""
        return -1


class _Patches(nn.Module):
    """A linear map of each patch's voxels, tokens last."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(channels, width, patch, stride=patch)
        self.patch = patch

    def forward(self, inputs: Tensor) -> Tensor:
        lacking = [number for length in reversed(inputs.shape[2:]) for number in (0, -length % self.patch)]
        return self.proj(functional.pad(inputs, lacking)).movedim(1, -1)


class _WindowAttention(nn.Module):
    """Attention among the tokens of a window, with a learned weight for each distance between two of them."""

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, window: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 3, heads))
        places = torch.cartesian_prod(*[torch.arange(window)] * 3).reshape(-1, 3)
        apart = places[:, None] - places[None] + window - 1
        base = torch.tensor([(2 * window - 1) ** 2, 2 * window - 1, 1])
        self.register_buffer("relative_position_index", (apart * base).sum(dim=-1))
        self.qkv = nn.Linear(width, 3 * width)
        self.attn_drop = nn.Dropout(attention_dropout)
        self.proj = nn.Linear(width, width)
        self.proj_drop = nn.Dropout(dropout)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Give (batch, windows, tokens, width); `mask` is (windows, tokens, tokens) float, added to the weights."""
        *many, count, width = tokens.shape
        parts = self.qkv(tokens).reshape(*many, count, 3, self.heads, width // self.heads)
        queries, keys, values = parts.movedim(-3, 0).transpose(-3, -2)
        index = self.relative_position_index[:count, :count].reshape(-1)
        bias = self.relative_position_bias_table[index].reshape(count, count, self.heads).movedim(-1, 0)
        weights = queries * (width // self.heads) ** -0.5 @ keys.transpose(-2, -1) + bias
        if mask is not None:
            weights = weights + mask[:, None]
        mixed = self.attn_drop(weights.softmax(dim=-1)) @ values
        return self.proj_drop(self.proj(mixed.transpose(-3, -2).reshape(*many, count, width)))


class _Skip(nn.Module):
    """Leaves out what it is given for some samples in training, and scales the others up (stochastic depth)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return inputs
        kept = 1 - self.probability
        drawn = inputs.new_empty(len(inputs), *[1] * (inputs.ndim - 1)).bernoulli_(kept)
        return inputs * (drawn / kept if kept else drawn)


class _Block(nn.Module):
    """Attention within windows and a perceptron, each with a layer normalisation before it and a shortcut around."""

    def __init__(self, width: int, heads: int, window: int, drops: tuple[float, float, float], shifted: bool) -> None:
        super().__init__()
        self.window, self.shifted = window, shifted
        self.norm1 = nn.LayerNorm(width)
        self.attn = _WindowAttention(width, heads, window, *drops[:2])
        self.drop_path = _Skip(drops[2])
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Perceptron(width, 4 * width, drops[0])

    def forward(self, tokens: Tensor) -> Tensor:
        """Give (batch, x, y, z, width) of tokens of the same shape."""
        tokens = tokens + self.drop_path(self._attended(self.norm1(tokens)))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))

    def _attended(self, tokens: Tensor) -> Tensor:
        shape = tokens.shape[1:4]
        window = [min(self.window, length) for length in shape]
        shift = [self.window // 2 if self.shifted and length > self.window else 0 for length in shape]
        lacking = [number for n, w in zip(reversed(shape), reversed(window), strict=True) for number in (0, -n % w)]
        padded = functional.pad(tokens, (0, 0, *lacking))
        mask = None
        if any(shift):
            padded = padded.roll([-n for n in shift], (1, 2, 3))
            mask = _apart(tuple(padded.shape[1:4]), window, shift, tokens.device)
        mixed = _joined(self.attn(_windows(padded, window), mask), window, padded.shape)
        if any(shift):
            mixed = mixed.roll(shift, (1, 2, 3))
        return mixed[:, : shape[0], : shape[1], : shape[2]]


class _Stage(nn.Module):
    """Blocks, every other one with shifted windows, then 2 x 2 x 2 tokens become one of twice the width."""

    def __init__(
        self,
        width: int,
        heads: int,
        window: int,
        drops: Sequence[tuple[float, float, float]],
        order: Sequence[tuple[int, ...]],
    ) -> None:
        super().__init__()
        blocks = [_Block(width, heads, window, drop, index % 2 == 1) for index, drop in enumerate(drops)]
        self.blocks = nn.ModuleList(blocks)
        self.downsample = _Merge(width, order)

    def forward(self, tokens: Tensor) -> Tensor:
        for block in self.blocks:
            tokens = block(tokens)
        return self.downsample(tokens)


class _Merge(nn.Module):
    def __init__(self, width: int, order: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.order = order
        self.reduction = nn.Linear(8 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(8 * width)

    def forward(self, tokens: Tensor) -> Tensor:
        odd = [number for length in reversed(tokens.shape[1:4]) for number in (0, length % 2)]
        padded = functional.pad(tokens, (0, 0, *odd))
        parts = [padded[:, i::2, j::2, k::2] for i, j, k in self.order]
        return self.reduction(self.norm(torch.cat(parts, dim=-1)))


def _windows(tokens: Tensor, window: Sequence[int]) -> Tensor:
    """Cut (batch, x, y, z, width) into (batch, windows, tokens, width)."""
    batch, x, y, z, width = tokens.shape
    i, j, k = window
    cut = tokens.reshape(batch, x // i, i, y // j, j, z // k, k, width)
    return cut.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(batch, -1, i * j * k, width)


def _joined(windows: Tensor, window: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Undo `_windows`."""
    batch, x, y, z, width = shape
    i, j, k = window
    cut = windows.reshape(batch, x // i, y // j, z // k, i, j, k, width)
    return cut.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(batch, x, y, z, width)


def _apart(shape: tuple[int, ...], window: Sequence[int], shift: Sequence[int], device: torch.device) -> Tensor:
    """Give -100 for tokens that lie in one window only because it was shifted over the end, 0 for others.

    Returns:
        (windows, tokens, tokens) float32.
    """
    region = torch.zeros(1, *shape, 1, device=device)
    for axis, (length, size, by) in enumerate(zip(shape, window, shift, strict=True)):
        if by:
            place = torch.arange(length, device=device)
            number = (place >= length - size).float() + (place >= length - by).float()
            region = 3 * region + number.reshape([length if axis == other else 1 for other in range(-1, 4)])
    labels = _windows(region, window)[0, ..., 0]
    return torch.where(labels[:, None] == labels[:, :, None], 0.0, -100.0)
