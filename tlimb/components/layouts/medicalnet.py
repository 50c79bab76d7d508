"""Residual networks of MedicalNet."""

from collections.abc import Mapping
from typing import Any, ClassVar

from tlimb.components.base import Layout


class MedicalNet(Layout):
    """Residual networks of MedicalNet, trained to segment organs and tissues in CT and MR volumes.

    Their last two stages are dilated instead of halving the image; without `dilated: true` the same weights would load
    and compute another function. Networks of depth 18 and 34 have `shortcut: A`, those of 10 and 50 `shortcut: B`.
    They were trained on volumes scaled to a mean of 0 and a standard deviation of 1 over the voxels that are not zero,
    with noise in place of the zeros around them; a background of zeros is new to them.

    Of removed skulls and registration to a template the repository is silent: its code cuts volumes to what is in them
    and stretches them to one grid. So nothing is expected of images.

    Source: Chen, Ma, Zheng: Med3D: transfer learning for 3D medical image analysis, arXiv 1904.00625, 2019; and the
        repository MedicalNet, datasets/brains18.py, for the intensities.
    """

    unwrap = ("state_dict",)
    prefixes = ("module.",)
    drop = ("conv_seg.*", "fc.*")
    architecture = "resnet3d"
    options: ClassVar[Mapping[str, Any]] = {"stem_stride": 2, "dilated": True}
    preprocess: ClassVar[Mapping[str, Any]] = {"intensity": "zscore", "region": "nonzero"}
    cohorts = ("MRBrainS18", "Medical Segmentation Decathlon")
    licence = "MIT"
