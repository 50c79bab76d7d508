"""Predicting a number as a distribution over bins."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Objective, TargetFacts


class SoftBins(Objective):
    """Predict a number as a distribution over bins, taught by a normal distribution around each label.

    A label becomes the probability that a normal distribution around it gives each bin, divided by their sum, so that
    none is lost beyond the first and the last bin. The loss is the Kullback-Leibler divergence of the predicted
    distribution from it in nats, the prediction is the mean of the predicted distribution. The head has one output a
    bin; `linear` behind `sfcn` is SFCN's own. Its 40 bins of a year are `low: 42`, `high: 82`.

    Args:
        target: label with the numbers, such as age in years.
        low: lower edge of the first bin, in the target's unit; no label may be below it.
        high: upper edge of the last bin; no label may be above it.
        width: width of a bin; must divide the range into 2 bins or more.
        sigma: standard deviation of the normal distribution around a label.

    Source: Peng, Gong, Beckmann, Vedaldi, Smith: Accurate brain age prediction with lightweight deep neural networks,
        Medical Image Analysis 68 (2021) 101871, section 2.3. Theirs loses what lies beyond the edges (half of the label
        of somebody at the edge) and teaches nothing to people out of range; ours divides by the sum, and refuses.
    """

    kind = "number"
    divisible = True
    metrics = ("mae", "r2")
    limits: ClassVar[tuple[str, str] | None] = ("low", "high")
    aka: ClassVar[Mapping[str, str]] = {
        "soft_labels": "soft_bins: {target: age, low: 42, high: 82}",
        "soft_classification": "soft_bins: {target: age, low: 42, high: 82}",
    }
    example: ClassVar[Mapping[str, Any]] = {"target": "age", "low": 20.0, "high": 90.0, "width": 5.0, "sigma": 4.0}

    def __init__(
        self,
        facts: TargetFacts,
        *,
        target: Annotated[str, {"names": "labels"}],
        low: Annotated[float, {"minimum": -1e9, "below": "high"}],
        high: Annotated[float, {"minimum": -1e9}],
        width: Annotated[float, {"exclusiveMinimum": 0, "divides": ["low", "high"]}] = 1.0,
        sigma: Annotated[float, {"exclusiveMinimum": 0}] = 1.0,
    ) -> None:
        count = round((high - low) / width)
        if count < 2 or abs(count * width - (high - low)) > 1e-6 * width:
            raise ValueError(f"bins of {width:g} do not divide {low:g} to {high:g} into 2 or more: change low or high")
        self.target = target
        self.outputs = count
        self._range, self._sigma = (float(low), float(high)), float(sigma)
        edges = low + width * torch.arange(count + 1, dtype=torch.float64)
        self._edges, self._centres = edges, (edges[1:] + edges[:-1]) / 2
        self._facts = facts

    def refuse(self, targets: Tensor, valid: Tensor) -> None:
        """Refuse labels outside the bins.

        Raises:
            ValueError: a known label is outside; the message holds none.
        """
        low, high = self._range
        outside = int(((targets < low) | (targets > high))[valid].sum())
        if outside:
            message = (
                f"{outside} of {int(valid.sum())} people have values of `{self.target}` outside {low:g} to {high:g}"
            )
            raise ValueError(f"{message}: widen the bins of soft_bins, or keep only people inside")

    def loss(self, outputs: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Give the mean divergence in nats over valid samples.

        Args:
            outputs: (batch, bins) float, unnormalised log-probabilities.
            targets: (batch,) float32, in the target's unit, within the bins; anything where not valid.
            valid: (batch,) bool.
        """
        # Invalid samples are replaced before the loss: a NaN multiplied by 0 would still be a NaN.
        known = torch.where(valid, targets, sum(self._range) / 2)
        given = torch.where(valid[:, None], outputs, 0.0)
        soft = self._soft(known.double(), self._sigma)
        divergence = torch.xlogy(soft, soft) - soft * given.double().log_softmax(dim=1)
        each = torch.where(valid, divergence.sum(dim=1), 0.0)
        return (each.sum() / valid.sum().clamp(min=1)).to(outputs.dtype)

    def predict(self, outputs: Tensor) -> Tensor:
        """Give numbers (batch,) float64 in the target's unit: sum over bins of probability times centre."""
        return outputs.double().softmax(dim=1) @ self._centres.to(outputs.device)

    def says(self, outputs: Tensor) -> Tensor:
        """Give the probabilities of the bins, (batch, bins) float32."""
        return outputs.float().softmax(1)

    def initialise(self, head: nn.Module) -> None:
        """Let the untrained network predict a normal distribution with the training part's mean and deviation."""
        last = [layer for layer in head.modules() if isinstance(layer, nn.Linear)][-1]
        low, high = self._range
        mean = (low + high) / 2 if self._facts.mean is None else self._facts.mean
        around = self._soft(torch.tensor([mean], dtype=torch.float64), self._facts.sd or high - low)[0]
        with torch.no_grad():
            # A bin that hardly anybody is in gets a small share, so that no bias is infinite.
            last.bias.copy_((around + 1e-6).log())

    def _soft(self, numbers: Tensor, sigma: float) -> Tensor:
        """Give the normal distribution around each number over the bins: (n, bins) float64, each of sum 1."""
        below = torch.special.ndtr((self._edges.to(numbers.device) - numbers[:, None]) / sigma)
        share = below.diff(dim=1)
        return share / share.sum(dim=1, keepdim=True)
