"""Weights that are learned from each head's uncertainty."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Inputs, Network, Weighting


class Uncertainty(Weighting):
    """Weigh each head's loss L by its learned noise: exp(-s) L + s / 2 for classes, exp(-s) L / 2 + s / 2 for numbers.

    s is the logarithm of the head's variance, begins at 0 and is trained with the network, without weight decay. A
    head's own `weight` multiplies its loss before.

    Source: Kendall, Gal, Cipolla: Multi-task learning using uncertainty to weigh losses, CVPR 2018, equations 5 to
        10, with s = log sigma^2.
    """

    weight_decay = 0.0

    def build(self, network: Network, inputs: Inputs) -> nn.Module | None:
        """Make one logarithm of a variance a head."""
        self._logs = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in network.heads})
        objectives = network.objectives
        self._halved = {name for name in network.heads if name in objectives and objectives[name].kind == "number"}
        return self._logs

    def combine(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give each head's loss by its weight, and the price of a small weight."""
        found = {}
        for name, term in terms.items():
            log = self._logs[name]
            factor = 0.5 if name in self._halved else 1.0
            found[name] = factor * torch.exp(-log) * term + log / 2
        return found
