"""Keeping house: what is in a store, how big it is, whether it is intact, and what may go."""

import contextlib
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path

from attrs import frozen

from tlimb.manifest.parsing import NewerFormatError
from tlimb.problems import Problem
from tlimb.store import disk
from tlimb.store.store import Store

STALE_S = 7 * 24 * 3600.0
TRASH = "gone-"
"""Beginning of the name, in tmp/, of what gc has moved away and not yet deleted."""
PARTS = ("objects", "state", "cache", "quarantine", "superseded", "records", "tmp")


@frozen
class Line:
    """One object in a listing: its work, kind, status and bytes."""

    work: str
    kind: str
    status: str
    size: int


def ls(store: Store) -> Iterator[Line]:
    """List the objects in order of their work."""
    for work in store.works():
        kind, status = "?", "damaged"
        try:
            result = store.glance(work)
        except NewerFormatError:
            status = "newer format"
        else:
            if result is not None:
                kind, status = result.kind.value, result.status
        yield Line(work, kind, status, disk.size(store.path(work)))


def du(store: Store) -> dict[str, tuple[int, int]]:
    """Give the number of files and their bytes in each part of the store."""
    return {part: disk.count(store.base / part) for part in PARTS}


@frozen
class Verified:
    """What reading every byte has shown; what is damaged lies in quarantine now.

    Attributes:
        results: objects that are intact.
        volumes: cached volumes that are intact; they are no results and can be made again.
        damaged_results: works of the damaged objects.
        damaged_volumes: keys of the damaged volumes.
        newer: what is in a newer format, which says nothing of whether it is intact.
    """

    results: int
    volumes: int
    damaged_results: tuple[str, ...]
    damaged_volumes: tuple[str, ...]
    newer: tuple[Problem, ...] = ()

    @property
    def damaged(self) -> tuple[str, ...]:
        """Give everything that was damaged."""
        return (*self.damaged_results, *self.damaged_volumes)


def verify(store: Store) -> Verified:
    """Read every byte of every object and cached volume."""
    results, volumes = 0, 0
    damaged_results: list[str] = []
    damaged_volumes: list[str] = []
    newer: list[Problem] = []
    for work in list(store.works()):
        try:
            if store.entry(work) is None:
                damaged_results.append(work)
            else:
                results += 1
        except NewerFormatError as error:
            newer += error.problems
    for recipe in disk.names(store.base / "cache"):
        for name in disk.names(store.base / "cache" / recipe):
            key = name.removesuffix(".npy")
            if key == name:
                continue
            if store.cache_read(recipe, key) is None:
                damaged_volumes.append(key)
            else:
                volumes += 1
    return Verified(results, volumes, tuple(damaged_results), tuple(damaged_volumes), tuple(newer))


def gc(store: Store, keep: Collection[str] | None = None, dry_run: bool = False) -> list[Path]:
    """Remove what nobody needs.

    Folders in tmp/ older than seven days by the server's clock always go, and so does what an interrupted gc has
    left. With `keep`, so do objects, resume points and records of all other works; cached volumes can be made again
    and go too when `keep` is empty. What a newer tlimb wrote of a work stays, with all that is kept of it: this version
    cannot tell what it is good for.

    Args:
        store: the store.
        keep: works of the plans that are kept; None keeps every object.
        dry_run: remove nothing, only return what would go.

    Returns:
        The folders and files that went.

    Raises:
        OSError: something cannot be moved out of the way.
    """
    now = store.server_time()
    tmp = store.base / "tmp"
    gone = [tmp / name for name in disk.names(tmp) if name.startswith(TRASH) or _is_stale(tmp / name, now)]
    if keep is not None:
        stay = {*keep, *unread(store, keep)}
        # An object without a result is what an older version left when it was interrupted: no work, but space.
        objects = store.base / "objects"
        gone += [objects / pair / work for pair in disk.names(objects) for work in disk.names(objects / pair)]
        gone += [store.base / part / work for part in ("state", "records") for work in disk.names(store.base / part)]
        gone = [path for path in gone if path.parent == tmp or path.name not in stay]
        # What lies behind a link is not the store's.
        gone = [path for path in gone if disk.linked(store.base, path.parent) is None]
        if not keep:
            gone += [store.base / "cache" / recipe for recipe in disk.names(store.base / "cache")]
    return gone if dry_run else _throw_away(gone, tmp)


def _throw_away(gone: list[Path], tmp: Path) -> list[Path]:
    """Rename everything into one folder before anything is deleted, and return what was there to rename.

    Half an object must never lie where a whole one counts as done, whenever this process is killed.
    """
    if not gone:
        return []
    trash = disk.make(tmp / f"{TRASH}{secrets.token_hex(8)}")
    moved = [path for number, path in enumerate(gone) if disk.move(path, trash / str(number))]
    for folder in dict.fromkeys((trash, *(path.parent for path in moved))):
        # Another gc may have taken the trash away meanwhile.
        with contextlib.suppress(FileNotFoundError):
            disk.flush_folder(folder)
    disk.remove_tree(trash)
    return moved


def _is_stale(path: Path, now: float) -> bool:
    """Return whether nothing in a folder was written for days; what vanishes meanwhile is in use."""
    try:
        # What a link leads to is not the store's.
        inside = () if path.is_symlink() else tuple(path.rglob("*"))
        newest: float = max(one.lstat().st_mtime for one in (path, *inside))
    except FileNotFoundError:
        return False
    return now - newest > STALE_S


def unread(store: Store, keep: Collection[str]) -> dict[str, Problem]:
    """Return the works outside `keep` of which a newer tlimb wrote a file, each with what to say of it."""
    found: dict[str, Problem] = {}
    for work in dict.fromkeys((*store.works(), *disk.names(store.base / "records"))):
        if work in keep:
            continue
        try:
            store.glance(work)
            store.record(work)
            store.passport(work)
        except NewerFormatError as error:
            found[work] = error.problems[0]
        except (OSError, ValueError):
            # A damaged object is no newer one.
            continue
    return found
