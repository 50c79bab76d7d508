"""A copy of the network that follows it slowly."""

import copy
from typing import cast

import torch
from attrs import evolve
from torch import Tensor, nn

from tlimb.components.contracts import Network


class RunningMean(nn.Module):
    """A running mean of encoder and heads: of all weights, and of the buffers that are numbers.

    Buffers such as the statistics of batch normalisation belong to the function as much as weights do; counts are
    copied.

    Source: Tarvainen, Valpola: Mean teachers are better role models, NeurIPS 2017, equation 1 and, for the small decay
        at first, the authors' code (main.py of the PyTorch version): min(1 - 1 / (step + 1), decay).
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(network.encoder)
        self.heads = nn.ModuleDict({name: copy.deepcopy(head) for name, head in network.heads.items()})
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.requires_grad_(False)

    @torch.no_grad()
    def follow(self, network: Network, decay: float) -> None:
        """Move towards the network, after one of its steps."""
        steps = cast("Tensor", self.steps)
        steps += 1
        kept = torch.clamp(1 - 1 / (steps.double() + 1), max=decay)
        for own, other in [(self.encoder, network.encoder), *((self.heads[n], h) for n, h in network.heads.items())]:
            theirs = other.state_dict()
            for name, value in own.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(theirs[name].to(value.dtype), (1 - kept).to(value.dtype))
                else:
                    value.copy_(theirs[name])

    def network(self, like: Network) -> Network:
        """Give the copies in the place of the network's encoder and heads."""
        return evolve(like, encoder=self.encoder, heads=self.heads)  # type: ignore[arg-type]
