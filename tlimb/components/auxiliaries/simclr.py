"""Telling two views of one image from other images, beside labels."""

from collections.abc import Sequence
from typing import Annotated

from tlimb.components.contracts import Augmentation, TargetFacts
from tlimb.components.objectives.simclr import SimCLR as Objective
from tlimb.components.pretext import PretextTerm


class SimCLR(PretextTerm):
    """Tell two views of one image from other images, beside what labels teach; see the objective of this name.

    Args:
        weight: factor of the term.
        ramp_epochs: epochs in which the weight grows linearly from 0.
        role: whose samples are read; none for those of all roles together.
        temperature: of the similarities.
        hidden: width of the projector's hidden layer.
        width: of the embedding in which views are compared.
        augment: random changes that make a view; by default affine, gamma, noise, blur and cutout, moderately.

    Source: Chen et al.: A simple framework for contrastive learning of visual representations, ICML 2020, equation 1.
    """

    revision = 2  # the history notes how far the embeddings are from collapse

    def __init__(
        self,
        *,
        weight: Annotated[float, {"minimum": 0}] = 1.0,
        ramp_epochs: Annotated[int, {"minimum": 0}] = 0,
        role: Annotated[str | None, {"names": "roles"}] = None,
        temperature: Annotated[float, {"exclusiveMinimum": 0}] = 0.1,
        hidden: Annotated[int, {"minimum": 1}] = 128,
        width: Annotated[int, {"minimum": 1}] = 64,
        augment: Sequence[Augmentation] = (),
    ) -> None:
        self.weight = weight
        self.ramp_epochs = ramp_epochs
        self.role = role
        self.pretext = Objective(TargetFacts(), temperature=temperature, hidden=hidden, width=width, augment=augment)
