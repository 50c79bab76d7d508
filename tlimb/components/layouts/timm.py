"""Checkpoints of timm's networks."""

from tlimb.components.base import Layout


class Timm(Layout):
    """Two-dimensional networks as timm's training and its published files write them.

    Weights of running means (`state_dict_ema`) are taken where there are any, as timm's validation does. Classifiers
    are left out; the normalisation before them (`head.norm`) belongs to the encoder.

    timm feeds intensities from 0 to 1 less a mean and over a standard deviation, each of a channel; the numbers are
    those of ImageNet for most models, and stand in each model's configuration, not in the file. On brain images they
    mean nothing, so all that is expected is a mean of 0 and a standard deviation of 1, as `zscore` gives; timm is
    silent on the region that they are taken of. Of the images themselves it says nothing: they were photographs.

    Source: Wightman: PyTorch image models, 2019; timm.models.load_checkpoint; timm.data.resolve_data_config for the
        intensities.
    """

    unwrap = ("state_dict_ema", "model_ema", "state_dict", "model")
    prefixes = ("_orig_mod.", "module.", "_orig_mod.")
    drop = ("fc.*", "classifier.*", "head.weight", "head.bias", "head.fc.*", "head_dist.*")
    expects = ("standardised",)
    architecture = "timm"
    licence = "that of the file; timm's own are listed with each model"
