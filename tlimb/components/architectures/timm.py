"""Any 2D network of timm; its head is left out."""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Annotated, Any, ClassVar

import timm as library
import torch
from torch import Tensor, nn

from tlimb.components.contracts import Encoder, Inputs, Positions

_LISTS = ("blocks", "stages", "layers")


class Timm(Encoder):
    """A 2D network of the library timm, untrained and without its classifier.

    Networks with a fixed input size, such as vision transformers, are built for the size of the images. On a processor
    the channels of a pixel are kept side by side, which convolutions there take a tenth to a third less time for.

    Args:
        model: name of the network as timm lists it, such as resnet18 or vit_tiny_patch16_224.
        drop_rate: probability of dropping a feature, 0 to 1, as the network defines it.
        drop_path_rate: probability of skipping a residual block, 0 to 1; not every network has it.

    Source: R. Wightman, PyTorch Image Models, github.com/huggingface/pytorch-image-models.
    """

    dims = (2,)
    revision = 2  # channels lie side by side on a processor
    aka: ClassVar[Mapping[str, str]] = {
        "resnet18": "timm: {model: resnet18}",
        "resnet50": "timm: {model: resnet50}",
        "vit": "timm: {model: vit_tiny_patch16_224}",
        "efficientnet": "timm: {model: efficientnet_b0}",
    }
    example: ClassVar[Mapping[str, Any]] = {"model": "resnet10t"}

    def __init__(
        self,
        inputs: Inputs,
        *,
        model: Annotated[str, {"pattern": "^[a-z][a-z0-9_]*$", "examples": ["resnet18", "vit_tiny_patch16_224"]}],
        drop_rate: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
        drop_path_rate: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
    ) -> None:
        super().__init__()
        # A name with a scheme ("hf-hub:..", "local-dir:..") would make timm fetch or read files.
        if not re.fullmatch(r"[a-z][a-z0-9_]*", model) or not library.is_model(model):
            near = library.list_models(f"*{model[:6]}*")[:5] if re.fullmatch(r"\w+", model) else []
            hint = f"; some that exist: {', '.join(near)}" if near else ""
            raise ValueError(f"timm has no model {model!r}{hint}")
        if len(inputs.shape) != 2:
            raise ValueError(f"timm has 2D networks only, the images have {len(inputs.shape)} dimensions")
        self._inputs = inputs
        self.network = _create(model, inputs, drop_rate, drop_path_rate)
        self.feature_dim = _width(self.network)
        self.stages = _stages(self.network)
        self.positions = _positions(self.network)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32 of images (batch, channel, rows, columns)."""
        if inputs.device.type == "cpu":
            # `contiguous` would leave the strides of a single channel as they are, and convolutions go by strides.
            inputs = inputs.to(memory_format=torch.channels_last)
        return self.network(inputs)

    def channel_axis(self) -> int | None:
        """Give 1, or -1 for networks of tokens; None where its stages differ, or where shapes do not tell."""
        return _channel_axis(self.network, self.stages, self._inputs)


def _create(model: str, inputs: Inputs, drop_rate: float, drop_path_rate: float) -> nn.Module:
    settings: dict[str, Any] = {"pretrained": False, "in_chans": inputs.channels, "num_classes": 0}
    if drop_rate:
        settings["drop_rate"] = drop_rate
    if drop_path_rate:
        settings["drop_path_rate"] = drop_path_rate
    config = library.get_pretrained_cfg(model)
    if config is not None and config.fixed_input_size:
        settings["img_size"] = tuple(inputs.shape)
    try:
        return library.create_model(model, **settings)
    except (TypeError, AssertionError, ValueError, RuntimeError) as error:
        size = " x ".join(str(n) for n in inputs.shape)
        raise ValueError(f"timm cannot build {model} for images of {size}: {error}") from error


def _width(network: nn.Module) -> int:
    """Give the width of the features, behind a layer before the classifier where there is one."""
    found = getattr(network, "head_hidden_size", None) or getattr(network, "num_features", None)
    if not isinstance(found, int):
        raise ValueError(f"timm's {type(network).__name__} does not say how many features it gives")
    return found


def _stages(network: nn.Module) -> tuple[str, ...]:
    """Name the parts with parameters, in registration order; lists of blocks are opened."""
    names: list[str] = []
    for name, child in network.named_children():
        if not any(True for _ in child.parameters()):
            continue
        if name in _LISTS and isinstance(child, nn.Sequential | nn.ModuleList):
            names += [f"{name}.{index}" for index in range(len(child))]
        else:
            names.append(name)
    return tuple(names)


def _positions(network: nn.Module) -> dict[str, Positions]:
    """Give the grid of a vision transformer's position embedding; empty for networks without one."""
    grid = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    embedding = dict(network.named_parameters(recurse=False)).get("pos_embed")
    if grid is None or embedding is None or embedding.ndim != 3 or embedding.shape[1] < prod(grid):
        return {}
    return {"pos_embed": Positions(tuple(grid), embedding.shape[1] - prod(grid))}


def _channel_axis(network: nn.Module, stages: Sequence[str], inputs: Inputs) -> int | None:
    """Tell by shapes, for timm does not: the features of the last map are as many as its channels.

    Every stage must give a map of as many axes as the last one: some networks begin with maps and end with tokens.
    """
    copied = copy.deepcopy(network).to("meta").eval()
    shapes: dict[str, tuple[int, ...]] = {}

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def keep(module: nn.Module, given: Any, output: Any) -> None:
            shapes[name] = tuple(output.shape) if isinstance(output, Tensor) else ()

        return keep

    for name in stages:
        copied.get_submodule(name).register_forward_hook(hook(name))
    with torch.no_grad():
        copied(torch.empty(1, inputs.channels, *inputs.shape, device="meta"))
    maps = [shape for shape in shapes.values() if len(shape) != 2]  # what has two axes has but one for channels
    known = {getattr(network, word, None) for word in ("num_features", "head_hidden_size")}
    if not maps or len({len(shape) for shape in maps}) > 1 or len(maps[-1]) < 3:
        return None
    fitting = [axis for axis in (1, -1) if maps[-1][axis] in known]
    return fitting[0] if len(fitting) == 1 else None
