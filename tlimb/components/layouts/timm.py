"""Checkpoints of timm's networks."""

from tlimb.components.base import Layout


class Timm(Layout):
    """Two-dimensional networks as timm's training and its published files write them.

    Weights of running means (`state_dict_ema`) are taken where there are any, as timm's validation does. Classifiers
    are left out; the normalisation before them (`head.norm`) belongs to the encoder.

    Source: Wightman: PyTorch image models, 2019; timm.models.load_checkpoint.
    """

    unwrap = ("state_dict_ema", "model_ema", "state_dict", "model")
    prefixes = ("_orig_mod.", "module.", "_orig_mod.")
    drop = ("fc.*", "classifier.*", "head.weight", "head.bias", "head.fc.*", "head_dist.*")
    architecture = "timm"
    licence = "that of the file; timm's own are listed with each model"
