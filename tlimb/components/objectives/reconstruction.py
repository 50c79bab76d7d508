"""Building the image again."""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Batch, Inputs, Pretext, TargetFacts
from tlimb.components.reconstruction import Decoder, squared_error


class Reconstruction(Pretext):
    """Build the image again from its features (an autoencoder); needs no label.

    The loss is the mean squared error over voxels that are not background. The decoder is left behind by a transfer.

    Args:
        width: channels of the decoder.

    Source: Hinton, Salakhutdinov: Reducing the dimensionality of data with neural networks, Science 2006.
    """

    def __init__(self, facts: TargetFacts, *, width: Annotated[int, {"minimum": 1}] = 16) -> None:
        self.width = width

    def head(self, feature_dim: int, inputs: Inputs) -> nn.Module:
        """Make the decoder."""
        return Decoder(feature_dim, inputs, self.width)

    def term(
        self, encode: Callable[[Tensor], Tensor], head: nn.Module, batch: Batch, name: str | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the mean squared error."""
        counted = torch.ones_like(batch.inputs[:, :1], dtype=torch.bool)
        return squared_error(head(encode(batch.inputs)), batch.inputs, counted), {}
