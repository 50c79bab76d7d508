"""The densely connected network of 121 layers, for volumes."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.contracts import Encoder, Inputs

LAYERS = (6, 12, 24, 16)
BOTTLENECK = 4


class DenseNet121(Encoder):
    """A densely connected network with 3D convolutions: each layer sees the outputs of all before it in its block.

    Tensor names and function are those of MONAI's DenseNet121 without its classifier, so public brain weights fit. A
    transition does not halve an axis of length 1, so small images pass as well; at every size that MONAI takes the
    function is the same.

    Args:
        growth: channels that each layer adds.
        filters: width of the stem.
        kernel: edge length of the stem's convolution in voxels, odd.
        dropout: probability of dropping a whole channel of what a layer adds, 0 to 1.

    Source: Huang, Liu, van der Maaten, Weinberger: Densely connected convolutional networks, CVPR 2017 (table 1,
        DenseNet-121); our initial weights are MONAI's, He et al., ICCV 2015.
    """

    dims = (3,)
    aka: ClassVar[Mapping[str, str]] = {"densenet": "densenet121"}
    example: ClassVar[Mapping[str, Any]] = {"growth": 4, "filters": 8}

    def __init__(
        self,
        inputs: Inputs,
        *,
        growth: Annotated[int, {"minimum": 1}] = 32,
        filters: Annotated[int, {"minimum": 2}] = 64,
        kernel: Annotated[int, {"minimum": 1, "maximum": 15, "odd": True}] = 7,
        dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
    ) -> None:
        super().__init__()
        if len(inputs.shape) != 3:
            raise ValueError(f"densenet121 needs volumes, the images have {len(inputs.shape)} dimensions")
        if kernel % 2 == 0:
            raise ValueError(f"the stem's kernel of {kernel} must be odd")
        features = nn.Sequential()
        features.add_module("conv0", nn.Conv3d(inputs.channels, filters, kernel, 2, kernel // 2, bias=False))
        features.add_module("norm0", nn.BatchNorm3d(filters))
        features.add_module("relu0", nn.ReLU(inplace=True))
        features.add_module("pool0", nn.MaxPool3d(3, stride=2, padding=1))
        width, stages = filters, ["features.conv0", "features.norm0"]
        for index, count in enumerate(LAYERS, start=1):
            features.add_module(f"denseblock{index}", _block(width, count, growth, dropout))
            width += count * growth
            name = "norm5" if index == len(LAYERS) else f"transition{index}"
            features.add_module(name, nn.BatchNorm3d(width) if name == "norm5" else _transition(width))
            width = width if name == "norm5" else width // 2
            stages += [f"features.denseblock{index}", f"features.{name}"]
        for module in features.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)
        self.network = nn.Sequential()
        self.network.add_module("features", features)
        self.feature_dim = width
        self.stages = tuple(stages)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32 of volumes (batch, channel, x, y, z)."""
        return functional.relu(self.network(inputs)).mean(dim=(2, 3, 4))

    def channel_axis(self) -> int:
        """Give the axis behind the batch."""
        return 1


class _Layer(nn.Module):
    """Bottleneck and convolution; what they give is put behind what they got."""

    def __init__(self, before: int, growth: int, dropout: float) -> None:
        super().__init__()
        inner = BOTTLENECK * growth
        self.layers = nn.Sequential()
        self.layers.add_module("norm1", nn.BatchNorm3d(before))
        self.layers.add_module("relu1", nn.ReLU(inplace=True))
        self.layers.add_module("conv1", nn.Conv3d(before, inner, 1, bias=False))
        self.layers.add_module("norm2", nn.BatchNorm3d(inner))
        self.layers.add_module("relu2", nn.ReLU(inplace=True))
        self.layers.add_module("conv2", nn.Conv3d(inner, growth, 3, padding=1, bias=False))
        self.layers.add_module("dropout", nn.Dropout3d(dropout))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([inputs, self.layers(inputs)], dim=1)


class _HalfMean(nn.Module):
    """Mean over 2 x 2 x 2 voxels, along axes longer than one voxel; an odd last voxel is left out.

    A mean over a view, because torch's average pooling of volumes has no deterministic backward pass on a GPU.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        for axis in (2, 3, 4):
            half = inputs.shape[axis] // 2
            if half:
                inputs = inputs.narrow(axis, 0, 2 * half).unflatten(axis, (half, 2)).mean(dim=axis + 1)
        return inputs


def _block(before: int, count: int, growth: int, dropout: float) -> nn.Sequential:
    block = nn.Sequential()
    for index in range(count):
        block.add_module(f"denselayer{index + 1}", _Layer(before + index * growth, growth, dropout))
    return block


def _transition(before: int) -> nn.Sequential:
    transition = nn.Sequential()
    transition.add_module("norm", nn.BatchNorm3d(before))
    transition.add_module("relu", nn.ReLU(inplace=True))
    transition.add_module("conv", nn.Conv3d(before, before // 2, 1, bias=False))
    transition.add_module("pool", _HalfMean())
    return transition
