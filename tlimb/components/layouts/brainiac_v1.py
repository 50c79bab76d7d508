"""The residual network of BrainIAC's first version."""

from collections.abc import Mapping
from typing import Any, ClassVar

from tlimb.components.base import Layout


class BrainIACV1(Layout):
    """The residual network of BrainIAC's first version, trained on brain MR by contrast of views (SimCLR).

    It has seen images without skull, resized to 128 x 128 x 128 voxels, with intensities from 0 to 1 over all voxels.
    It is MONAI's network of depth 50, whose shortcuts have a bias before their normalisation; here it is taken off the
    running mean, which is the same function.

    Source: Tak et al.: A foundation model for generalized brain MRI analysis, medRxiv 2024, and the first version of
        the repository BrainIAC.
    """

    unwrap = ("state_dict", "model_state_dict", "model")
    prefixes = ("module.", "model.", "backbone.")
    drop = ("fc.*", "projector.*", "projection_head.*")
    folded = ((r"^(.*downsample)\.0\.bias$", r"\1.1.running_mean"),)
    architecture = "resnet3d"
    options: ClassVar[Mapping[str, Any]] = {"depth": 50, "stem_stride": 2, "shortcut": "B"}
    preprocess: ClassVar[Mapping[str, Any]] = {"intensity": "min_max"}
    expects = ("skull_stripped", "unit_range")
    licence = "CC BY-NC"
