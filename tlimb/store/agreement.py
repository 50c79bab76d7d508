"""Whether two objects in different formats hold the same: equal tensors and equal values, whatever their bytes are.

Two versions of tlimb write the result of one work with other bytes, since a file gained a key. That is no
nondeterminism as long as every tensor and every value that both know is equal. Only the standard library is used.
"""

from collections.abc import Mapping
from pathlib import Path

from tlimb.manifest import Json
from tlimb.manifest.parsing import parse, parse_object
from tlimb.store import disk

ASIDE = frozenset({"format", "files", "digest"})
"""Keys that follow from the form of the files."""
HEADER = 8
"""Bytes at the start of a safetensors file that say how long its header is."""

Tensors = Mapping[str, tuple[Json, Json, bytes]]


def alike(one: Path, other: Path) -> bool:
    """Return whether the objects in two folders hold equal tensors and equal values; False where one is unreadable."""
    names = set(disk.names(one))
    try:
        return names == set(disk.names(other)) and all(_same(one / name, other / name) for name in sorted(names))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _same(one: Path, other: Path) -> bool:
    first, second = disk.read(one), disk.read(other)
    if first == second:
        return True
    if one.suffix == ".safetensors":
        return _tensors(first) == _tensors(second)
    if one.suffix != ".json":
        return False
    return _values(parse(first), parse(second))


def _values(one: Json, other: Json) -> bool:
    """Compare two documents in the keys that both have: a later format may add some."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return bool(one == other)
    return all(one[key] == other[key] for key in (one.keys() & other.keys()) - ASIDE)


def _tensors(data: bytes) -> Tensors:
    """Return name -> type, shape and bytes of the tensors in a safetensors file."""
    start = HEADER + int.from_bytes(data[:HEADER], "little")
    header = parse_object(data[HEADER:start])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            found[name] = (entry["dtype"], entry["shape"], data[start + begin : start + end])
    return found
