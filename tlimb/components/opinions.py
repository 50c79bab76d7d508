"""What a network says of unlabelled people, over the last batches: whether it still tells them apart."""

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Network

KEPT = 0.9
"""Share of the old means that is kept in each batch: those of about ten batches, for a single small one may well have
people of one class only."""


class Opinions(nn.Module):
    """Running means of what the heads of classes say of unlabelled people; a head of numbers has none.

    For each head: the mean probabilities, (classes,) float32, and the mean over batches of the mutual information of
    person and class in nats: the entropy of a batch's mean probabilities less the mean entropy of its people's. Both
    are buffers, so that a resumed run goes on where it was.

    Source: Bridle, Heading, MacKay: Unsupervised classifiers, mutual information and 'phantom targets', NeurIPS 1991,
        equation 4; here it is measured, and nothing learns from it.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.names = [name for name, objective in network.objectives.items() if objective.kind == "class"]
        device = next(iter(network.encoder.parameters()), torch.empty(0)).device
        for place, name in enumerate(self.names):
            classes = network.objectives[name].outputs
            self.register_buffer(f"shares_{place}", torch.zeros(classes, device=device))
            self.register_buffer(f"apart_{place}", torch.zeros((), device=device))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64, device=device))

    @torch.no_grad()
    def hear(self, said: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take a batch into the means, and give them for the history.

        Args:
            said: head -> probabilities of unlabelled people (batch, classes); of other heads anything.

        Returns:
            For each head of classes `<head> prediction_entropy`, the entropy of the mean probabilities, and `<head>
            told_apart`, the mutual information; both 0 to 1, as shares of log(classes). Nothing for batches of one
            person, who cannot be told from anybody.
        """
        if not self.names or len(said[self.names[0]]) < 2:
            return {}
        batches = cast("Tensor", self.batches)
        batches += 1
        fresh = 1 - torch.clamp(1 - 1 / batches.float(), max=KEPT)
        found = {}
        for place, name in enumerate(self.names):
            probabilities = said[name].detach().float()
            mean = probabilities.mean(0)
            shares, apart = (self.get_buffer(f"{what}_{place}") for what in ("shares", "apart"))
            shares.lerp_(mean, fresh)
            apart.lerp_(entropy(mean) - entropy(probabilities).mean(), fresh)
            most = math.log(len(shares))
            found[f"{name} prediction_entropy"] = entropy(shares) / most
            found[f"{name} told_apart"] = (apart / most).clamp(min=0)
        return found


def entropy(probabilities: Tensor) -> Tensor:
    """Give the entropy in nats over the last axis."""
    return -torch.special.xlogy(probabilities, probabilities).sum(-1)
