"""Weights that somebody else wrote: opened without running what is in them, and put under the names of an encoder."""

import argparse
import re
import zipfile
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from attrs import frozen
from safetensors import safe_open
from torch import Tensor

from tlimb.components.base import Layout

ZIP, PICKLE, HDF5, LFS = b"PK\x03\x04", b"\x80", b"\x89HDF", b"version https://git-lfs"
_SCALAR = np.float64(0).__reduce__()[0]
HARMLESS: tuple[Any, ...] = (
    argparse.Namespace,
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("bool", "int32", "int64", "float16", "float32", "float64")),
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
)
"""Classes that may stand beside tensors: settings and single numbers, which hold values and can do nothing."""
AGAIN = "get it again, and compare its sha256 with the published one"
ADVICE = (
    ("would have to be run", "where you trust its authors, load it in their environment and save `state_dict()` alone"),
    ("damaged", AGAIN),
    ("empty file", AGAIN),
    ("neither", f"{AGAIN}; weights of another format are saved with torch or safetensors first"),
    ("no plain state dict", "name its `layout` (see `tlimb components layout`), or save `state_dict()` alone"),
    ("two tensors for", "another `layout` may be meant: see `tlimb components layout`"),
    ("no plain numbers", "save the `state_dict()` anew after `to_dense()`, `dequantize()` or `float()`"),
)
"""Part of a message about weights -> what to do."""
NEITHER = "the weights are neither a .safetensors file nor a state dict without code"


def read(path: Path, device: str = "cpu") -> Any:
    """Open a .safetensors file or what torch saved, without running code from it; its first bytes tell which it is.

    Args:
        path: the file.
        device: `meta` gives names and shapes without reading values into memory.

    Returns:
        Tensors by name, or whatever a checkpoint holds.

    Raises:
        ValueError: it is neither, is damaged, or needs code; the message says which.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        begin = file.read(len(LFS))
    known = _unreadable(path, begin)
    if known is not None:
        raise ValueError(known)
    try:
        if begin.startswith((ZIP, PICKLE)):
            with torch.serialization.safe_globals(list(HARMLESS)):
                return torch.load(path, map_location=device, weights_only=True)
        with safe_open(path, framework="pt", device="cpu") as opened:
            return {name: _tensor(opened, name, device) for name in opened.keys()}  # noqa: SIM118
    except OSError:
        raise
    except Exception as error:
        # Readers of damaged or foreign files raise anything; code in a file is refused by raising too.
        if isinstance(error, NotImplementedError) and device == "meta":
            # Without values torch cannot make sparse tensors at all; `arrange` says that they are.
            return read(path)
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f": it holds an object of {named[1]}, which would have to be run" if named else ""
        raise ValueError(NEITHER + what) from error


def advice(message: str) -> tuple[str, ...]:
    """Say what to do about weights that cannot be used; nothing where the message says it."""
    return tuple(help_ for part, help_ in ADVICE if part in message)[:1]


def _unreadable(path: Path, begin: bytes) -> str | None:
    """Say what is known to be wrong with a file by its first bytes and its table of contents."""
    if not begin:
        return "the weights are an empty file"
    if begin == LFS:
        return "the weights are a pointer of Git LFS, not the file itself: run   git lfs pull"
    if begin.startswith(HDF5):
        return "the weights are an HDF5 file, as Keras writes: save the tensors with torch or safetensors"
    if not begin.startswith(ZIP):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
    except zipfile.BadZipFile:
        return "the weights are damaged: the file is cut short or was changed"
    if "constants.pkl" in names:
        return "the weights are a TorchScript archive, a program: save the module's state_dict() instead"
    return None


def _tensor(opened: Any, name: str, device: str) -> Tensor:
    if device != "meta":
        return cast("Tensor", opened.get_tensor(name))
    return torch.empty(opened.get_slice(name).get_shape(), device="meta")


@frozen
class Sorted:
    """Tensors of a file under other names.

    Attributes:
        tensors: by their names in an encoder's `network`.
        origins: the same name -> the name in the file.
        dropped: names in the file that the layout leaves out.
        folded: names in the file of biases that went into a running mean.
        unwrapped: key under which the tensors stood; None for the file itself.
    """

    tensors: Mapping[str, Tensor]
    origins: Mapping[str, str]
    dropped: tuple[str, ...]
    folded: tuple[str, ...]
    unwrapped: str | None


def arrange(content: Any, layout: Layout | None) -> Sorted:
    """Put what a file holds under the names that its layout says.

    Args:
        content: what `read` gave.
        layout: None for names that are the encoder's already.

    Raises:
        ValueError: there is no state dict in it, a tensor is quantised, sparse, complex or whole where it cannot be, or
            two tensors would get one name.
    """
    layout = layout or Layout()
    key = next((one for one in layout.unwrap if isinstance(content, Mapping) and _holds(content.get(one))), None)
    found = content if key is None else content[key]
    _only_tensors(found, None if key is None else key)
    tensors: dict[str, Tensor] = {}
    origins: dict[str, str] = {}
    dropped: list[str] = []
    for written, tensor in found.items():
        name = renamed(str(written), layout)
        kind = _strange(name, tensor)
        if kind is not None:
            raise ValueError(f"the weights hold no plain numbers under `{written}`: {kind}")
        if any(fnmatchcase(name, pattern) for pattern in layout.drop):
            dropped.append(str(written))
        elif name in tensors:
            raise ValueError(f"the weights have two tensors for `{name}`: {origins[name]} and {written}")
        else:
            tensors[name], origins[name] = tensor, str(written)
    folded = _fold(tensors, origins, layout)
    return Sorted(tensors, origins, tuple(dropped), tuple(folded), key)


def renamed(name: str, layout: Layout) -> str:
    """Give a tensor's name without the layout's prefixes and by its rules."""
    for prefix in layout.prefixes:
        name = name.removeprefix(prefix)
    for pattern, replacement in layout.renames:
        name = re.sub(pattern, replacement, name)
    return name


def _strange(name: str, tensor: Tensor) -> str | None:
    """Say what a tensor is that no network here can take; None for numbers."""
    if tensor.is_quantized:
        return "they are quantised"
    if tensor.layout is not torch.strided:
        return "they are sparse"
    if tensor.is_complex():
        return "they are complex"
    # Counts and indices are whole numbers; what is trained never is.
    whole = not tensor.is_floating_point() and name.endswith((".weight", ".bias"))
    return f"they are {str(tensor.dtype).removeprefix('torch.')}" if whole else None


def _holds(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(one, Tensor) for one in value.values())


def _only_tensors(found: Any, key: str | None) -> None:
    wrong = [name for name, one in found.items() if not isinstance(one, Tensor)] if isinstance(found, Mapping) else []
    if isinstance(found, Mapping) and not wrong:
        return
    listed = f" but {', '.join(str(name) for name in wrong[:5])}" if wrong else ""
    where = "" if key is None else f" under `{key}`"
    raise ValueError(f"the weights are no plain state dict{where}: not only tensors are in it{listed}")


def _fold(tensors: dict[str, Tensor], origins: dict[str, str], layout: Layout) -> list[str]:
    """Take biases before a normalisation off its running mean, in place; give their names in the file."""
    gone = []
    for pattern, replacement in layout.folded:
        for name in [one for one in tensors if re.search(pattern, one)]:
            mean = re.sub(pattern, replacement, name)
            if mean in tensors and tensors[mean].shape == tensors[name].shape:
                tensors[mean] = tensors[mean] - tensors.pop(name)
                gone.append(origins.pop(name))
    return gone
