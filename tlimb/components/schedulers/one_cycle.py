"""One rise and one fall of the learning rate."""

import math
from typing import Annotated

import torch
from torch.optim.lr_scheduler import LambdaLR

from tlimb.components.contracts import Scheduler


class OneCycle(Scheduler):
    """Let the learning rate rise to the optimizer's and fall far below where it began, along half cosines.

    The optimizer's `lr` is the highest rate, reached at the end of the rise. Momentum is left alone.

    Args:
        rise: share of all steps in which the rate rises, 0 to 1.
        start_factor: first rate, as a share of the highest.
        final_factor: last rate, as a share of the highest.

    Source: Smith, Topin: Super-convergence, 2019, with the cosines and the defaults of torch's OneCycleLR.
    """

    def __init__(
        self,
        *,
        rise: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.3,
        start_factor: Annotated[float, {"exclusiveMinimum": 0, "maximum": 1}] = 0.04,
        final_factor: Annotated[float, {"minimum": 0, "maximum": 1}] = 4e-6,
    ) -> None:
        self.rise = rise
        self.start_factor = start_factor
        self.final_factor = final_factor

    def build(self, optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
        """Make it for a run of so many optimizer steps."""
        top = self.rise * steps - 1
        last = max(steps - 1, 0)

        def factor(step: int) -> float:
            if step < top:
                return _between(self.start_factor, 1.0, step / top)
            # A run too short for a rise starts at the top.
            top_at = max(top, 0.0)
            done = min(1.0, (step - top_at) / (last - top_at)) if last > top_at else 0.0
            return _between(1.0, self.final_factor, done)

        return LambdaLR(optimizer, factor)


def _between(start: float, end: float, share: float) -> float:
    """Go from start to end along half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
