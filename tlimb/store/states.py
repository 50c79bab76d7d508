"""Resume points of unfinished work.

A state is one file `<step>-<tag>-<rand>.ckpt` that carries its own sha256. The highest that verifies wins and
two are kept, so a kill while one is written costs nothing. Several lives of one run may write side by side.
"""

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from tlimb.store import disk

MAGIC = b"tlimb state 1\n"
HEADER = len(MAGIC) + 65
KEPT = 2


@frozen
class State:
    """A resume point: the number of steps done, and the bytes that the runner wrote."""

    step: int
    data: bytes


def save(folder: Path, step: int, tag: str, data: bytes) -> Path:
    """Write a resume point and drop all but the two highest of its tag."""
    disk.make(folder)
    path = folder / f"{step:012d}-{tag}-{secrets.token_hex(4)}.ckpt"
    disk.write_atomically(path, MAGIC + hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
    for name in _of(folder, tag)[KEPT:]:
        disk.remove(folder / name)
    return path


def load(folder: Path, tag: str) -> Iterator[State | Path]:
    """Go through the resume points of a tag, highest first; a damaged one comes as its path."""
    for name in _of(folder, tag):
        path = folder / name
        try:
            whole = disk.read(path)
        except FileNotFoundError:
            continue
        data = whole[HEADER:]
        expected = MAGIC + hashlib.sha256(data).hexdigest().encode() + b"\n"
        yield State(int(name.split("-")[0]), data) if whole[:HEADER] == expected else path


def _of(folder: Path, tag: str) -> list[str]:
    found = [name for name in disk.names(folder) if name.endswith(".ckpt") and name.split("-")[1:2] == [tag]]
    return found[::-1]
