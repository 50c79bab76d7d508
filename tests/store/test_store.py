import hashlib
import json
import multiprocessing
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from published import WORK, objects_of, publish

from tlimb.store import Store, disk, upkeep


def test_what_was_published_is_there_whole_and_read_only(store):
    assert store.entry(WORK) is None
    published = publish(store)
    assert (published.won, published.nondeterminism) == (True, False)
    assert store.entry(WORK) == published.path == store.base / "objects" / WORK[:2] / WORK
    assert {oct(path.stat().st_mode & 0o777) for path in published.path.iterdir()} == {"0o444"}
    assert store.result(WORK).files.keys() == {"encoder.safetensors", "history.json"}
    assert not list((store.base / "tmp").iterdir())


def test_p3_result_exists_only_when_complete(store):
    def stop_half_way():
        with store.staging() as staged:
            disk.write(staged / "encoder.safetensors", b"half")
            raise RuntimeError

    def publish_unsealed():
        with store.staging() as staged:
            disk.write(staged / "encoder.safetensors", b"not sealed")
            store.publish(WORK, staged)

    with pytest.raises(RuntimeError):
        stop_half_way()
    with pytest.raises(FileNotFoundError):
        publish_unsealed()
    assert store.entry(WORK) is None
    assert not store.has(WORK)
    assert not objects_of(store)


class FailingOs:
    """The os module, of which the nth call of those that touch the disk fails."""

    NAMES = frozenset(
        "open write fsync rename replace chmod makedirs unlink rmdir close read listdir stat".split()  # noqa: SIM905
    )

    def __init__(self, fails):
        self.fails, self.calls = fails, []

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in self.NAMES:
            return real

        def call(*args, **kwargs):
            self.calls.append(name)
            if len(self.calls) == self.fails:
                if name == "close":
                    real(*args, **kwargs)
                raise OSError(28, "No space left on device")
            return real(*args, **kwargs)

        return call


def test_p3_every_system_call_of_the_artefact_path_may_fail_once(tmp_path, monkeypatch):
    counting = FailingOs(fails=0)
    monkeypatch.setattr(disk, "os", counting)
    publish(Store(tmp_path / "count"))
    published, raised = 0, 0
    for number in range(1, len(counting.calls) + 1):
        store = Store(tmp_path / f"fail{number}")
        monkeypatch.setattr(disk, "os", FailingOs(number))
        try:
            publish(store)
            published += 1
        except OSError:
            raised += 1
        monkeypatch.setattr(disk, "os", os)
        found = store.result(WORK)
        assert found is None or found.files["encoder.safetensors"] == hashlib.sha256(b"weights").hexdigest()
        # The next attempt succeeds whatever was left behind.
        publish(store)
        assert store.entry(WORK) is not None
    assert len(counting.calls) > 25
    assert raised > 15
    assert published > 0


def test_p3_a_failing_checkpoint_leaves_the_one_before_it(tmp_path, monkeypatch):
    counting = FailingOs(fails=0)
    first = Store(tmp_path / "count")
    first.save_state(WORK, 1, "env", b"one")
    monkeypatch.setattr(disk, "os", counting)
    first.save_state(WORK, 2, "env", b"two")
    for number in range(1, len(counting.calls) + 1):
        store = Store(tmp_path / f"fail{number}")
        monkeypatch.setattr(disk, "os", os)
        store.save_state(WORK, 1, "env", b"one")
        monkeypatch.setattr(disk, "os", FailingOs(number))
        try:
            store.save_state(WORK, 2, "env", b"two")
        except OSError:
            monkeypatch.setattr(disk, "os", os)
            assert store.load_state(WORK, "env").data in (b"one", b"two")
        else:
            monkeypatch.setattr(disk, "os", os)
            assert store.load_state(WORK, "env").data == b"two"


def _publish_many(root, number, works):
    store = Store(root)
    for work in works:
        publish(store, work, content=work.encode())


def test_p4_eight_processes_on_one_store_publish_each_work_once_without_a_lock(tmp_path):
    works = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(12)]
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=_publish_many, args=(tmp_path, n, works)) for n in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 8
    store = Store(tmp_path)
    assert list(store.works()) == sorted(works)
    assert all(store.entry(work) is not None for work in works)
    assert not (store.base / "quarantine").exists()
    assert not list((store.base / "tmp").iterdir())


def test_p4_the_loser_of_a_race_with_equal_bytes_is_dropped(store):
    publish(store)
    second = publish(store)
    assert (second.won, second.nondeterminism) == (False, False)
    assert not (store.base / "quarantine").exists()


def test_p4_other_bytes_for_equal_work_are_kept_and_reported(store):
    reports = []
    store.report = lambda name, reason: reports.append(reason)
    publish(store)
    second = publish(store, content=b"other weights")
    assert (second.won, second.nondeterminism) == (False, True)
    assert reports == ["nondeterminism: other bytes for equal work"]
    assert (store.entry(WORK) / "encoder.safetensors").read_bytes() == b"weights"
    kept = next(path for path in (store.base / "quarantine").iterdir() if path.is_dir())
    assert (kept / "encoder.safetensors").read_bytes() == b"other weights"


def test_p4_other_bytes_of_another_environment_are_no_nondeterminism(store):
    publish(store)
    second = publish(store, content=b"other", environment={"torch": "2"})
    assert (second.won, second.nondeterminism) == (False, False)


