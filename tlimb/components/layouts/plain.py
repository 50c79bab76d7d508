"""Names as in the encoder itself."""

from tlimb.components.base import Layout


class Plain(Layout):
    """Tensors under the names of the encoder, alone or beside other things in a checkpoint.

    They may stand under `state_dict`, `model` or `model_state_dict`, and begin with what torch puts before names when a
    network is copied to several devices or compiled.
    """

    unwrap = ("state_dict", "model_state_dict", "model")
    prefixes = ("_orig_mod.", "module.", "_orig_mod.")
    licence = "that of the file"
