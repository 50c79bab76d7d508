"""Residual networks for volumes."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.contracts import Encoder, Inputs

_LAYERS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
STAGES = ("layer1", "layer2", "layer3", "layer4")


class ResNet3D(Encoder):
    """A residual network with 3D convolutions.

    Tensor names and function are those of MONAI's ResNet without a bias in the shortcuts, so public brain weights
    fit. Two differences: with shortcut A the gradient passes the shortcut (MONAI detaches it), and the stem has stride
    2 unless told otherwise, as in all public weights (MONAI's default is 1, at eight times the memory).

    Args:
        depth: number of layers with weights.
        filters: width of the stem and of the first stage; doubled in each further stage.
        kernel: edge length of the stem's convolution in voxels, odd.
        stem_stride: step of the stem's convolution in voxels.
        shortcut: how a shortcut changes width: A pads with zero channels, B has a convolution of kernel 1.
        dropout: probability of dropping a whole channel after each stage, 0 to 1.
        dilated: the last two stages keep the size of the image and dilate their kernels by 2 and 4, as in MedicalNet.

    Source: He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016; in 3D: Hara, Kataoka, Satoh:
        Can spatiotemporal 3D CNNs retrace the history of 2D CNNs and ImageNet?, CVPR 2018.
    """

    dims = (3,)
    later = ("dilated",)
    aka: ClassVar[Mapping[str, Any]] = {"resnet18": "resnet3d: {depth: 18}", "resnet50": "resnet3d: {depth: 50}"}
    example: ClassVar[Mapping[str, Any]] = {"depth": 10, "filters": 4}

    def __init__(
        self,
        inputs: Inputs,
        *,
        depth: Literal[10, 18, 34, 50],
        filters: Annotated[int, {"minimum": 1}] = 64,
        kernel: Annotated[int, {"minimum": 1, "maximum": 15, "odd": True}] = 7,
        stem_stride: Annotated[int, {"minimum": 1, "maximum": 4}] = 2,
        shortcut: Literal["A", "B"] = "B",
        dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
        dilated: bool = False,
    ) -> None:
        super().__init__()
        if len(inputs.shape) != 3:
            raise ValueError(f"resnet3d needs volumes, the images have {len(inputs.shape)} dimensions")
        if kernel % 2 == 0:
            raise ValueError(f"the stem's kernel of {kernel} must be odd")
        block = _Bottleneck if depth == 50 else _Basic
        steps = ((1, 1), (2, 1), (1, 2), (1, 4)) if dilated else ((1, 1), (2, 1), (2, 1), (2, 1))
        stages = tuple(zip(_LAYERS[depth], steps, strict=True))
        self.network = _ResNet(inputs.channels, block, stages, filters, kernel, stem_stride, shortcut, dropout)
        self.feature_dim = 8 * filters * block.expansion
        self.stages = ("conv1", "bn1", *STAGES)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32 of volumes (batch, channel, x, y, z)."""
        return self.network(inputs)

    def channel_axis(self) -> int:
        """Give the axis behind the batch."""
        return 1


class _Widen(nn.Module):
    """Shortcut A: every n-th voxel, and channels of zeros behind the given ones."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, inputs: Tensor) -> Tensor:
        step = self.stride
        thinned = inputs[:, :, ::step, ::step, ::step]
        return functional.pad(thinned, (0, 0, 0, 0, 0, 0, 0, self.channels - inputs.shape[1]))


class _Basic(nn.Module):
    expansion = 1

    def __init__(self, before: int, width: int, stride: int, dilation: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(before, width, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.act = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, inputs: Tensor) -> Tensor:
        kept = inputs if self.downsample is None else self.downsample(inputs)
        inner = self.act(self.bn1(self.conv1(inputs)))
        return self.act(self.bn2(self.conv2(inner)) + kept)


class _Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, before: int, width: int, stride: int, dilation: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(before, width, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(width * self.expansion)
        self.act = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, inputs: Tensor) -> Tensor:
        kept = inputs if self.downsample is None else self.downsample(inputs)
        inner = self.act(self.bn1(self.conv1(inputs)))
        inner = self.act(self.bn2(self.conv2(inner)))
        return self.act(self.bn3(self.conv3(inner)) + kept)


class _ResNet(nn.Module):
    """Stem, four stages and the average over all positions."""

    def __init__(
        self,
        channels: int,
        block: type[_Basic] | type[_Bottleneck],
        stages: tuple[tuple[int, tuple[int, int]], ...],
        filters: int,
        kernel: int,
        stride: int,
        shortcut: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels, filters, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm3d(filters)
        self.act = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        before = filters
        for index, (name, (count, step)) in enumerate(zip(STAGES, stages, strict=True)):
            width = filters * 2**index
            self.add_module(name, _stage(block, before, width, count, step, shortcut))
            # Each stage has its own, so that a frozen stage's dropout is frozen with it.
            self.add_module(f"{name}_dropout", nn.Dropout3d(dropout))
            before = width * block.expansion
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.maxpool(self.act(self.bn1(self.conv1(inputs))))
        for name in STAGES:
            hidden = self.get_submodule(f"{name}_dropout")(self.get_submodule(name)(hidden))
        return hidden.mean(dim=(2, 3, 4))


def _stage(
    block: type[_Basic] | type[_Bottleneck], before: int, width: int, count: int, step: tuple[int, int], shortcut: str
) -> nn.Sequential:
    """Make one stage; `step` is the stride of its first block and the dilation of all."""
    stride, dilation = step
    after = width * block.expansion
    downsample: nn.Module | None = None
    if stride != 1 or before != after:
        if shortcut == "A":
            downsample = _Widen(after, stride)
        else:
            convolution = nn.Conv3d(before, after, 1, stride=stride, bias=False)
            downsample = nn.Sequential(convolution, nn.BatchNorm3d(after))
    first = block(before, width, stride, dilation, downsample)
    return nn.Sequential(first, *(block(after, width, 1, dilation, None) for _ in range(count - 1)))
