"""Staying near the parent in what the layers say, not in the weights."""

import copy
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal

import torch
from attrs import evolve
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from tlimb.components.contracts import (
    Auxiliary,
    Batch,
    Encoder,
    Inputs,
    Network,
    NetworkUnfitError,
    Pretext,
    StepContext,
)

Maps = dict[str, Tensor]
_MAPS = (_ConvNd, _BatchNorm)
TEMPERATURE = 5.0
"""Softness of the attention."""


class Delta(Auxiliary):
    """Keep the feature maps near the parent's, those channels most that the task needs (DELTA).

    The term is weight / 2 times the sum over layers of the mean over samples of sum_c A_c d_c. Here d_c is the mean
    squared difference over the voxels of channel c from the map of the parent's encoder for the same image, and the
    attention A has a mean of 1 over the channels of a layer. Means over samples and voxels make the strength the same
    for every batch and image size. In networks of tokens, such as `vit3d` and `swin3d`, a channel is an entry of the
    tokens and their places are the voxels; a class token is one of the places.

    With `attention: loss`, A is the softmax over channels of z / 5, times their number. z is the standardised rise of
    the loss when the channel is set to zero, at the weights and heads that the run starts with, over the first
    `samples` training images. It says something when the heads have learned already: probe first (`freeze: {up_to:
    all}`), then start from the probe with `adapt: {heads: keep}`. With new heads it tells little. It costs one pass
    through the network for each channel and each of the first batches. The parent's encoder uses its running
    statistics, this one those of its batch.

    Args:
        weight: factor of the term.
        attention: `loss`, or `equal` for all channels alike.
        samples: images that the attention is estimated on; before all were seen, by those seen so far.
        layers: names of modules in the encoder whose outputs are compared; None for its stages, of a list of modules
            the last one.

    Source: Li et al.: DELTA: deep learning transfer using feature map with attention for convolutional networks, ICLR
        2019, equations 4 to 6. The standardised softmax over 5 and the scale are those of the Transfer Learning
        Library, the mean over samples (there a sum), networks of tokens (there convolutions only) and the choice of
        layers are ours.
    """

    revision = 2  # channels of tokens lie on the last axis
    needs_parent = True
    example: ClassVar[Mapping[str, Any]] = {"samples": 8}

    def __init__(
        self,
        *,
        weight: Annotated[float, {"minimum": 0}] = 0.01,
        attention: Literal["loss", "equal"] = "loss",
        samples: Annotated[int, {"minimum": 1}] = 32,
        layers: tuple[str, ...] | None = None,
    ) -> None:
        self.weight = weight
        self.attention = attention
        self.samples = samples
        self.layers = layers
        self._passes: list[tuple[Tensor, Maps]] = []

    def build(self, network: Network, inputs: Inputs) -> nn.Module | None:
        """Copy encoder and heads as they start, and listen to the stages of the encoder that is trained.

        Raises:
            NetworkUnfitError: a layer is not there, gives no tensor, or nobody knows which axis its channels are on.
        """
        self._parent = _Parent(network, _layers(network.encoder, self.layers), inputs)
        self._listen(network.encoder, list(self._parent.axes))
        return self._parent

    def _listen(self, encoder: Encoder, names: Sequence[str]) -> None:
        encoder.register_forward_pre_hook(self._entered(encoder))
        for name in names:
            stage = encoder.network.get_submodule(name)
            stage.register_forward_hook(self._left(encoder, stage, name))

    # A copy of the encoder has the same hooks, so each looks whether it is called for the module it was made for.

    def _entered(self, encoder: Encoder) -> Callable[[nn.Module, Any], None]:
        def hook(module: nn.Module, given: Any) -> None:
            if module is encoder and torch.is_grad_enabled():
                self._passes.append((given[0].detach(), {}))

        return hook

    def _left(self, encoder: Encoder, stage: nn.Module, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(module: nn.Module, given: Any, output: Tensor) -> None:
            if module is stage and torch.is_grad_enabled() and self._passes:
                self._passes[-1][1][name] = output

        return hook

    def loss(self, context: StepContext) -> Tensor:
        """Give the weighted distance, a scalar, over all images that went through the encoder since the last call."""
        passes, self._passes = self._passes, []
        if not passes:
            return 0.0 * torch.cat(list(context.features.values())).sum()
        if self.attention == "loss":
            self._parent.see(context.batches, self.samples)
        attention = self._parent.attention()
        count = sum(len(images) for images, _ in passes)
        terms = [
            (attention[name] * distance(maps[name], theirs, self._parent.axes[name])).sum() / count
            for images, maps in passes
            for name, theirs in self._parent.maps(images).items()
        ]
        return self.weight / 2 * torch.stack(terms).sum()


class _Parent(nn.Module):
    """Encoder and heads as they start, and how much the loss rises when a channel is set to zero.

    Attributes:
        axes: axis of the channels in what each layer gives.
        encoder: a copy that never moves.
        heads: likewise.
        rises: (channels of all layers) float64, sums over images of the rise of the loss.
        seen: number of images, int64.
    """

    rises: Tensor
    seen: Tensor

    def __init__(self, network: Network, names: Sequence[str], inputs: Inputs) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(network.encoder).requires_grad_(False)
        self.heads = copy.deepcopy(nn.ModuleDict(dict(network.heads))).requires_grad_(False)
        self._network = (network.objectives, dict(network.weights), dict(network.roles))
        self._maps: Maps = {}
        self._silent: tuple[str, int] | None = None
        for name in names:
            stage = self.encoder.network.get_submodule(name)
            stage.register_forward_hook(self._left(stage, name))
        like = next(self.encoder.parameters())
        blank = like.new_zeros(1, inputs.channels, *inputs.shape)
        given = self.maps(blank)
        self.axes = {name: _axis(self.encoder, name, given.get(name)) for name in names}
        self.channels = {name: given[name].shape[axis] for name, axis in self.axes.items()}
        self.register_buffer("rises", torch.zeros(sum(self.channels.values()), dtype=torch.float64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def _left(self, stage: nn.Module, name: str) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
        def hook(module: nn.Module, given: Any, output: Any) -> Tensor | None:
            if module is not stage:
                return None
            if not isinstance(output, Tensor):
                return None
            self._maps[name] = output
            if self._silent is None or self._silent[0] != name:
                return None
            changed = output.clone()
            changed.movedim(self.axes[name], 1)[:, self._silent[1]] = 0
            return changed

        return hook

    @torch.no_grad()
    def maps(self, images: Tensor) -> Maps:
        """Give the output of each layer for images (batch, channel, *spatial)."""
        self.encoder.eval()
        self._maps = {}
        self.encoder(images)
        found, self._maps = self._maps, {}
        return found

    @torch.no_grad()
    def see(self, batches: Mapping[str, Batch], most: int) -> None:
        """Add labelled images to the attention, until so many were seen in all."""
        self.encoder.eval()
        self.heads.eval()
        for role, batch in batches.items():
            heads = self._heads_of(role, next(iter(batches)))
            count = min(len(batch.inputs), most - int(self.seen))
            if count < 1 or not heads:
                continue
            some = _first(batch, count)
            before = self._loss(some, heads)
            rises = []
            for name, channels in self.channels.items():
                for channel in range(channels):
                    self._silent = (name, channel)
                    rises.append(self._loss(some, heads) - before)
            self._silent = None
            self.rises += count * torch.stack(rises)
            self.seen += count
        self._maps = {}

    def _heads_of(self, role: str, first: str) -> list[str]:
        """Name the heads that have labels in a role; what images teach by themselves has none."""
        objectives, _, roles = self._network
        labelled = [name for name in self.heads if not isinstance(objectives[name], Pretext)]
        return [name for name in labelled if (roles.get(name) or first) == role]

    def _loss(self, batch: Batch, heads: Sequence[str]) -> Tensor:
        objectives, weights, _ = self._network
        features = self.encoder(batch.inputs)
        losses = [
            weights.get(name, 1.0)
            * objectives[name].loss(self.heads[name](features), batch.targets[name], batch.valid[name])
            for name in heads
        ]
        return torch.stack(losses).sum().double()

    def attention(self) -> Maps:
        """Give the weights of channels by layer, (channels,) float32; the mean of each layer is 1."""
        parts = self.rises.split(list(self.channels.values()))
        return {name: weights_of(part) for name, part in zip(self.channels, parts, strict=True)}


def _layers(encoder: Encoder, written: Sequence[str] | None) -> list[str]:
    """Name the layers that are compared; a list of modules is never called itself, so its last one speaks for it.

    Raises:
        NetworkUnfitError: a layer that is named is not there.
    """
    known = dict(encoder.network.named_modules())
    found = []
    for name in written or encoder.stages:
        if not name or name not in known:
            close = get_close_matches(name, known, 1) or list(encoder.stages)
            raise NetworkUnfitError(f"delta: the encoder has no layer {name!r}; write one such as {', '.join(close)}")
        while isinstance(known[name], nn.ModuleList) and len(list(known[name].children())):
            name = f"{name}.{len(list(known[name].children())) - 1}"
        found.append(name)
    return found


def _axis(encoder: Encoder, name: str, given: Tensor | None) -> int:
    """Give the axis of a layer's channels.

    Raises:
        NetworkUnfitError: it gives no tensor, or nobody knows the axis.
    """
    if given is None or given.dim() < 2:
        raise NetworkUnfitError(f"delta: the layer {name!r} gives no tensor of channels; name others in `layers`")
    # A convolution has its channels there in a network of tokens too.
    if given.dim() == 2 or isinstance(encoder.network.get_submodule(name), _MAPS):
        return 1
    axis = encoder.channel_axis()
    if axis is None:
        raise NetworkUnfitError(
            f"delta: nobody knows which axis of {tuple(given.shape)}, given by {name!r}, holds channels; "
            "say it by `channel_axis` of the encoder's class, or take l2_sp"
        )
    return axis


def _first(batch: Batch, count: int) -> Batch:
    return evolve(
        batch,
        inputs=batch.inputs[:count],
        rows=batch.rows[:count],
        targets={name: one[:count] for name, one in batch.targets.items()},
        valid={name: one[:count] for name, one in batch.valid.items()},
        seeds=None if batch.seeds is None else batch.seeds[:count],
    )


def weights_of(rises: Tensor) -> Tensor:
    """Give the attention of one layer from the rise of the loss by channel: (channels,) float32, of mean 1."""
    spread = rises.std(correction=0)
    standard = (rises - rises.mean()) / spread if spread > 0 else torch.zeros_like(rises)
    return (standard / TEMPERATURE).softmax(0).float() * len(rises)


def distance(ours: Tensor, theirs: Tensor, axis: int = 1) -> Tensor:
    """Give mean squared differences over places, summed over samples: (channel,) float32.

    Args:
        ours: (batch, .., channel, ..) float.
        theirs: likewise.
        axis: of the channels.
    """
    squares = (ours.float() - theirs.float()).square().movedim(axis, 1)
    return squares.flatten(2).mean(2).sum(0) if squares.dim() > 2 else squares.sum(0)
