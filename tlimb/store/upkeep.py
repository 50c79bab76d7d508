"""Keeping house: what is in a store, how big it is, whether it is intact, and what may go."""

from collections.abc import Collection, Iterator
from pathlib import Path

from attrs import frozen

from tlimb.store import disk
from tlimb.store.store import Store

STALE_S = 7 * 24 * 3600.0
PARTS = ("objects", "state", "cache", "quarantine", "records", "tmp")


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


def du(store: Store) -> dict[str, int]:
    """Give the bytes in each part of the store."""
    return {part: disk.size(store.base / part) for part in PARTS}


def verify(store: Store) -> tuple[int, list[str]]:
    """Read every byte of every object and cached volume.

    Returns:
        How many are intact, and the works or keys that were damaged and now are in quarantine.
    """
    intact, damaged = 0, []
    for work in list(store.works()):
        if store.entry(work) is None:
            damaged.append(work)
        else:
            intact += 1
    for recipe in disk.names(store.base / "cache"):
        for name in disk.names(store.base / "cache" / recipe):
            key = name.removesuffix(".npy")
            if key == name:
                continue
            if store.cache_read(recipe, key) is None:
                damaged.append(key)
            else:
                intact += 1
    return intact, damaged


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
            disk.remove_tree(path) if path.is_dir() else disk.remove(path)
    return gone


def _age_mark(path: Path) -> float:
    return max([path.stat().st_mtime, *(inner.stat().st_mtime for inner in path.rglob("*"))])
