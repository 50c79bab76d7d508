"""A store holds no links of its own: whatever leads out of it, nothing there is written, moved or removed."""

import hashlib
import os

import pytest

from tests.store.drafts import draft
from tlimb.cli import run
from tlimb.problems import TlimbError
from tlimb.store import Store, disk, seal, upkeep
from tlimb.store.claims import Claims

WORK = hashlib.sha256(b"work").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


def publish(store, work=WORK):
    with store.staging() as staged:
        disk.write(staged / "history.json", b"[]")
        seal(staged, draft("fit", work))
        return store.publish(work, staged)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    publish(made)
    return made


@pytest.fixture
def foreign(tmp_path):
    """A folder of somebody else, old, with files as a store names them; checked when the test has ended."""
    folder = tmp_path / "thesis"
    for name in ("text.tex", "record.json", "claim", f"{1:012d}-env-aa.ckpt", f"{2:012d}-env-bb.ckpt", "key.npy"):
        path = folder / "chapter" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for one in (path, folder / name):
            one.write_text("mine")
            os.utime(one, (1, 1))
    os.utime(folder, (1, 1))
    before = contents(folder)
    yield folder
    assert contents(folder) == before


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


def test_removing_a_tree_that_is_a_link_removes_the_link_alone(foreign, tmp_path):
    path = link(tmp_path / "link", foreign)
    disk.remove_tree(path)
    assert not path.is_symlink()


def test_removing_a_tree_removes_the_links_in_it_and_not_what_they_lead_to(foreign, tmp_path):
    link(tmp_path / "tree" / "inner" / "link", foreign)
    disk.remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_a_run_whose_resume_points_are_a_link_to_elsewhere_leaves_that_alone(store, foreign):
    folder = link(store.base / "state" / WORK, foreign)
    claims = Claims(store)
    assert claims.take(WORK) is None
    for step in (3, 4, 5):
        store.save_state(WORK, step, "env", b"state")
    assert store.load_state(WORK, "env").step == 5
    claims.close()
    assert folder.is_dir()
    assert not folder.is_symlink()
    store.drop_states(WORK)
    assert not folder.exists()


def test_dropping_resume_points_that_are_a_link_removes_the_link_alone(store, foreign):
    folder = link(store.base / "state" / WORK, foreign)
    store.drop_states(WORK)
    assert not folder.is_symlink()


def test_a_damaged_resume_point_behind_a_link_is_not_moved(store, foreign):
    link(store.base / "state" / WORK, foreign)
    assert store.load_state(WORK, "env") is None


def test_records_and_volumes_behind_links_are_written_in_the_store(store, foreign):
    link(store.base / "records" / WORK, foreign)
    link(store.base / "cache" / "recipe", foreign)
    assert store.cache_read("recipe", "key") is None
    store.add_attempt(WORK, {"code": 0})
    store.cache_write("recipe", "key", b"volume")
    assert len(store.record(WORK).attempts) == 1
    assert store.cache_read("recipe", "key") == b"volume"


@pytest.mark.parametrize("of", ["work", "pair"])
def test_an_object_behind_a_link_counts_as_absent_and_is_made_anew(store, foreign, tmp_path, of):
    store.path(WORK).parent.rename(tmp_path / "kept")
    name = tmp_path / "kept" / "elsewhere" if of == "work" else tmp_path / "kept"
    if of == "work":
        (tmp_path / "kept" / WORK).rename(name)
    before = contents(tmp_path / "kept")
    link(store.path(WORK) if of == "work" else store.path(WORK).parent, name)
    assert store.entry(WORK) is None
    assert upkeep.gc(store, keep=[]) == ([store.path(WORK)] if of == "work" else [])
    publish(store)
    assert store.entry(WORK) == store.path(WORK)
    assert not store.path(WORK).is_symlink()
    assert contents(tmp_path / "kept") == before


def test_gc_removes_links_and_never_what_they_lead_to(store, foreign):
    links = [
        link(store.base / "tmp" / "old", foreign),
        link(store.base / "state" / OTHER, foreign),
        link(store.base / "records" / OTHER, foreign),
        link(store.base / "cache" / "recipe", foreign),
    ]
    os.utime(links[0], (1, 1), follow_symlinks=False)
    dangling = link(store.base / "tmp" / "young", foreign / "nothing")
    assert set(links) <= set(upkeep.gc(store, keep=[]))
    assert not any(path.is_symlink() for path in links)
    assert dangling.is_symlink()


@pytest.mark.parametrize("part", ["", *upkeep.PARTS])
@pytest.mark.parametrize("command", [["verify"], ["gc"], ["gc", "--keep-plan", "plan"], ["ls"], ["du"]])
def test_a_store_with_a_link_for_a_folder_of_its_own_is_refused(tmp_path, foreign, part, command, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "runs.csv").write_text("work\n")
    folder = link(tmp_path / "tlimb-store" / "v1" / part, foreign)
    assert run(["store", *command]) == 73
    assert "error[store-linked]" in capsys.readouterr().err
    assert folder.is_symlink()
    with pytest.raises(TlimbError, match="is a link"):
        Store(tmp_path / "tlimb-store")


def test_the_store_itself_may_be_a_link(store, tmp_path):
    link(tmp_path / "project", store.root)
    assert Store(tmp_path / "project").entry(WORK) is not None
    assert upkeep.verify(Store(tmp_path / "project")).results == 1


def test_a_file_is_never_written_through_a_link_of_its_name(tmp_path, foreign):
    path = link(tmp_path / "link", foreign / "text.tex")
    with pytest.raises(OSError, match="symbolic links"):
        disk.write(path, b"ours")
    disk.write_atomically(path, b"ours")
    assert (path.read_bytes(), path.is_symlink()) == (b"ours", False)
