"""Features that do not tell the domain, by an adversary."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.contracts import Auxiliary, Inputs, Network, StepContext


class DANN(Auxiliary):
    """Train a network to tell the domains apart, and the encoder to make that impossible (DANN).

    The discriminator learns the domain by cross-entropy from the features; its gradient reaches the encoder reversed,
    times weight times 2 / (1 + exp(-10 p)) - 1, where p is the share of the run's steps that are done. So early
    noise of the discriminator does not reach the encoder, and a resumed run goes on where it was. Both domains count
    alike whatever their batch sizes.

    Args:
        weight: factor of the reversed gradient; the discriminator itself always learns at full strength.
        ramp_epochs: epochs in which the term grows linearly from 0, beside the schedule above.
        hidden: width of the discriminator's two hidden layers.
        rate: learning rate of the discriminator, as a multiple of the optimizer's.

    Source: Ganin et al.: Domain-adversarial training of neural networks, JMLR 2016, section 4 and the schedule of
        section 5.2.2. The default width and rate are ours.
    """

    roles = ("source", "target")
    example: ClassVar[Mapping[str, Any]] = {"hidden": 8}

    def __init__(
        self,
        *,
        weight: Annotated[float, {"minimum": 0}] = 1.0,
        ramp_epochs: Annotated[int, {"minimum": 0}] = 0,
        hidden: Annotated[int, {"minimum": 1}] = 64,
        rate: Annotated[float, {"exclusiveMinimum": 0}] = 1.0,
    ) -> None:
        self.weight = weight
        self.ramp_epochs = ramp_epochs
        self.hidden = hidden
        self.rate = rate

    def build(self, network: Network, inputs: Inputs) -> nn.Module | None:
        """Make the discriminator: features to one logit, positive for the target."""
        self._discriminator = nn.Sequential(
            nn.Linear(network.encoder.feature_dim, self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, 1),
        )
        return self._discriminator

    def strength(self, progress: float) -> float:
        """Give the factor of the reversed gradient at a share of the run."""
        return self.weight * (2 / (1 + math.exp(-10 * progress)) - 1)

    def loss(self, context: StepContext) -> Tensor:
        """Give the discriminator's mean cross-entropy in nats; its gradient is reversed on its way to the features."""
        source, target = context.features["source"].float(), context.features["target"].float()
        logits = self._discriminator(reverse(torch.cat([source, target]), self.strength(context.progress)))[:, 0]
        ours, theirs = logits[: len(source)], logits[len(source) :]
        return (functional.softplus(ours).mean() + functional.softplus(-theirs).mean()) / 2


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse(features: Tensor, strength: float) -> Tensor:
    """Give the same features, whose gradient is multiplied by -strength."""
    return cast("Tensor", _Reverse.apply(features, strength))
