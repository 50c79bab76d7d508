"""Equal second moments of features in two domains."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from tlimb.components.contracts import Auxiliary, StepContext


class Coral(Auxiliary):
    """Pull the covariances of source and target features together (CORAL), and by default their means too.

    The term is weight times ||C_s - C_t||^2 / (4 d^2) + ||m_s - m_t||^2 / (4 d), for covariances C and means m of d
    features in this batch. Covariances alone do not see that a domain has moved. Batches should hold more samples
    than about half the features; otherwise the covariances are mostly noise.

    Args:
        weight: factor of the term.
        ramp_epochs: epochs in which the weight grows linearly from 0.
        mean: whether the means are pulled together as well; `false` is the method as published.

    Source: Sun, Saenko: Deep CORAL, ECCV workshops 2016, equation 1 (unbiased covariances, equations 2 and 3). The
        term of the means is ours; its factor makes one feature's mean count as one entry of the covariance.
    """

    roles = ("source", "target")
    example: ClassVar[Mapping[str, Any]] = {"weight": 1.0}

    def __init__(
        self,
        *,
        weight: Annotated[float, {"minimum": 0}] = 1.0,
        ramp_epochs: Annotated[int, {"minimum": 0}] = 0,
        mean: bool = True,
    ) -> None:
        self.weight = weight
        self.ramp_epochs = ramp_epochs
        self.mean = mean

    def loss(self, context: StepContext) -> Tensor:
        """Give the weighted distance, a scalar; of a single sample there is no covariance, so 0."""
        source, target = context.features["source"].float(), context.features["target"].float()
        if min(len(source), len(target)) < 2:
            return 0.0 * (source.sum() + target.sum())
        size = source.shape[1]
        distance = (torch.cov(source.T) - torch.cov(target.T)).square().sum() / (4 * size**2)
        if self.mean:
            distance = distance + (source.mean(0) - target.mean(0)).square().sum() / (4 * size)
        return self.weight * distance
