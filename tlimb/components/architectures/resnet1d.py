"""Residual networks for time series."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from torch import Tensor, nn

from tlimb.components.contracts import Encoder, Inputs

_LAYERS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class ResNet1D(Encoder):
    """A residual network that convolves over time; the regions are its channels.

    Names and function are those of MONAI's ResNet with one spatial dimension, basic blocks, shortcut B and no bias in
    the shortcuts. Every length passes.

    Args:
        depth: number of layers with weights.
        filters: width of the stem and of the first stage; doubled in each further stage.
        kernel: length of the stem's convolution in time points, odd.
        stem_stride: step of the stem's convolution in time points.
        dropout: probability of dropping a whole channel after each stage, 0 to 1.

    Source: He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016, in one dimension; for time
        series: Wang, Yan, Oates: Time series classification from scratch with deep neural networks, IJCNN 2017, whose
        network is shallower.
    """

    dims = (1,)
    example: ClassVar[Mapping[str, Any]] = {"depth": 10, "filters": 4}

    def __init__(
        self,
        inputs: Inputs,
        *,
        depth: Literal[10, 18, 34] = 18,
        filters: Annotated[int, {"minimum": 1}] = 64,
        kernel: Annotated[int, {"minimum": 1, "maximum": 63, "odd": True}] = 7,
        stem_stride: Annotated[int, {"minimum": 1, "maximum": 4}] = 2,
        dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
    ) -> None:
        super().__init__()
        if len(inputs.shape) != 1:
            raise ValueError(f"resnet1d needs time series, the images have {len(inputs.shape)} dimensions")
        if kernel % 2 == 0:
            raise ValueError(f"the stem's kernel of {kernel} must be odd")
        self.network = nn.Sequential()
        stem = nn.Conv1d(inputs.channels, filters, kernel, stem_stride, kernel // 2, bias=False)
        self.network.add_module("conv1", stem)
        self.network.add_module("bn1", nn.BatchNorm1d(filters))
        self.network.add_module("act", nn.ReLU(inplace=True))
        self.network.add_module("maxpool", nn.MaxPool1d(3, stride=2, padding=1))
        before = filters
        for index, count in enumerate(_LAYERS[depth]):
            width = filters * 2**index
            first = _Basic(before, width, 1 if index == 0 else 2)
            stage = nn.Sequential(first, *(_Basic(width, width, 1) for _ in range(count - 1)))
            self.network.add_module(f"layer{index + 1}", stage)
            self.network.add_module(f"layer{index + 1}_dropout", nn.Dropout1d(dropout))
            before = width
        for module in self.network.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.feature_dim = before
        self.stages = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")

    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32 of time series (batch, region, time)."""
        return self.network(inputs).mean(dim=2)

    def channel_axis(self) -> int:
        """Give the axis behind the batch."""
        return 1


class _Basic(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(before, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm1d(width)
        self.act = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or before != width:
            convolution = nn.Conv1d(before, width, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm1d(width))

    def forward(self, inputs: Tensor) -> Tensor:
        kept = inputs if self.downsample is None else self.downsample(inputs)
        inner = self.act(self.bn1(self.conv1(inputs)))
        return self.act(self.bn2(self.conv2(inner)) + kept)
