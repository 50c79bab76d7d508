"""Filling in what was masked."""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Batch, Inputs, Pretext, TargetFacts
from tlimb.components.reconstruction import Decoder, patches_masked, squared_error


class MaskedReconstruction(Pretext):
    """Fill in masked patches of the image from the features of the rest; needs no label.

    Masked voxels are set to 0, the mean of a standardised image. The loss is the mean squared error over masked
    voxels that are not background. The decoder is left behind by a transfer.

    Args:
        mask: share of the patches that are masked.
        patch_size: edge of a patch in voxels.
        width: channels of the decoder.

    Source: He et al.: Masked autoencoders are scalable vision learners, CVPR 2022 (random masks of a fixed share, loss
        on masked patches only). Any encoder serves here, so it sees the masked image whole instead of the visible
        patches alone, as in Pathak et al.: Context encoders, CVPR 2016.
    """

    def __init__(
        self,
        facts: TargetFacts,
        *,
        mask: Annotated[float, {"exclusiveMinimum": 0, "exclusiveMaximum": 1}] = 0.75,
        patch_size: Annotated[int, {"minimum": 1, "unit": "voxel"}] = 8,
        width: Annotated[int, {"minimum": 1}] = 16,
    ) -> None:
        self.mask = mask
        self.patch_size = patch_size
        self.width = width

    def head(self, feature_dim: int, inputs: Inputs) -> nn.Module:
        """Make the decoder."""
        return Decoder(feature_dim, inputs, self.width)

    def term(
        self, encode: Callable[[Tensor], Tensor], head: nn.Module, batch: Batch, name: str | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the mean squared error over masked voxels."""
        assert batch.seeds is not None
        hidden = patches_masked(batch.inputs, batch.seeds, self.mask, self.patch_size)
        seen = torch.where(hidden, 0.0, batch.inputs)
        return squared_error(head(encode(seen)), batch.inputs, hidden), {}
