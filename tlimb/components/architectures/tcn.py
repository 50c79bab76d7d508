"""The temporal convolutional network, for time series."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.contracts import Encoder, Inputs


class TCN(Encoder):
    """A temporal convolutional network (TCN): residual blocks of dilated, weight-normalised convolutions over time.

    The regions are its channels. Block i leaves 2^i - 1 time points out between those it reads, so `depth` blocks see
    1 + 2 (kernel - 1) (2^depth - 1) time points. Tensor names are those of the published code. Every length passes.

    Args:
        filters: channels of each block.
        depth: number of blocks, each with two convolutions.
        kernel: time points that a convolution reads; odd unless `causal`.
        causal: a time point is computed from itself and earlier ones, as published; otherwise from both sides.
        pool: the features are the mean over time, or the last time point, as published.
        dropout: probability of dropping a whole channel after each convolution, 0 to 1.

    Source: Bai, Kolter, Koltun: An empirical evaluation of generic convolutional and recurrent networks for sequence
        modeling, 2018 (section 3); weight normalisation: Salimans, Kingma, NeurIPS 2016. Published dropout drops
        single numbers in the code and whole channels in the paper; here it is channels. The default mean over time is
        ours: in resting-state series no time point is the last in any sense.
    """

    dims = (1,)
    example: ClassVar[Mapping[str, Any]] = {"filters": 4, "depth": 2, "kernel": 3}

    def __init__(
        self,
        inputs: Inputs,
        *,
        filters: Annotated[int, {"minimum": 1}] = 64,
        depth: Annotated[int, {"minimum": 1, "maximum": 16}] = 4,
        kernel: Annotated[int, {"minimum": 2, "maximum": 63, "odd": "causal"}] = 7,
        causal: bool = True,
        pool: Literal["mean", "last"] = "mean",
        dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
    ) -> None:
        super().__init__()
        if len(inputs.shape) != 1:
            raise ValueError(f"tcn needs time series, the images have {len(inputs.shape)} dimensions")
        if not causal and kernel % 2 == 0:
            raise ValueError(f"a kernel of {kernel} has no middle: write an odd one, or causal: true")
        self.network = nn.Sequential()
        for index in range(depth):
            before = filters if index else inputs.channels
            self.network.add_module(str(index), _Block(before, filters, kernel, 2**index, causal, dropout))
        self.pool = pool
        self.feature_dim = filters
        self.stages = tuple(str(index) for index in range(depth))

    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32 of time series (batch, region, time)."""
        hidden = self.network(inputs)
        return hidden[:, :, -1] if self.pool == "last" else hidden.mean(dim=2)

    def channel_axis(self) -> int:
        """Give the axis behind the batch."""
        return 1


class _Convolution(nn.Module):
    """A dilated convolution that keeps the length; its weight is a direction and a length for each filter."""

    def __init__(self, before: int, width: int, kernel: int, dilation: int, causal: bool) -> None:
        super().__init__()
        direction = torch.empty(width, before, kernel)
        nn.init.normal_(direction, std=0.01)
        self.bias = nn.Parameter(torch.zeros(width))
        self.weight_g = nn.Parameter(torch.linalg.vector_norm(direction, dim=(1, 2), keepdim=True))
        self.weight_v = nn.Parameter(direction)
        self.dilation = dilation
        lacking = (kernel - 1) * dilation
        self.padding = (lacking, 0) if causal else (lacking // 2, lacking // 2)

    def forward(self, inputs: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(self.weight_v, dim=(1, 2), keepdim=True)
        weight = self.weight_g * self.weight_v / norm
        return functional.conv1d(functional.pad(inputs, self.padding), weight, self.bias, dilation=self.dilation)


class _Block(nn.Module):
    def __init__(self, before: int, width: int, kernel: int, dilation: int, causal: bool, dropout: float) -> None:
        super().__init__()
        self.conv1 = _Convolution(before, width, kernel, dilation, causal)
        self.dropout1 = nn.Dropout1d(dropout)
        self.conv2 = _Convolution(width, width, kernel, dilation, causal)
        self.dropout2 = nn.Dropout1d(dropout)
        self.downsample = None if before == width else nn.Conv1d(before, width, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        kept = inputs if self.downsample is None else self.downsample(inputs)
        inner = self.dropout1(functional.relu(self.conv1(inputs)))
        inner = self.dropout2(functional.relu(self.conv2(inner)))
        return functional.relu(inner + kept)
