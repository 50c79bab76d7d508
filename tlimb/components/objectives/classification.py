"""Predicting a class."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.contracts import Objective, TargetFacts


class Classification(Objective):
    """Predict one of two or more classes by cross-entropy; the head has one output a class.

    Args:
        target: label with the classes.
        class_weights: `balanced` weighs each sample by people / (classes x people of its class) in the training part;
            `none` weighs all alike; `{AD: 3, HC: 1}` weighs by class, each one named. Only the ratios of such weights
            count: they are scaled to a mean of 1 over the people of the training part, as those of `balanced` are, so
            that the learning rate means the same. The loss is divided by the number of samples, not by the sum of
            weights.
        label_smoothing: share of the target's probability that is spread evenly over all classes, 0 to 1.

    Source: `balanced` as scikit-learn's class_weight="balanced" (King, Zeng: Logistic regression in rare events
        data, 2001); smoothing: Szegedy et al., CVPR 2016.
    """

    kind = "class"
    divisible = True
    metrics = ("balanced_accuracy", "auroc")
    example: ClassVar[Mapping[str, Any]] = {"target": "sex"}

    def __init__(
        self,
        facts: TargetFacts,
        *,
        target: Annotated[str, {"names": "labels"}],
        class_weights: Annotated[
            Literal["balanced"] | Mapping[str, float] | None,
            {"keys": "classes", "additionalProperties": {"type": "number", "exclusiveMinimum": 0}},
        ] = None,
        label_smoothing: Annotated[float, {"minimum": 0, "exclusiveMaximum": 1}] = 0.0,
    ) -> None:
        if len(facts.classes) < 2:
            raise ValueError(f"classification needs two classes or more, {target} has {len(facts.classes)}")
        self.target = target
        self.outputs = len(facts.classes)
        self._smoothing = label_smoothing
        counts = torch.tensor(facts.counts or [1] * self.outputs, dtype=torch.float64).clamp(min=0.5)
        # A class without anyone counts half a person, so that no weight and no bias is infinite.
        self._shares = counts / counts.sum()
        self._weights = None if class_weights is None else self._weighing(facts, class_weights)
        seen = self._shares if self._weights is None else self._shares * self._weights
        # Balanced classes are equally likely: exactly 0, whatever the shares round to.
        self._bias = torch.zeros(self.outputs) if class_weights == "balanced" else seen.log()

    def _weighing(self, facts: TargetFacts, written: Mapping[str, float] | str) -> Tensor:
        """Give the weight of each class, (classes,) float32: 1 on average over the people of the training part.

        Raises:
            ValueError: a class has none.
        """
        if isinstance(written, str):
            return (1 / (self.outputs * self._shares)).float()
        if missing := [name for name in facts.classes if name not in written]:
            raise ValueError(f"`class_weights` has nothing for {len(missing)} of the classes of {self.target}")
        weights = torch.tensor([written[name] for name in facts.classes], dtype=torch.float64)
        return (weights / (weights * self._shares).sum()).float()

    def loss(self, outputs: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Give the mean cross-entropy in nats over valid samples.

        Args:
            outputs: (batch, classes) float, unnormalised log-probabilities.
            targets: (batch,) int64 class positions; anything where not valid.
            valid: (batch,) bool.
        """
        # Invalid samples are replaced before the loss: a NaN multiplied by 0 would still be a NaN.
        classes = torch.where(valid, targets, 0)
        given = torch.where(valid[:, None], outputs, 0.0)
        each = functional.cross_entropy(given, classes, reduction="none", label_smoothing=self._smoothing)
        if self._weights is not None:
            each = each * self._weights.to(each.device)[classes]
        return torch.where(valid, each, 0.0).sum() / valid.sum().clamp(min=1)

    def predict(self, outputs: Tensor) -> Tensor:
        """Give probabilities (batch, classes) float64."""
        return outputs.double().softmax(dim=1)

    def initialise(self, head: nn.Module) -> None:
        """Let the untrained network predict the training part's proportions, times their weights, on average."""
        last = [layer for layer in head.modules() if isinstance(layer, nn.Linear)][-1]
        with torch.no_grad():
            last.bias.copy_(self._bias)
