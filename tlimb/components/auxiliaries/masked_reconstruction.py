"""Filling in what was masked, beside labels."""

from typing import Annotated

from tlimb.components.contracts import TargetFacts
from tlimb.components.objectives.masked_reconstruction import MaskedReconstruction as Objective
from tlimb.components.pretext import PretextTerm


class MaskedReconstruction(PretextTerm):
    """Fill in masked patches of the image, beside what labels teach; see the objective of this name.

    Args:
        weight: factor of the term.
        ramp_epochs: epochs in which the weight grows linearly from 0.
        role: whose samples are read; none for those of all roles together.
        mask: share of the patches that are masked.
        patch_size: edge of a patch in voxels.
        width: channels of the decoder.

    Source: He et al.: Masked autoencoders are scalable vision learners, CVPR 2022; Pathak et al.: Context encoders,
        CVPR 2016.
    """

    def __init__(
        self,
        *,
        weight: Annotated[float, {"minimum": 0}] = 1.0,
        ramp_epochs: Annotated[int, {"minimum": 0}] = 0,
        role: Annotated[str | None, {"names": "roles"}] = None,
        mask: Annotated[float, {"exclusiveMinimum": 0, "exclusiveMaximum": 1}] = 0.75,
        patch_size: Annotated[int, {"minimum": 1, "unit": "voxel"}] = 8,
        width: Annotated[int, {"minimum": 1}] = 16,
    ) -> None:
        self.weight = weight
        self.ramp_epochs = ramp_epochs
        self.role = role
        self.pretext = Objective(TargetFacts(), mask=mask, patch_size=patch_size, width=width)
