"""Building the image again, beside labels."""

from typing import Annotated

from tlimb.components.contracts import TargetFacts
from tlimb.components.objectives.reconstruction import Reconstruction as Objective
from tlimb.components.pretext import PretextTerm


class Reconstruction(PretextTerm):
    """Let the features hold enough to build the image again, beside what labels teach.

    Args:
        weight: factor of the term.
        ramp_epochs: epochs in which the weight grows linearly from 0.
        role: whose samples are read; none for those of all roles together.
        width: channels of the decoder.

    Source: Hinton, Salakhutdinov: Reducing the dimensionality of data with neural networks, Science 2006.
    """

    def __init__(
        self,
        *,
        weight: Annotated[float, {"minimum": 0}] = 1.0,
        ramp_epochs: Annotated[int, {"minimum": 0}] = 0,
        role: Annotated[str | None, {"names": "roles"}] = None,
        width: Annotated[int, {"minimum": 1}] = 16,
    ) -> None:
        self.weight = weight
        self.ramp_epochs = ramp_epochs
        self.role = role
        self.pretext = Objective(TargetFacts(), width=width)
