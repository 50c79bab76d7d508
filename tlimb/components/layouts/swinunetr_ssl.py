"""The encoder of MONAI's self-supervised Swin UNETR."""

from collections.abc import Mapping
from typing import Any, ClassVar

from tlimb.components.base import Layout


class SwinUNETRSSL(Layout):
    """The encoder of Swin UNETR that MONAI trained without labels, on CT of chest, abdomen and head.

    It has seen no MR: Hounsfield units, -1000..1000 mapped to 0 to 1 and cut off there. MR has no such units, so all
    that is expected is intensities from 0 to 1, as `min_max` gives. Voxels were not resampled, and of skulls nothing is
    said. The heads of pretraining are left out. It was trained with a version of MONAI that merged neighbouring tokens
    in its own way (`merging: repeated`).

    Source: Tang et al.: Self-supervised pre-training of Swin transformers for 3D medical image analysis, CVPR 2022,
        and MONAI's research contributions, SwinUNETR/Pretrain, utils/data_utils.py with the defaults of main.py.
    """

    unwrap = ("state_dict", "model")
    prefixes = ("module.", "swinViT.")
    renames = ((r"\.mlp\.fc([12])\.", r".mlp.linear\1."),)
    drop = ("rotation_*", "contrastive_*", "conv.*", "convTrans3d.*", "norm.*", "encoder*", "decoder*", "out.*")
    architecture = "swin3d"
    options: ClassVar[Mapping[str, Any]] = {"feature_size": 48, "merging": "repeated"}
    expects = ("unit_range",)
    cohorts = ("LUNA16", "LiDC", "HNSCC", "TCIA COVID-19", "TCIA CT colonography")
    licence = "Apache 2.0"
