"""Results, passports and records as classes: what they answer, what they refuse, and that JSON survives them."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.drafts import draft, passport
from tlimb.manifest import canonical, digest
from tlimb.manifest.faults import checker
from tlimb.manifest.forms import fits
from tlimb.manifest.parsing import MOST_BYTES, NewerFormatError, parse
from tlimb.manifest.structure import structure, unstructure
from tlimb.problems import ExitCode
from tlimb.store import Store, disk, seal, upkeep
from tlimb.store.documents import FitResult, Passport, Record, SelectResult
from tlimb.store.documents.record import record_of
from tlimb.store.documents.result import RESULTS, result_json, result_of
from tlimb.store.documents.schemas import document_schemas

WORK = hashlib.sha256(b"work").hexdigest()
CODE = {"code": 65, "reason": "bad data", "began": 1.5, "ended": 3, "host": "node1"}
SCHEMAS = {name: checker(one) for name, one in document_schemas().items()}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", sleep=lambda _: None, patience_s=0)


def publish(store, kind="fit", work=WORK, files=None, **more):
    with store.staging() as staged:
        for name, data in (files or {"history.json": b"[]\n"}).items():
            disk.write(staged / name, data)
        seal(staged, draft(kind, work, **more))
        return store.publish(work, staged)


def rewrite(store, name="result.json", of=WORK, **more):
    """Write an object's file again with other keys, sealed as tlimb would have."""
    folder = store.path(of)
    path = folder / name
    body = {key: value for key, value in (json.loads(path.read_text()) | more).items() if value is not ...}
    if name == "result.json":
        body = {**body, "digest": digest({key: value for key, value in body.items() if key != "digest"})}
    path.chmod(0o644)
    path.write_text(canonical(body) + "\n")
    if name != "result.json":
        files = json.loads((folder / "result.json").read_text())["files"]
        rewrite(store, of=of, files={**files, name: disk.sha256(path)})


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_result_answers_what_callers_ask(store):
    publish(store)
    publish(store, "select", work="b" * 64, chosen=None, status="diverged", values=[None], reason="none is finite")
    fit, select = store.result(WORK), store.result("b" * 64)
    assert isinstance(fit, FitResult)
    assert (fit.done, fit.why, fit.format, fit.chosen, fit.counts.trainable, fit.best_epoch) == (
        True,
        "",
        1,
        None,
        2,
        2,
    )
    assert isinstance(select, SelectResult)
    assert (select.done, select.why, select.best, store.chosen("b" * 64)) == (False, "none is finite", None, None)
    with pytest.raises(TypeError, match="that of a select, not of a fit"):
        select.as_a(FitResult)


def test_what_is_written_says_its_format_and_fits_the_published_schema(store):
    for number, kind in enumerate(RESULTS):
        work = f"{number}" * 64
        publish(store, kind, work, {"passport.json": canonical(passport(work)).encode()} if kind == "fit" else None)
        written = json.loads((store.path(work) / "result.json").read_text())
        assert written["format"] == 1
        assert list(SCHEMAS["result"](written)) == []
        assert canonical(result_json(store.result(work))) == canonical(written)
    assert list(SCHEMAS["passport"](passport(WORK))) == []
    store.add_attempt(WORK, CODE)
    record = json.loads((store.base / "records" / WORK / "record.json").read_text())
    assert (record["format"], list(SCHEMAS["record"](record))) == (1, [])


NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)


@settings(deadline=None)
@given(
    environment=st.dictionaries(st.text(), JSON),
    values=st.lists(st.none() | NUMBERS),
    best=st.none() | NUMBERS,
    losses=st.dictionaries(st.text(), JSON),
)
def test_json_survives_its_class_to_the_letter(environment, values, best, losses):
    more = {"files": {"history.json": "c" * 64}, "digest": "d" * 64, "environment": environment}
    select = draft("select", WORK, **more, values=values)
    fit = draft("fit", WORK, **more, best_value=best, losses={"train": losses, "val": None}, format=1, collapsed=["x"])
    for one in (select, fit):
        assert canonical(result_json(result_of(one, "result.json"))) == canonical(one)
    worn = passport(WORK, preprocessing=environment)
    assert canonical(unstructure(structure(worn, Passport))) == canonical(worn)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["format", "attempts", "work", "code"]), JSON) | JSON)
def test_whatever_a_record_holds_it_is_a_record_or_as_good_as_absent(value):
    whole = value if isinstance(value, dict) else {"attempts": value}
    try:
        record = record_of(whole, "record.json")
    except NewerFormatError:
        assert whole["format"] > 1
    else:
        assert isinstance(record.last.ends_as, int)


