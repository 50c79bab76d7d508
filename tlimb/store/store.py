"""The content-addressed store: a folder with no database, no daemon and no lock."""

import contextlib
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from attrs import define, field

from tlimb.manifest import canonical
from tlimb.manifest.parsing import MOST_BYTES, NewerFormatError, parse_object
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.store import agreement, disk, objects, states
from tlimb.store.documents.passport import PASSPORT, Passport, read_passport
from tlimb.store.documents.record import FORMAT, RECORD, Record, record_of
from tlimb.store.documents.result import Result
from tlimb.store.objects import Published
from tlimb.store.states import State

LOG = logging.getLogger("tlimb.store")
DIGEST_LENGTH = 64
MOST_NOTED = 1 << 27
"""Largest note that is read, bytes: one lists everybody that weights have seen."""


@define
class Store:
    """A store of finished work, resume points and cached volumes.

    Whatever reads a result, passport or record that a newer tlimb wrote raises NewerFormatError and changes nothing.

    Attributes:
        root: folder of the store; made when something is written.
        report: called with (work or key, reason) when something damaged was put into quarantine.
        sleep: how waiting is done; replaced in tests.
        patience_s: seconds for which objects that should exist are waited for, since a network file system may
            show a rename late; in all, since what was there before the first wait is seen after it.
        accepts: says of a work's result whether it counts; what does not is as good as absent. None for all.
    """

    root: Path
    report: Callable[[str, str], None] | None = None
    sleep: Callable[[float], None] = time.sleep
    patience_s: float = disk.PATIENCE_S
    accepts: Callable[[str, Result], bool] | None = None
    _waited_s: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        """Refuse a store that is not a tree of its own.

        Raises:
            TlimbError: one of its folders is a link, through which files elsewhere would be written or removed.
        """
        for path in (self.base, *(self.base / name for name in disk.names(self.base))):
            if path.is_symlink():
                help_ = "remove the link, or move the folder it leads to here; the store itself may be a link"
                raise TlimbError(Problem("store-linked", f"`{path}` is a link", help=help_), ExitCode.CANNOT_WRITE)

    @property
    def base(self) -> Path:
        """Give the folder of this version of the layout."""
        return self.root / "v1"

    def path(self, work: str) -> Path:
        """Give the folder in which a work's object lies when it exists."""
        return self.base / "objects" / work[:2] / work

    def has(self, work: str) -> bool:
        """Say whether a complete object exists, without reading its artefacts."""
        folder = self.path(work)
        if not disk.is_file(folder / objects.RESULT) or folder.is_symlink() or folder.parent.is_symlink():
            return False
        return self.accepts is None or self.glance(work) is not None

    def entry(self, work: str, expected: bool = False) -> Path | None:
        """Give the folder of a finished work after verifying every byte of it.

        A damaged object is put into quarantine, reported, and absent from then on.

        Args:
            work: the work's digest.
            expected: the object was seen or announced, so its absence is waited out, unless its last attempt
                failed for good.
        """
        return self.path(work) if self.result(work, expected) is not None else None

    def result(self, work: str, expected: bool = False) -> Result | None:
        """Return a finished work's result after verifying every byte of the object; see `entry`."""
        folder = self.path(work)
        while not self.has(work):
            if not expected or self._waited_s >= self.patience_s or self._failed(work):
                return None
            self.sleep(1.0)
            self._waited_s += 1.0
        try:
            return self._accepted(work, objects.check(folder))
        except FileNotFoundError:
            return None
        except ValueError as error:
            self.quarantine(folder, work, str(error))
            return None

    def _accepted(self, work: str, result: Result) -> Result | None:
        """Return a result where it counts.

        Raises:
            ValueError: it is the result of another work, whose folder was renamed or copied.
        """
        if result.work != work:
            raise ValueError("this is the result of another run")
        return result if self.accepts is None or self.accepts(work, result) else None

    def _failed(self, work: str) -> bool:
        """Return whether a work's last attempt left no result and nobody tries again; what diverged has one."""
        try:
            return self.record(work).last.failed_for_good
        except NewerFormatError:
            return False

    def glance(self, work: str) -> Result | None:
        """Return a finished work's result without reading the artefacts; for listings only."""
        try:
            return self._accepted(work, objects.read_result(self.path(work)))
        except (OSError, ValueError):
            return None

    def chosen(self, select: str) -> int | None:
        """Return the candidate that a selection chose, without reading the artefacts; None while it has chosen none."""
        result = self.glance(select)
        return None if result is None else result.chosen

    def passport(self, work: str) -> Passport | None:
        """Return the passport of verified weights; None where the work left none.

        Raises:
            ValueError: it is not of its form; `result` puts such an object into quarantine.
        """
        return read_passport(self.path(work)) if disk.is_file(self.path(work) / PASSPORT) else None

    def staging(self) -> AbstractContextManager[Path]:
        """Give a fresh folder in which an object is built, on the store's own file system."""
        return objects.staging(self._made("tmp"))

    def publish(self, work: str, staged: Path, supersede: bool = False) -> Published:
        """Make a sealed staged folder the object of a work, by one rename.

        When another process was first, its bytes are compared with ours: equal ones are dropped, others are
        kept in quarantine and, when the environments are equal, reported as nondeterminism. An object in an older
        format is compared by tensors and values, and never reported as that.

        Args:
            work: the work's digest.
            staged: the sealed folder.
            supersede: an object of another environment makes room for ours and is kept in `superseded/`.

        Raises:
            NewerFormatError: a newer tlimb has published the work; its object stays.
            OSError: the store cannot be written; nothing is published.
            ValueError: the staged folder was not sealed, or as the result of another work.
        """
        own = objects.read_result(staged)
        if own.work != work:
            raise ValueError("this is the result of another run")
        target = self.path(work)
        self._made("objects", work[:2])
        try:
            disk.rename(staged, target)
        except OSError:
            other = self.result(work)
            if other is not None and supersede and other.environment != own.environment:
                self._put_aside(target, work, "computed again in another environment", "superseded")
            elif other is not None:
                return self._lose(work, staged, own, other)
            # What lay there was damaged and is in quarantine now, or has no result at all, or the rename itself
            # failed: one more try tells.
            if target.exists() or target.is_symlink():
                self.quarantine(target, work, "an object without a result")
            disk.rename(staged, target)
        return Published(target, won=True)

    def _lose(self, work: str, staged: Path, own: Result, other: Result) -> Published:
        if not staged.exists():
            # The rename itself went through and only flushing the folder failed.
            return Published(self.path(work), won=True)
        another = own.format != other.format
        if own.digest == other.digest or (another and agreement.alike(staged, self.path(work))):
            disk.remove_tree(staged)
            return Published(self.path(work), won=False)
        same = own.environment == other.environment
        if another:
            reason = "other values, written in another format"
        else:
            reason = "nondeterminism: other bytes for equal work" if same else "other bytes, other environment"
        self.quarantine(staged, work, reason)
        return Published(self.path(work), won=False, nondeterminism=same and not another)

    def quarantine(self, path: Path, name: str, reason: str) -> Path | None:
        """Move something damaged out of the way, never deleting it, and report it.

        Returns:
            Where it is now; None when another process was faster.
        """
        target = self._put_aside(path, name, reason, "quarantine")
        if target is None:
            return None
        LOG.warning("%s: %s; put into quarantine", name[:16], reason)
        if self.report:
            self.report(name, reason)
        return target

    def _put_aside(self, path: Path, name: str, reason: str, where: str) -> Path | None:
        target = self._made(where) / f"{name}-{secrets.token_hex(4)}"
        try:
            # What is damaged behind a link belongs to somebody else: the link is what has to go.
            disk.rename(disk.linked(self.base, path) or path, target)
        except FileNotFoundError:
            return None
        note = {"name": name, "reason": reason, "time": time.time()}
        disk.write_atomically(target.with_name(target.name + ".json"), canonical(note).encode())
        return target

    # Resume points

    def save_state(self, work: str, step: int, tag: str, data: bytes) -> Path:
        """Keep a resume point; `tag` says by which environment it may be continued."""
        return states.save(self.state_folder(work), step, tag, data)

    def state_folder(self, work: str) -> Path:
        """Make the folder of a work's resume points and of its claim."""
        return self._made("state", work)

    def load_state(self, work: str, tag: str) -> State | None:
        """Give the highest resume point of a tag that verifies; damaged ones go into quarantine."""
        for found in states.load(self.base / "state" / work, tag):
            if isinstance(found, State):
                return found
            self.quarantine(found, f"{work}-state", "the resume point is damaged")
        return None

    def drop_states(self, work: str) -> None:
        """Remove the resume points of a work that is finished."""
        disk.remove_tree(self.base / "state" / work)

    # Cached volumes

    def cache_path(self, recipe: str, key: str) -> Path:
        """Give the file of a cached volume."""
        return self.base / "cache" / recipe / f"{key}.npy"

    def cache_read(self, recipe: str, key: str) -> bytes | None:
        """Give the bytes of a cached volume, verified; None when it is absent or was damaged."""
        path = self.cache_path(recipe, key)
        try:
            whole = disk.read(path)
        except FileNotFoundError:
            return None
        data, seal = whole[:-DIGEST_LENGTH], whole[-DIGEST_LENGTH:]
        if hashlib.sha256(data).hexdigest().encode() != seal:
            self.quarantine(path, f"{key[:16]}-volume", "the cached volume is damaged")
            return None
        return data

    def cache_write(self, recipe: str, key: str, data: bytes) -> None:
        """Keep a volume's bytes, with their sha256 as the file's last 64 characters."""
        path = self._made("cache", recipe) / self.cache_path(recipe, key).name
        disk.write_atomically(path, data + hashlib.sha256(data).hexdigest().encode(), 0o444)

    # Records: everything about a run that is outside its identity

    def record(self, work: str) -> Record:
        """Return the record of a work's attempts; one without attempts when there is none or it is damaged."""
        return record_of(self.note(work, RECORD), Path("records", work, RECORD))

    def write_record(self, work: str, record: Mapping[str, Any]) -> None:
        """Keep the record of a work's attempts."""
        self.write_note(work, RECORD, {**record, "format": FORMAT})

    def add_attempt(self, work: str, attempt: Mapping[str, Any]) -> None:
        """Add an attempt to a work's record, quietly where it cannot be written: no result hangs on it."""
        with contextlib.suppress(OSError, NewerFormatError):
            # What was written before stays to the letter, keys that this version does not know too.
            before = self.note(work, RECORD) if self.record(work).attempts else {}
            self.write_record(work, {**before, "work": work, "attempts": [*before.get("attempts", []), dict(attempt)]})

    def note(self, work: str, name: str) -> dict[str, Any]:
        """Return a note beside a work's object; empty when there is none or it is damaged."""
        most = MOST_BYTES if name == RECORD else MOST_NOTED
        try:
            return parse_object(disk.read(self._note_path(work, name), most), most)
        except (OSError, ValueError):
            return {}

    def _note_path(self, work: str, name: str) -> Path:
        return self.base / "records" / work / name

    def write_note(self, work: str, name: str, note: Mapping[str, Any]) -> None:
        """Keep a note beside a work's object: what may differ between two places that did equal work."""
        folder = self._made("records", work)
        disk.write_atomically(folder / name, canonical(dict(note)).encode())

    # Keeping house

    def _made(self, *parts: str) -> Path:
        """Make a folder of the store; a link on the way is taken away, so that nothing is written through it."""
        folder = self.base.joinpath(*parts)
        while (link := disk.linked(self.base, folder)) is not None:
            os.unlink(link)  # noqa: PTH108
        return disk.make(folder)

    def works(self) -> Iterator[str]:
        """Go through all works that have an object, in order."""
        base = self.base / "objects"
        for pair in disk.names(base):
            for work in disk.names(base / pair):
                if self.has(work):
                    yield work

    def server_time(self) -> float:
        """Give the time of the file server, whose clock and not ours dates its files."""
        probe = self._made("tmp") / f"clock-{secrets.token_hex(4)}"
        disk.write(probe, b"")
        now = os.stat(probe).st_mtime  # noqa: PTH116
        disk.remove(probe)
        return now
