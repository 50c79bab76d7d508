"""Keeping house: what verify finds, and what gc takes away and leaves."""

import hashlib
import os
from pathlib import Path

import pytest
from published import WORK, objects_of, publish

from tlimb.store import disk, upkeep


class Replaced:
    """The os module with other functions in it."""

    def __init__(self, **functions):
        self.functions = functions

    def __getattr__(self, name):
        return self.functions.get(name) or getattr(os, name)


def test_verify_reads_everything_and_names_what_is_damaged(store):
    other = hashlib.sha256(b"other").hexdigest()
    publish(store)
    bad = publish(store, other).path / "history.json"
    bad.chmod(0o644)
    bad.write_bytes(b"{}")
    store.cache_write("recipe", "a" * 64, b"volume")
    store.cache_write("recipe", "b" * 64, b"volume")
    flipped = store.cache_path("recipe", "b" * 64)
    flipped.chmod(0o644)
    flipped.write_bytes(b"w" + flipped.read_bytes()[1:])
    assert upkeep.verify(store) == upkeep.Verified(1, 1, (other,), ("b" * 64,))
    assert [line.work for line in upkeep.ls(store)] == [WORK]
    files, size = upkeep.du(store)["objects"]
    assert files == len(list(store.path(WORK).iterdir()))
    assert size == sum(path.stat().st_size for path in store.path(WORK).iterdir())


def test_gc_keeps_what_is_kept_and_young_folders_whatever_our_clock_says(store, monkeypatch):
    other = hashlib.sha256(b"other").hexdigest()
    publish(store)
    publish(store, other)
    young, old = store.base / "tmp" / "young", store.base / "tmp" / "old"
    for folder in (young, old):
        folder.mkdir()
        (folder / "file").write_bytes(b"x")
    for path in (old, old / "file"):
        os.utime(path, (1, 1))
    monkeypatch.setattr("time.time", lambda: 4e9)
    upkeep.gc(store, keep=[WORK])
    assert list(store.works()) == [WORK]
    assert [path.name for path in (store.base / "tmp").iterdir()] == ["young"]


@pytest.mark.parametrize("after", range(5))
def test_gc_that_is_killed_half_way_leaves_nothing_that_counts_and_the_next_gc_removes_the_rest(
    store, monkeypatch, after
):
    publish(store)
    store.save_state(WORK, 1, "env", b"state")
    store.add_attempt(WORK, {"code": 0})
    store.cache_write("recipe", "key", b"voxels")
    left = []

    class KilledError(BaseException):
        """Nothing may catch it, as nothing catches a kill."""

    unlink = os.unlink

    def killed(path, **rest):
        if not Path(path).name.startswith("clock-"):
            if len(left) == after:
                raise KilledError
            left.append(path)
        unlink(path, **rest)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", killed)
        with pytest.raises(KilledError):
            upkeep.gc(store, keep=[])
    assert not store.has(WORK)
    assert store.load_state(WORK, "env") is None
    assert not store.record(WORK).attempts
    assert store.cache_read("recipe", "key") is None
    assert not objects_of(store)
    assert list((store.base / "tmp").iterdir())
    upkeep.gc(store)
    assert not list((store.base / "tmp").iterdir())
    publish(store)
    assert store.entry(WORK) is not None


def test_gc_removes_what_an_older_gc_left_of_an_object_and_passes_over_what_vanishes_meanwhile(store, monkeypatch):
    other = hashlib.sha256(b"other").hexdigest()
    publish(store)
    (publish(store, other).path / "result.json").unlink()
    vanishing = store.base / "tmp" / "vanishing"
    vanishing.mkdir()
    real = disk.names

    def names(folder):
        found = real(folder)
        if folder == store.base / "tmp" and vanishing.exists():
            vanishing.rmdir()
        return found

    monkeypatch.setattr(disk, "names", names)
    assert upkeep.gc(store, keep=[WORK], dry_run=True) == [store.path(other)]
    assert upkeep.gc(store, keep=[WORK]) == [store.path(other)]
    assert not store.path(other).exists()
    assert list(store.works()) == [WORK]
