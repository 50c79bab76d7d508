"""The vision transformer of BrainIAC."""

from collections.abc import Mapping
from typing import Any, ClassVar

from tlimb.components.base import Layout


class BrainIAC(Layout):
    """The vision transformer of BrainIAC, trained on brain MR without labels.

    It has seen images without skull at 1 mm, resized to 96 x 96 x 96 voxels. MONAI writes a normalisation of a
    cross-attention into every block, which computes nothing; it is left out, as are projectors and classifiers.

    Source: Tak et al.: A generalizable foundation model for analysis of human brain MRI, Nature Neuroscience 2026, and
        its repository BrainIAC.
    """

    unwrap = ("state_dict", "model_state_dict", "model")
    prefixes = ("module.", "model.", "backbone.")
    drop = ("*norm_cross_attn.*", "*cross_attn.*", "classification_head.*", "projector.*", "projection_head.*", "fc.*")
    architecture = "vit3d"
    options: ClassVar[Mapping[str, Any]] = {"patch_size": 16, "class_token": True}
    preprocess: ClassVar[Mapping[str, Any]] = {"intensity": "zscore", "region": "nonzero"}
    expects = ("skull_stripped",)
    licence = "not for commercial use; see the repository"
