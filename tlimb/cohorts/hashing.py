"""The stat cache: an image whose path, size, times and inode are unchanged is not read again.

A stat check cannot see a flip whose times were restored, so runs hash the bytes they read; this cache only spares
planning the work. It lies in the private folder, because it holds paths.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attrs import define, field, fields

from tlimb.cohorts import links
from tlimb.cohorts.headers import ImageFaultError
from tlimb.cohorts.scan import Scan, scan, stat_key
from tlimb.store import disk
from tlimb.store.disk import private_folder

Stat = tuple[int, int, int, int]
Outcome = Scan | ImageFaultError
TICK_NS = 20_000_000
"""Times of files are this coarse at worst: a file changed a moment ago is given time to show it."""
_ANNEX = re.compile(r"SHA256E?-s\d+--([0-9a-f]{64})(\.|$)")
_VERSION = 2


@define
class HashCache:
    """Scans of images by path and stat, kept in `<private>/hashes.jsonl`.

    Attributes:
        private: the private folder; None keeps scans in memory only.
        full: ignore what is kept and read everything again (`verify --full`).
        hits: images that were not opened.
        fresh: images that were read.
    """

    private: Path | None = None
    full: bool = False
    hits: int = 0
    fresh: int = 0
    _known: dict[str, tuple[Stat, Scan]] = field(factory=dict, init=False, repr=False)
    _changed: set[str] = field(factory=set, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Read what is kept; a damaged file counts as empty."""
        if self.private is not None:
            self._known = _read(self.private / "hashes.jsonl")

    def scan_all(self, paths: Sequence[Path], progress: Callable[[int, int], None] | None = None) -> list[Outcome]:
        """Scan files, in parallel threads, those that are known from the cache.

        Args:
            paths: absolute paths.
            progress: called with (files done, files in all), from this thread.

        Returns:
            A scan, or the fault, for each path in order.
        """
        outcomes: list[Outcome | None] = [self._kept(path) for path in paths]
        todo = [position for position, outcome in enumerate(outcomes) if outcome is None]
        done = len(paths) - len(todo)
        self.hits += done
        if progress is not None:
            progress(done, len(paths))
        # Hashing and inflating release the interpreter's lock, so threads are enough.
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for position, (stat, outcome) in zip(todo, pool.map(_fresh, [paths[p] for p in todo]), strict=True):
                outcomes[position] = outcome
                self.fresh += 1
                done += 1
                if stat is not None and isinstance(outcome, Scan):
                    self._known[str(paths[position])] = (stat, outcome)
                    self._changed.add(str(paths[position]))
                if progress is not None:
                    progress(done, len(paths))
        return [outcome for outcome in outcomes if outcome is not None]

    def save(self) -> None:
        """Write the cache, joined with what another process has written meanwhile.

        Raises:
            OSError: the private folder cannot be written.
        """
        if self.private is None or not self._changed:
            return
        path = private_folder(self.private) / "hashes.jsonl"
        merged = {**_read(path), **{name: self._known[name] for name in self._changed}}
        disk.write_atomically(path, _written(merged), 0o600)
        self._known |= merged
        self._changed.clear()

    def _kept(self, path: Path) -> Scan | None:
        known = None if self.full else self._known.get(str(path))
        if known is None:
            return None
        with contextlib.suppress(OSError):
            return known[1] if stat_key(path) == known[0] else None
        return None


def _fresh(path: Path) -> tuple[Stat | None, Outcome]:
    """Read a file; the stat is None where the file changed meanwhile, so that it is not remembered."""
    try:
        before = stat_key(path)
        young = before[2] + TICK_NS - time.time_ns()
        if 0 < young <= TICK_NS:
            time.sleep(young / 1e9)
        found = scan(path)
        expected = annex_key(path)
        if expected is not None and expected != found.sha256:
            return None, ImageFaultError("its bytes do not fit its git-annex key")
        return (before if stat_key(path) == before else None), found
    except ImageFaultError as fault:
        return None, fault
    except OSError as error:
        if links.dangling(path):
            return None, ImageFaultError(links.NOT_HERE)
        return None, ImageFaultError(f"it cannot be read ({error.strerror or type(error).__name__})")


def annex_key(path: Path) -> str | None:
    """Give the sha256 that git-annex expects of a link's content; None for other files and other keys."""
    if not path.is_symlink():
        return None
    match = _ANNEX.search(Path(os.readlink(path)).name)  # noqa: PTH115
    return match.group(1) if match else None


def _written(known: dict[str, tuple[Stat, Scan]]) -> bytes:
    lines = [
        json.dumps([name, *stat, *(getattr(found, field.name) for field in fields(Scan))])
        for name, (stat, found) in sorted(known.items())
    ]
    body = "".join(f"{line}\n" for line in lines).encode()
    head = {"tlimb-hashes": _VERSION, "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(head).encode() + b"\n" + body


def _read(path: Path) -> dict[str, tuple[Stat, Scan]]:
    try:
        head, body = path.read_bytes().split(b"\n", 1)
        stamp = json.loads(head)
        if stamp["tlimb-hashes"] != _VERSION or stamp["sha256"] != hashlib.sha256(body).hexdigest():
            return {}
        return dict(_entry(line) for line in body.splitlines())
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _entry(line: bytes) -> tuple[str, tuple[Stat, Scan]]:
    name, size, mtime, ctime, inode, sha256, voxels, shape, spacing, orientation, codes = json.loads(line)
    spacing, codes = (None if one is None else tuple(one) for one in (spacing, codes))
    found = Scan(sha256, voxels, tuple(shape), spacing, orientation, codes)
    return name, ((size, mtime, ctime, inode), found)
