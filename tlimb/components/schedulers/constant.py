"""A constant learning rate."""

import torch
from torch.optim.lr_scheduler import LambdaLR

from tlimb.components.contracts import Scheduler


class Constant(Scheduler):
    """Keep the optimizer's learning rate."""

    def build(self, optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
        """Make it; the number of steps is not used."""
        return LambdaLR(optimizer, lambda step: 1.0)
