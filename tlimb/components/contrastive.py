"""What pretext objectives share that tell two views of an image from the views of other images."""

from abc import ABC
from collections.abc import Callable, Sequence
from typing import Annotated

from torch import Tensor, nn

from tlimb.components.collapse import measured
from tlimb.components.contracts import Augmentation, Batch, Inputs, Pretext, TargetFacts
from tlimb.components.contrast import contrast, projector, usual_views, view


class Contrastive(Pretext, ABC):
    """Two views of each image, a projector, and the contrastive loss; a subclass says which people are alike."""

    def __init__(
        self,
        facts: TargetFacts,
        *,
        temperature: Annotated[float, {"exclusiveMinimum": 0}] = 0.1,
        hidden: Annotated[int, {"minimum": 1}] = 128,
        width: Annotated[int, {"minimum": 1}] = 64,
        augment: Sequence[Augmentation] = (),
    ) -> None:
        self.temperature = temperature
        self.hidden = hidden
        self.width = width
        self.augment = tuple(augment) or usual_views()

    def head(self, feature_dim: int, inputs: Inputs) -> nn.Module:
        """Make the projector."""
        return projector(feature_dim, self.hidden, self.width)

    def likeness(self, batch: Batch, name: str | None) -> Tensor | None:
        """Give how alike the people of a batch are, (batch, batch), 0 to 1; None where each is like nobody else."""
        return None

    def term(
        self, encode: Callable[[Tensor], Tensor], head: nn.Module, batch: Batch, name: str | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the contrastive loss, and how far the embeddings are from collapse."""
        assert batch.seeds is not None
        first, second = (head(encode(view(batch.inputs, batch.seeds, self.augment, n))) for n in range(2))
        return contrast(first, second, self.temperature, self.likeness(batch, name)), measured(first)
