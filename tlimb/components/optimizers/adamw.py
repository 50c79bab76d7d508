"""Adam with decoupled weight decay."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

import torch

from tlimb.components.contracts import Optimizer


class AdamW(Optimizer):
    """Adam with decoupled weight decay.

    Args:
        lr: learning rate.
        weight_decay: share of each weight, times the learning rate, that is taken off at each step. By default there
            is none (torch's own default is 0.01): a pull to zero would work against transferred weights unnoticed.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        layer_decay: factor of the learning rate from each stage of the encoder to the one before it. The last
            stage has lr times this, the one before it lr times its square, and so on to the input side.
        head_rate: learning rate of the heads, as a multiple of lr.

    Source: Loshchilov, Hutter: Decoupled weight decay regularization, ICLR 2019; layer_decay: Clark et al.: ELECTRA,
        ICLR 2020, appendix A, by stage instead of by block.
    """

    revision = 2  # a processor takes a step in a single pass
    fuses = True
    later = ("layer_decay", "head_rate")
    example: ClassVar[Mapping[str, Any]] = {"lr": 1e-3}

    def __init__(
        self,
        *,
        lr: Annotated[float, {"exclusiveMinimum": 0}],
        weight_decay: Annotated[float, {"minimum": 0}] = 0.0,
        betas: tuple[
            Annotated[float, {"minimum": 0, "exclusiveMaximum": 1}],
            Annotated[float, {"minimum": 0, "exclusiveMaximum": 1}],
        ] = (0.9, 0.999),
        eps: Annotated[float, {"exclusiveMinimum": 0}] = 1e-8,
        layer_decay: Annotated[float, {"exclusiveMinimum": 0, "maximum": 1}] = 1.0,
        head_rate: Annotated[float, {"exclusiveMinimum": 0}] = 1.0,
    ) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.betas = betas
        self.eps = eps
        self.layer_decay = layer_decay
        self.head_rate = head_rate

    def build(self, groups: Iterable[dict[str, Any]]) -> torch.optim.Optimizer:
        """Make it for parameter groups; a group's own `lr` or `weight_decay` stands above these."""
        first, second = self.betas
        return torch.optim.AdamW(
            list(groups), lr=self.lr, betas=(first, second), eps=self.eps, weight_decay=self.weight_decay
        )
