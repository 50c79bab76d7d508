"""A cosine from the learning rate to zero."""

import math
from typing import Annotated

import torch
from torch.optim.lr_scheduler import LambdaLR

from tlimb.components.contracts import Scheduler


class Cosine(Scheduler):
    """Let the learning rate fall to zero along half a cosine, after a linear rise.

    Args:
        warmup_steps: optimizer steps of the rise; step k of it has k / warmup_steps of the rate.

    Source: Loshchilov, Hutter: SGDR: stochastic gradient descent with warm restarts, ICLR 2017; here one cycle.
    """

    def __init__(self, *, warmup_steps: Annotated[int, {"minimum": 0}] = 0) -> None:
        self.warmup_steps = warmup_steps

    def build(self, optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
        """Make it for a run of so many optimizer steps; a rise longer than the run is cut off with it."""
        rise = self.warmup_steps

        def factor(step: int) -> float:
            if step < rise:
                return (step + 1) / rise
            done = (step - rise) / max(1, steps - rise)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

        return LambdaLR(optimizer, factor)
