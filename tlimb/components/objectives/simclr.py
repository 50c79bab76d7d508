"""Telling two views of one image from other images."""

from collections.abc import Callable, Sequence
from typing import Annotated

from torch import Tensor, nn

from tlimb.components.contracts import Augmentation, Batch, Inputs, Pretext, TargetFacts
from tlimb.components.contrast import contrast, projector, spread, usual_views, view


class SimCLR(Pretext):
    """Tell two random views of one image from the views of the other images of the batch; needs no label.

    Large batches help, since the others of the batch are what it is told from. The history notes the spread of the
    embeddings: about 1 when they fill all directions, near 0 when they have collapsed and nothing is learned.

    Args:
        temperature: of the similarities; small ones look at the hardest others only.
        hidden: width of the projector's hidden layer.
        width: of the embedding in which views are compared.
        augment: random changes that make a view; by default affine, gamma, noise, blur and cutout, moderately.

    Source: Chen et al.: A simple framework for contrastive learning of visual representations, ICML 2020, equation 1.
    """

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

    def term(
        self, encode: Callable[[Tensor], Tensor], head: nn.Module, batch: Batch, name: str | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the contrastive loss and the spread of the embeddings."""
        assert batch.seeds is not None
        first, second = (head(encode(view(batch.inputs, batch.seeds, self.augment, n))) for n in range(2))
        return contrast(first, second, self.temperature), {"spread": spread(first)}
