"""The brain-age network of UK Biobank."""

from collections.abc import Mapping
from typing import Any, ClassVar

from tlimb.components.base import Layout


class SFCNUKB(Layout):
    """The simple fully convolutional network trained for age or sex on UK Biobank.

    It has seen T1 images without skull at 1 mm in MNI space, cropped to 160 x 192 x 160 voxels and divided by their
    mean; the network for sex has `channels: [28, 58, 128, 256, 256, 64]`.

    Source: Peng, Gong, Beckmann, Vedaldi, Smith: Accurate brain age prediction with lightweight deep neural networks,
        Medical Image Analysis 68 (2021) 101871, and its repository UKBiobank_deep_pretrain.
    """

    unwrap = ("state_dict",)
    prefixes = ("module.",)
    drop = ("classifier.*",)
    architecture = "sfcn"
    preprocess: ClassVar[Mapping[str, Any]] = {"intensity": "mean"}
    expects = ("skull_stripped", "registered")
    cohorts = ("UK Biobank",)
    licence = "MIT; the images are under UK Biobank's own terms"
