"""Resume points as bytes: tensors, numbers, text, lists and mappings, nothing that could run."""

import io
from typing import Any

import torch
from torch import Tensor

PLAIN = (bool, int, float, str, type(None))


def dump(state: dict[str, Any]) -> bytes:
    """Write a state.

    Raises:
        TypeError: something in it is neither a tensor nor plain data.
    """
    out = io.BytesIO()
    torch.save(plain(state), out)
    return out.getvalue()


def load(data: bytes) -> dict[str, Any]:
    """Read what `dump` wrote, onto the CPU; pickled objects are refused."""
    return dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))


def plain(value: Any, at: str = "state") -> Any:
    """Copy nested data, with tensors detached and on the CPU.

    Raises:
        TypeError: an object of another kind, named by where it stands.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, dict):
        return {key: plain(inner, f"{at}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(inner, f"{at}[{number}]") for number, inner in enumerate(value))
    raise TypeError(f"{at} is a {type(value).__name__}, which a resume point cannot hold")
