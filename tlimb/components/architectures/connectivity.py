"""Functional connectivity, the baseline for time series."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Encoder, Inputs

LARGEST = 1 - 1e-6
"""Correlations are taken as at most so large, which Fisher's z makes 7.25."""


class Connectivity(Encoder):
    """The correlations between regions, the baseline that every network on fMRI time series must beat.

    For R regions the features are the R (R - 1) / 2 correlations above the diagonal, row by row. Without `width` it
    has no weights, so that with a linear head this is linear or logistic regression on functional connectivity; give
    its optimizer a weight decay. A region whose series is constant is correlated with nothing (0).

    Args:
        fisher_z: give Fisher's z of the correlations, whose spread hardly depends on their size; a correlation of 1
            counts as 0.999999.
        width: outputs of a linear layer behind them; none for none.

    Source: Fisher: On the probable error of a coefficient of correlation, Metron 1 (1921); as a baseline: Dadi et al.:
        Benchmarking functional connectome-based predictive models for resting-state fMRI, NeuroImage 192 (2019), who
        shrink the covariance, which we do not.
    """

    dims = (1,)
    fewest_channels = 2
    aka: ClassVar[Mapping[str, str]] = {"fc": "connectivity", "functional_connectivity": "connectivity"}

    def __init__(
        self,
        inputs: Inputs,
        *,
        fisher_z: bool = True,
        width: Annotated[int | None, {"minimum": 1}] = None,
    ) -> None:
        super().__init__()
        if len(inputs.shape) != 1:
            raise ValueError(f"connectivity needs time series, the images have {len(inputs.shape)} dimensions")
        if inputs.channels < 2 or inputs.shape[0] < 3:
            size = f"{inputs.channels} x {inputs.shape[0]}"
            raise ValueError(f"connectivity needs 2 regions and 3 time points or more, the series are {size}")
        self.fisher_z = fisher_z
        pairs = inputs.channels * (inputs.channels - 1) // 2
        self.network = nn.Sequential()
        if width is not None:
            self.network.add_module("linear", nn.Linear(pairs, width))
        self.feature_dim = width or pairs
        self.stages = () if width is None else ("linear",)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32 of time series (batch, region, time)."""
        regions, length = inputs.shape[1:]
        centred = inputs - inputs.mean(dim=2, keepdim=True)
        norm = torch.linalg.vector_norm(centred, dim=2, keepdim=True)
        # What is left of a constant series is rounding, whose correlations would be noise of full size.
        constant = norm <= 1e-6 * length**0.5 * inputs.abs().amax(dim=2, keepdim=True)
        unit = torch.where(constant, 0.0, centred / torch.where(constant, 1.0, norm))
        row, column = torch.triu_indices(regions, regions, 1, device=inputs.device)
        # In float64, which mixed precision leaves alone: a correlation in bfloat16 has two digits.
        exact = unit.double()
        pairs = (exact @ exact.transpose(1, 2))[:, row, column]
        if self.fisher_z:
            pairs = pairs.clamp(-LARGEST, LARGEST).atanh()
        return self.network(pairs.float())

    def channel_axis(self) -> int:
        """Give the axis behind the batch."""
        return 1