# -- what strangers and broken disks write --

DEEP = b"[" * 200_000 + b"]" * 200_000
FOREIGN = {
    "no object": b"[1]",
    "attempts that are none": b'{"attempts":[1]}',
    "attempts of another form": b'{"attempts":3}',
    "a code of text": b'{"attempts":[{"code":"x"}]}',
    "a true code": b'{"attempts":[{"code":true}]}',
    "times of text": b'{"attempts":[{"began":"now","ended":[]}]}',
    "no number": b'{"attempts":[{"code":NaN}]}',
    "brackets": DEEP,
    "brackets inside": b'{"attempts":' + DEEP + b"}",
    "no text": b"\xff\xfe\x00",
    "no JSON": b"{",
    "a format that is none": b'{"format":"2","attempts":[]}',
    "a long number": b'{"attempts":[{"code":' + b"9" * 10_000 + b"}]}",
    "many bytes": b" " * (MOST_BYTES + 1),
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_record_that_is_none_is_absent_and_the_next_attempt_is_kept(store, data):
    folder = disk.make(store.base / "records" / WORK)
    (folder / "record.json").write_bytes(data)
    assert store.record(WORK) == Record()
    assert store.result(WORK, expected=True) is None
    store.add_attempt(WORK, CODE)
    assert store.record(WORK).last.reason == "bad data"


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_result_that_is_none_is_damaged(store, data):
    path = publish(store).path / "result.json"
    path.chmod(0o644)
    path.write_bytes(data)
    assert store.glance(WORK) is None
    assert store.result(WORK) is None
    assert not store.path(WORK).exists()
    assert publish(store).won


@pytest.mark.parametrize(
    "more",
    [{"status": "well"}, {"counts": [1]}, {"files": 3}, {"kind": "rank"}, {"kind": 3}, {"epochs": True}, {"tlimb": 2},
     {"environment": []}, {"work": "x"}, {"losses": ...}, {"batches": -1}, {"format": -1}, {"format": True}],
    ids=str,
)  # fmt: skip
def test_a_sealed_result_of_another_form_is_damaged_and_never_a_traceback(store, more):
    publish(store)
    rewrite(store, **more)
    assert store.glance(WORK) is None
    assert store.result(WORK) is None
    assert len([path for path in (store.base / "quarantine").iterdir() if path.is_dir()]) == 1


def test_a_passport_of_another_form_makes_its_object_damaged(store):
    publish(store, files={"passport.json": canonical(passport(WORK)).encode()})
    assert store.result(WORK).done
    assert store.passport(WORK).head("sex").facts.classes == ("F", "M")
    rewrite(store, "passport.json", heads=[3])
    assert store.result(WORK) is None


def test_a_run_of_another_form_is_refused_before_it_is_published(store):
    with pytest.raises(ValueError, match="not of the form"):
        publish(store, losses=3)
    assert not store.has(WORK)


def test_depth_and_size_of_json_are_bounded():
    assert parse("[" * 100 + "]" * 100) is not None
    for text in ("[" * 101 + "]" * 101, "{}" + " " * MOST_BYTES):
        with pytest.raises(ValueError, match=r"nested more than 100 deep|larger than"):
            parse(text)


@settings(deadline=None)
@given(JSON)
def test_the_quick_look_at_a_form_agrees_with_the_published_schema(value):
    for key in ("attempts", "work"):
        whole = {key: value}
        # A key that a later version adds is passed over by readers; the schema is of what this version writes.
        faults = [fault for fault in SCHEMAS["record"](whole) if fault.message != "unknown key"]
        assert fits(whole, Record) == (faults == [])


# -- formats --


@pytest.fixture
def newer(store):
    """A store in which a newer tlimb has written result, passport and record of one work each."""
    publish(store, work="1" * 64)
    rewrite(store, of="1" * 64, format=2, counts="of another form", status="unheard of")
    publish(store, work="2" * 64, files={"passport.json": canonical(passport("2" * 64)).encode()})
    rewrite(store, "passport.json", of="2" * 64, format=7, heads="other")
    store.add_attempt("3" * 64, CODE)
    path = store.base / "records" / ("3" * 64) / "record.json"
    path.write_text('{"attempts":{"last":1},"format":2}')
    return store


def test_a_newer_format_is_told_as_that_with_73_and_nothing_is_touched(newer):
    reports = []
    newer.report = lambda *what: reports.append(what)
    before = snapshot(newer.root)
    for number, read, name in (
        ("1", newer.result, "result.json"),
        ("1", newer.glance, "result.json"),
        ("1", newer.entry, "result.json"),
        ("2", newer.result, "passport.json"),
        ("2", newer.passport, "passport.json"),
        ("3", newer.record, "record.json"),
    ):
        with pytest.raises(NewerFormatError) as caught:
            read(number * 64)
        (problem,) = caught.value.problems
        assert caught.value.exit_code == ExitCode.CANNOT_WRITE == 73
        assert (problem.code, name in problem.message) == ("newer-format", True)
        assert str(newer.root) not in problem.message
        assert "update tlimb" in problem.help[0]
    newer.add_attempt("3" * 64, CODE)
    assert newer.result("3" * 64, expected=True) is None
    assert snapshot(newer.root) == before
    assert not reports


def test_a_newer_result_is_not_published_over(newer):
    before = snapshot(newer.base / "objects")
    with pytest.raises(NewerFormatError):
        publish(newer, work="1" * 64)
    assert snapshot(newer.base / "objects") == before
    assert not list((newer.base / "tmp").iterdir())


def test_verify_ls_and_gc_leave_what_is_newer(newer):
    publish(newer, work="4" * 64)
    found = upkeep.verify(newer)
    assert (found.results, found.damaged, len(found.newer)) == (1, (), 2)
    assert [line.status for line in upkeep.ls(newer)] == ["newer format", "done", "done"]
    upkeep.gc(newer, keep=[])
    assert list(newer.works()) == ["1" * 64, "2" * 64]
    assert disk.names(newer.base / "records") == ["3" * 64]
    assert upkeep.unread(newer, ()).keys() == {"1" * 64, "2" * 64, "3" * 64}


def test_a_result_of_before_there_were_formats_counts_as_done(store):
    publish(store, files={"passport.json": canonical({**passport(WORK), "format": 0}).encode()})
    rewrite(store, "passport.json", format=...)
    rewrite(store, format=...)
    assert "format" not in json.loads((store.path(WORK) / "result.json").read_text())
    found = store.result(WORK)
    assert (found.format, found.done, store.passport(WORK).format) == (0, True, 0)
    assert upkeep.verify(store).damaged == ()


def tensors(values, metadata=None):
    header = {"w": {"dtype": "U8", "shape": [len(values)], "data_offsets": [0, len(values)]}}
    text = json.dumps(header if metadata is None else {"__metadata__": metadata, **header}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(values)


@pytest.mark.parametrize(
    ("ours", "kept"),
    [
        ({"encoder.safetensors": tensors([1, 2], {"a": "b"}), "history.json": b'[{"lr": 0.10}]'}, 0),
        ({"encoder.safetensors": tensors([1, 3]), "history.json": b'[{"lr":0.1}]'}, 1),
        ({"encoder.safetensors": tensors([1, 2]), "history.json": b'[{"lr":0.2}]'}, 1),
        ({"encoder.safetensors": b"no tensors", "history.json": b'[{"lr":0.1}]'}, 1),
        ({"history.json": b'[{"lr":0.1}]'}, 1),
    ],
    ids=["equal", "other tensors", "other values", "unreadable", "a file less"],
)
def test_equal_work_in_another_format_is_compared_by_tensors_and_values_and_is_never_nondeterminism(store, ours, kept):
    publish(store, files={"encoder.safetensors": tensors([1, 2]), "history.json": b'[{"lr":0.1}]'})
    rewrite(store, format=...)
    before = snapshot(store.path(WORK))
    published = publish(store, files=ours)
    assert (published.won, published.nondeterminism) == (False, False)
    quarantine = store.base / "quarantine"
    assert len([path for path in quarantine.iterdir() if path.is_dir()] if quarantine.is_dir() else []) == kept
    assert snapshot(store.path(WORK)) == before
    assert store.result(WORK).format == 0


def test_attempts_that_were_noted_before_stay_to_the_letter(store):
    folder = disk.make(store.base / "records" / WORK)
    old = {"code": 75, "of_tomorrow": [1], "reason": ""}
    (folder / "record.json").write_text(json.dumps({"work": WORK, "attempts": [old], "more": 1}))
    store.add_attempt(WORK, CODE)
    written = json.loads((folder / "record.json").read_text())
    assert written == {"work": WORK, "attempts": [old, CODE], "more": 1, "format": 1}
    assert [one.ends_as for one in store.record(WORK).attempts] == [75, 65]
    assert store.record(WORK).last.seconds == 1.5
