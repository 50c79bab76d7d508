"""What layouts of weights must do."""

import re
from collections.abc import Callable
from typing import Any

import torch

from tlimb.components import discovery
from tlimb.components.weights import arrange


def check_layout(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a layout gives names back in every wrapping that it knows, drops what it says, and names its terms."""
    layout = make()
    assert cls.licence, f"{cls.__name__} names no licence"
    known = discovery.names("architecture")
    assert cls.architecture is None or "." in cls.architecture or cls.architecture in known, "no such architecture"
    for pattern, _ in (*cls.renames, *cls.folded):
        re.compile(pattern)
    plain = {"stage.0.weight": torch.ones(2), "stage.0.other": torch.zeros(())}
    extra = {pattern.replace("*", "x"): torch.ones(1) for pattern in cls.drop}
    for prefix in ("", *cls.prefixes):
        content: Any = {prefix + name: tensor for name, tensor in (plain | extra).items()}
        for key in (None, *cls.unwrap):
            found = arrange(content if key is None else {key: content, "epoch": 3}, layout)
            assert found.tensors.keys() == plain.keys(), f"with {prefix!r} under {key} the names are {[*found.tensors]}"
            assert len(found.dropped) == len(extra)
            assert found.unwrapped == key
