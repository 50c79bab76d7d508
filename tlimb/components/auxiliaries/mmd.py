"""Equal distributions of features in two domains, by kernels."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from tlimb.components.contracts import Auxiliary, StepContext

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Widths of the kernels, as multiples of the median squared distance."""


class MMD(Auxiliary):
    """Pull the distributions of source and target features together by the maximum mean discrepancy (MMD).

    The term is weight times the unbiased estimate of the squared discrepancy under the mean of five Gaussian kernels
    exp(-|x - y|^2 / w), with w = 1/4, 1/2, 1, 2 and 4 times the median squared distance of the pooled batch. The
    median is no part of the gradient. Being unbiased, the estimate is below zero now and then.

    Args:
        weight: factor of the term.
        ramp_epochs: epochs in which the weight grows linearly from 0.

    Source: Gretton et al.: A kernel two-sample test, JMLR 2012, equation 3; several kernels: Long et al.: Learning
        transferable features with deep adaptation networks, ICML 2015. Equal weights of the kernels are ours.
    """

    roles = ("source", "target")
    example: ClassVar[Mapping[str, Any]] = {"weight": 1.0}

    def __init__(
        self, *, weight: Annotated[float, {"minimum": 0}] = 1.0, ramp_epochs: Annotated[int, {"minimum": 0}] = 0
    ) -> None:
        self.weight = weight
        self.ramp_epochs = ramp_epochs

    def loss(self, context: StepContext) -> Tensor:
        """Give the weighted discrepancy, a scalar; it needs two samples of each role, and is 0 without them."""
        source, target = context.features["source"].float(), context.features["target"].float()
        m, n = len(source), len(target)
        if min(m, n) < 2:
            return 0.0 * (source.sum() + target.sum())
        pooled = torch.cat([source, target])
        distances = (pooled[:, None] - pooled[None]).square().sum(-1)
        apart = ~torch.eye(m + n, dtype=torch.bool, device=distances.device)
        width = distances.detach()[apart].median().clamp(min=1e-12)
        kernel = torch.stack([torch.exp(-distances / (factor * width)) for factor in FACTORS]).mean(0)
        kernel = kernel * apart
        within = kernel[:m, :m].sum() / (m * (m - 1)) + kernel[m:, m:].sum() / (n * (n - 1))
        return self.weight * (within - 2 * kernel[:m, m:].mean())
