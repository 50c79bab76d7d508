"""The encoder of BrainSegFounder."""

from collections.abc import Mapping
from typing import Any, ClassVar

from tlimb.components.base import Layout


class BrainSegFounder(Layout):
    """The encoder of BrainSegFounder, a transformer with shifted windows trained without labels on UK Biobank.

    It has seen T1 and T2 as two channels; `adapt: {stem: sum}` fits it to one. It was trained with a version of MONAI
    that merged neighbouring tokens in its own way (`merging: repeated`). Decoders and the heads of pretraining are left
    out. Files of the third stage were trained on labelled images of BraTS or ATLAS as well: write that under `cohorts`.

    Images are UK Biobank's `T1_brain_to_MNI` and `T2_FLAIR_brain_to_MNI`: without skull, in MNI space. Intensities were
    mapped from -1000..1000 to 0..1 in the first stage, by the defaults of its script, and standardised over the voxels
    that are not zero in the authors' own fine-tuning; the latter is what is expected here, since fine-tuning is what a
    study does with them.

    Source: Cox et al.: BrainSegFounder: towards 3D foundation models for neuroimage segmentation, Medical Image
        Analysis 97 (2024) 103301; and its repository, pretrain/utils/data_utils.py and pretrain/main_T1T2.py for the
        first stage, Downstream/BraTS/utils.py for fine-tuning.
    """

    unwrap = ("state_dict", "model")
    prefixes = ("module.", "swinViT.")
    renames = ((r"\.mlp\.fc([12])\.", r".mlp.linear\1."),)
    drop = ("encoder*", "decoder*", "out.*", "norm.*", "rotation_*", "contrastive_*", "conv.*", "convTrans3d.*")
    architecture = "swin3d"
    options: ClassVar[Mapping[str, Any]] = {"feature_size": 48, "merging": "repeated"}
    preprocess: ClassVar[Mapping[str, Any]] = {"intensity": "zscore", "region": "nonzero"}
    expects = ("skull_stripped", "registered")
    cohorts = ("UK Biobank",)
    licence = "UK Biobank's material transfer agreement; code GPL-3"
