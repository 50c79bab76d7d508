"""Predicting a number."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.contracts import Objective, TargetFacts

_LOSSES = {"mse": functional.mse_loss, "mae": functional.l1_loss, "huber": functional.smooth_l1_loss}


class Regression(Objective):
    """Predict a number.

    The loss is taken on targets standardised with the mean and standard deviation of the training part, so that
    learning rates and weights mean the same for years and for milliseconds; predictions are in the target's unit.

    Args:
        target: label with the numbers.
        loss: `mse` mean squared error, `mae` mean absolute error, `huber` squared below one standard deviation and
            absolute above.
    """

    kind = "number"
    divisible = True
    metrics = ("mae", "r2")
    example: ClassVar[Mapping[str, Any]] = {"target": "age"}
    outputs = 1

    def __init__(
        self,
        facts: TargetFacts,
        *,
        target: Annotated[str, {"names": "labels"}],
        loss: Literal["mse", "mae", "huber"] = "mse",
    ) -> None:
        self.target = target
        self._loss = _LOSSES[loss]
        self._mean = 0.0 if facts.mean is None else facts.mean
        self._sd = facts.sd or 1.0

    def loss(self, outputs: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Give the mean loss over valid samples.

        Args:
            outputs: (batch, 1) float.
            targets: (batch,) float32, in the target's unit; anything where not valid.
            valid: (batch,) bool.
        """
        # Invalid samples are replaced before the loss: a NaN multiplied by 0 would still be a NaN.
        standardised = torch.where(valid, (targets - self._mean) / self._sd, 0.0)
        given = torch.where(valid, outputs[:, 0], 0.0)
        each = self._loss(given, standardised.to(given.dtype), reduction="none")
        return each.sum() / valid.sum().clamp(min=1)

    def predict(self, outputs: Tensor) -> Tensor:
        """Give numbers (batch,) float64 in the target's unit."""
        return outputs[:, 0].double() * self._sd + self._mean

    def initialise(self, head: nn.Module) -> None:
        """Let the untrained network predict the training mean on average: the last bias is 0."""
        last = [layer for layer in head.modules() if isinstance(layer, nn.Linear)][-1]
        nn.init.zeros_(last.bias)