def test_two_results_whose_folders_were_swapped_are_damaged_and_none_can_be_published_under_another_name(store):
    reports, other = [], hashlib.sha256(b"other").hexdigest()
    store.report = lambda work, reason: reports.append((work, reason))
    publish(store)
    publish(store, other, content=b"other weights")
    one, two, aside = store.path(WORK), store.path(other), store.root / "aside"
    for source, target in ((one, aside), (two, one), (aside, two)):
        source.rename(target)
    assert (store.glance(WORK), store.glance(other)) == (None, None)
    assert [line.status for line in upkeep.ls(store)] == ["damaged", "damaged"]
    assert upkeep.verify(store).damaged_results == tuple(sorted([WORK, other]))
    assert sorted(reports) == [(work, "this is the result of another run") for work in sorted([WORK, other])]
    assert store.entry(WORK) is None
    with pytest.raises(ValueError, match="another run"):
        publish(store, WORK, of=other)
    publish(store)
    assert (store.entry(WORK) / "encoder.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize("name", ["encoder.safetensors", "history.json", "result.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "extra"])
def test_p9_a_corrupt_entry_is_put_into_quarantine_and_made_again(store, name, damage):
    reports = []
    store.report = lambda work, reason: reports.append((work, reason))
    path = publish(store).path / name
    data = bytearray(path.read_bytes())
    path.chmod(0o644)
    if damage == "flip":
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
    elif damage == "truncate":
        path.write_bytes(data[:-1])
    elif damage == "delete":
        path.unlink()
    else:
        path.with_name("smuggled.bin").write_bytes(b"")
    gone = damage == "delete" and name == "result.json"
    assert store.entry(WORK) is None
    assert [work for work, _ in reports] == ([] if gone else [WORK])
    publish(store)
    assert store.entry(WORK) is not None
    kept = [path for path in (store.base / "quarantine").iterdir() if path.is_dir()]
    assert len(kept) == 1


def test_p8_a_moved_store_is_still_whole(store, tmp_path):
    publish(store)
    store.root.rename(tmp_path / "elsewhere")
    assert Store(tmp_path / "elsewhere").entry(WORK) is not None


def test_an_expected_entry_is_waited_for_and_an_unexpected_one_is_not(store):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            publish(store)

    store.sleep = sleep
    assert store.entry(WORK) is None
    assert waits == []
    assert store.entry(WORK, expected=True) is not None
    assert len(waits) == 3
    store.sleep = lambda seconds: waits.append(seconds)
    waits.clear()
    assert store.entry("0" * 64, expected=True) is None
    assert sum(waits) == 90 - 3


def test_what_is_absent_for_good_is_waited_for_once_and_not_once_for_each(store):
    waits = []
    store.sleep = waits.append
    for digit in "012":
        assert store.entry(digit * 64, expected=True) is None
    assert sum(waits) == 90
    publish(store)
    assert store.entry(WORK, expected=True) is not None


@pytest.mark.parametrize(("code", "waited"), [(65, 0), (70, 0), (76, 90), (75, 90), (137, 90), (143, 90), (0, 90)])
def test_a_work_whose_last_attempt_failed_for_good_is_not_waited_for(store, code, waited):
    waits = []
    store.sleep = waits.append
    store.write_record(WORK, {"work": WORK, "attempts": [{"code": 143}, {"code": code}]})
    assert store.entry(WORK, expected=True) is None
    assert sum(waits) == waited


def test_the_highest_resume_point_of_the_same_environment_wins_and_two_are_kept(store):
    for step in (1, 2, 3):
        store.save_state(WORK, step, "envA", f"state {step}".encode())
    store.save_state(WORK, 9, "envB", b"elsewhere")
    assert store.load_state(WORK, "envA").step == 3
    assert len(list((store.base / "state" / WORK).glob("*-envA-*"))) == 2
    store.drop_states(WORK)
    assert store.load_state(WORK, "envA") is None


def test_a_damaged_volume_is_absent_and_kept_aside(store):
    store.cache_write("recipe", "key", b"voxels")
    assert store.cache_read("recipe", "key") == b"voxels"
    path = store.cache_path("recipe", "key")
    path.chmod(0o644)
    path.write_bytes(b"Voxels" + path.read_bytes()[6:])
    assert store.cache_read("recipe", "key") is None
    assert not path.exists()
    assert len(list((store.base / "quarantine").iterdir())) == 2


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["publish", "crash", "flip", "gc", "read"]), st.integers(0, 2), st.integers(1, 40)),
    max_size=15,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS)
def test_p9_whatever_happens_an_entry_is_exact_or_absent(tmp_path_factory, actions):
    store = Store(tmp_path_factory.mktemp("machine"))
    works = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(3)]
    for action, number, at in actions:
        work = works[number]
        try:
            if action == "publish":
                publish(store, work, work.encode())
            elif action == "crash":
                disk.os = FailingOs(at)
                publish(store, work, work.encode())
            elif action == "flip" and store.has(work):
                path = store.path(work) / "encoder.safetensors"
                path.chmod(0o644)
                data = bytearray(path.read_bytes())
                data[at % len(data)] ^= 1 << at % 8
                path.write_bytes(data)
            elif action == "gc":
                upkeep.gc(store, keep=works[:2])
        except OSError:
            assert action == "crash"
        finally:
            disk.os = os
        for each in works if action == "read" else ():
            entry = store.entry(each)
            assert entry is None or (entry / "encoder.safetensors").read_bytes() == each.encode()
            assert entry is None or json.loads((entry / "result.json").read_text())["status"] == "done"
