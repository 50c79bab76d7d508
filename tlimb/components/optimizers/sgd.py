"""Stochastic gradient descent."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

import torch

from tlimb.components.contracts import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    Args:
        lr: learning rate.
        momentum: share of the last step that is kept, 0 for none.
        weight_decay: factor of each weight that is added to its gradient; by default there is none.
        nesterov: look ahead along the momentum before taking the gradient; needs a momentum.
        layer_decay: factor of the learning rate from each stage of the encoder to the one before it. The last
            stage has lr times this, the one before it lr times its square, and so on to the input side.
        head_rate: learning rate of the heads, as a multiple of lr.

    Source: layer_decay: Clark et al.: ELECTRA, ICLR 2020, appendix A, by stage instead of by block.
    """

    later = ("layer_decay", "head_rate")
    example: ClassVar[Mapping[str, Any]] = {"lr": 1e-2}

    def __init__(
        self,
        *,
        lr: Annotated[float, {"exclusiveMinimum": 0}],
        momentum: Annotated[float, {"minimum": 0, "exclusiveMaximum": 1}] = 0.9,
        weight_decay: Annotated[float, {"minimum": 0}] = 0.0,
        nesterov: Annotated[bool, {"needs": "momentum"}] = False,
        layer_decay: Annotated[float, {"exclusiveMinimum": 0, "maximum": 1}] = 1.0,
        head_rate: Annotated[float, {"exclusiveMinimum": 0}] = 1.0,
    ) -> None:
        if nesterov and momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.nesterov = nesterov
        self.layer_decay = layer_decay
        self.head_rate = head_rate

    def build(self, groups: Iterable[dict[str, Any]]) -> torch.optim.Optimizer:
        """Make it for parameter groups; a group's own `lr` or `weight_decay` stands above these."""
        return torch.optim.SGD(
            list(groups), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, nesterov=self.nesterov
        )
