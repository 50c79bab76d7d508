"""Which files of manifests were found valid before, so that none is checked twice: in the private folder, by sha256.

What `tlimb plan -o` and `tlimb emit` write is noted as they write it: a study's own runs, of which an engine starts
100,000 one by one, never load jsonschema.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from attrs import define, field

from tlimb.manifest.node import FORMAT
from tlimb.store import disk
from tlimb.store.disk import private_folder

FOLDER = f"checked-manifests-{FORMAT}"
MOST_BYTES = 1 << 20
"""A list, one of 256, that is longer begins anew: its files are checked once more."""


@define
class Checked:
    """The memory of one private folder.

    Attributes:
        private: the folder; None remembers nothing.
    """

    private: Path | None
    _lists: dict[str, frozenset[bytes]] = field(factory=dict, init=False)

    def knows(self, sha256: str) -> bool:
        """Return whether a file of this sha256 was found valid, or written by tlimb itself."""
        if self.private is None:
            return False
        name = sha256[:2]
        if name not in self._lists:
            try:
                data = disk.read(self.private / FOLDER / name, 2 * MOST_BYTES)
            except (OSError, ValueError):
                data = b""
            self._lists[name] = frozenset(data.split())
        return sha256.encode() in self._lists[name]

    def note(self, found: Iterable[str]) -> None:
        """Remember files by their sha256, quietly where the folder cannot be written."""
        lists: dict[str, list[str]] = {}
        for sha256 in found:
            if self.private is not None and not self.knows(sha256):
                lists.setdefault(sha256[:2], []).append(sha256)
        with contextlib.suppress(OSError):
            for name, added in lists.items():
                self._append(name, "".join(f"{sha256}\n" for sha256 in added).encode())
                self._lists[name] |= {sha256.encode() for sha256 in added}

    def _append(self, name: str, data: bytes) -> None:
        assert self.private is not None
        path = private_folder(self.private / FOLDER) / name
        full = path.is_file() and path.stat().st_size > MOST_BYTES
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if full else os.O_APPEND), 0o600)
        try:
            # A line that another process cut short is nobody's sha256, and the next one begins a new line.
            os.write(handle, b"\n" + data)
        finally:
            os.close(handle)
