"""Keeping house: what is in a store, how big it is, whether it is intact, and what may go."""

from collections.abc import Collection, Iterator
from pathlib import Path

from attrs import frozen

from tlimb.store import disk
from tlimb.store.store import Store

STALE_S = 7 * 24 * 3600.0
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
        result = store.glance(work) or {}
        yield Line(
            work,
            str(result.get("kind", "?")),
            str(result.get("status", "damaged")),
            disk.size(store.path(work)),
        )


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
    """

    results: int
    volumes: int
    damaged_results: tuple[str, ...]
    damaged_volumes: tuple[str, ...]

    @property
    def damaged(self) -> tuple[str, ...]:
        """Give everything that was damaged."""
        return (*self.damaged_results, *self.damaged_volumes)


def verify(store: Store) -> Verified:
    """Read every byte of every object and cached volume."""
    results, volumes = 0, 0
    damaged_results: list[str] = []
    damaged_volumes: list[str] = []
    for work in list(store.works()):
        if store.entry(work) is None:
            damaged_results.append(work)
        else:
            results += 1
    for recipe in disk.names(store.base / "cache"):
        for name in disk.names(store.base / "cache" / recipe):
            key = name.removesuffix(".npy")
            if key == name:
                continue
            if store.cache_read(recipe, key) is None:
                damaged_volumes.append(key)
            else:
                volumes += 1
    return Verified(results, volumes, tuple(damaged_results), tuple(damaged_volumes))


def gc(store: Store, keep: Collection[str] | None = None, dry_run: bool = False) -> list[Path]:
    """Remove what nobody needs.

    Folders in tmp/ older than seven days by the server's clock always go. With `keep`, so do objects, resume
    points and records of all other works; cached volumes can be made again and go too when `keep` is empty.

    Args:
        store: the store.
        keep: works of the plans that are kept; None keeps every object.
        dry_run: remove nothing, only say what would go.

    Returns:
        The folders and files that went.
    """
    now = store.server_time()
    tmp = store.base / "tmp"
    gone = [tmp / name for name in disk.names(tmp) if now - _age_mark(tmp / name) > STALE_S]
    if keep is not None:
        gone += [store.path(work) for work in store.works() if work not in keep]
        for part in ("state", "records"):
            folder = store.base / part
            gone += [folder / work for work in disk.names(folder) if work not in keep]
        if not keep:
            gone += [store.base / "cache" / recipe for recipe in disk.names(store.base / "cache")]
    if not dry_run:
        for path in gone:
            disk.remove_tree(path)
    return gone


def _age_mark(path: Path) -> float:
    inside = [] if path.is_symlink() else [*path.rglob("*")]
    return max(one.lstat().st_mtime for one in (path, *inside))
