"""Telling views apart, the less the more alike two people are."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from tlimb.components.contracts import Augmentation, Batch, TargetFacts
from tlimb.components.contrastive import Contrastive


class YAware(Contrastive):
    """Tell views of one image from those of others, but pull people of like age (or another number) together.

    Two people are alike by exp(-(y_a - y_b)^2 / (2 sigma^2)); the weights of all others of a view sum to 1. A person
    without the number is alike to nobody else, so with no numbers at all, or a very small sigma, it is `simclr`.

    Args:
        target: label with the numbers.
        sigma: distance over which people are alike, in the label's unit.
        temperature: of the similarities.
        hidden: width of the projector's hidden layer.
        width: of the embedding in which views are compared.
        augment: random changes that make a view; by default affine, gamma, noise, blur and cutout, moderately.

    Source: Dufumier et al.: Contrastive learning with continuous proxy meta-data for 3D MRI classification, MICCAI
        2021, equation 4. We normalise the weights over the others of each view, as the paper writes it.
    """

    revision = 2  # the history notes the effective rank, and a spread that small batches do not lessen
    example: ClassVar[Mapping[str, Any]] = {"target": "age"}

    def __init__(
        self,
        facts: TargetFacts,
        *,
        target: Annotated[str, {"names": "labels"}],
        sigma: Annotated[float, {"exclusiveMinimum": 0}] = 5.0,
        temperature: Annotated[float, {"exclusiveMinimum": 0}] = 0.1,
        hidden: Annotated[int, {"minimum": 1}] = 128,
        width: Annotated[int, {"minimum": 1}] = 64,
        augment: Sequence[Augmentation] = (),
    ) -> None:
        super().__init__(facts, temperature=temperature, hidden=hidden, width=width, augment=augment)
        self.target = target
        self.sigma = sigma

    def alike(self, values: Tensor, valid: Tensor) -> Tensor:
        """Give how alike people are, (batch, batch), from their numbers, (batch,), and which are known."""
        both = valid[:, None] & valid[None]
        # What is not known may be anything, also not a number.
        distance = torch.where(both, values[:, None] - values[None], torch.inf).float()
        found = torch.exp(-0.5 * (distance / self.sigma).square())
        return torch.where(torch.eye(len(values), dtype=torch.bool, device=values.device), 1.0, found)

    def likeness(self, batch: Batch, name: str | None) -> Tensor | None:
        """Give how alike the people of a batch are; None where the batch has no such number."""
        name = self.target if name is None else name
        return self.alike(batch.targets[name], batch.valid[name]) if name in batch.targets else None
