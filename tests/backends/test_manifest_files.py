"""Manifests out of files: valid before their digest is looked at, checked once, and never those of one's own plan."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from whole_manifests import FIT, A, B

from tests.diagnostics.conftest import BASE, people
from tlimb import cli
from tlimb.backends import manifest_files
from tlimb.backends.checked_manifests import MOST_BYTES, Checked
from tlimb.backends.plan_folder import read_manifests, read_plan
from tlimb.backends.project_folder import write_project
from tlimb.manifest import Manifest, canonical
from tlimb.manifest.parsing import NewerFormatError
from tlimb.problems import TlimbError

PREDICT = {"kind": "predict", "parents": {"model": A}, "views": {"rows": B}}


def text_of(hashed, **more):
    return canonical({**Manifest.of(hashed).to_json(), **more}) + "\n"


def wrong_batch():
    return text_of({**FIT, "trainer": {**FIT["trainer"], "batch_size": "16"}})


def problems_of(call):
    with pytest.raises(TlimbError) as caught:
        call()
    return caught.value


@pytest.fixture
def counted(monkeypatch):
    """Count the files whose content is checked."""
    seen = []
    real = manifest_files._faults

    def faults(path, values):
        seen.append(path.name)
        return real(path, values)

    monkeypatch.setattr(manifest_files, "_faults", faults)
    return seen


def test_a_manifest_of_another_form_is_told_with_pointer_and_line_before_its_digest(tmp_path):
    path = tmp_path / "some.jsonl"
    edited = json.loads(text_of(PREDICT)) | {"more": 1}
    edited["hashed"]["views"]["rows"] = "../x"
    path.write_text(text_of(PREDICT) + wrong_batch() + json.dumps(edited) + "\n")
    error = problems_of(lambda: read_manifests([path]))
    assert error.exit_code == 65
    assert {(one.code, one.place.span.line, one.message) for one in error.problems} == {
        ("manifest-invalid", 2, '/hashed/trainer/batch_size: "16" is not an integer or null'),
        ("manifest-invalid", 3, "/more: unknown key"),
        ("manifest-invalid", 3, '/hashed/views/rows: "../x" is not a sha256, 64 hex digits'),
    }


def test_a_valid_manifest_with_another_digest_is_still_told_as_edited(tmp_path):
    path = tmp_path / "edited.json"
    path.write_text(text_of(PREDICT).replace(B, "c" * 64))
    error = problems_of(lambda: read_manifests([path]))
    assert (error.exit_code, error.problems[0].code) == (64, "manifest-unreadable")
    assert "edited by hand" in error.problems[0].message


def test_a_manifest_of_a_newer_version_is_told_as_that(tmp_path):
    path = tmp_path / "newer.json"
    path.write_text(text_of(PREDICT, tlimb=2, unheard_of=[1]))
    with pytest.raises(NewerFormatError) as caught:
        read_manifests([path])
    assert caught.value.exit_code == 73
    assert "newer.json is in format 2" in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[" * 200_000, 64), ("{", 64), ("[1]", 65), ("3", 65), ("{}", 65), ('{"tlimb": NaN}', 64),
        ('{"tlimb": "2"}', 65), ('{"hashed": [], "work": {}, "tlimb": 1}', 65),
    ],
    ids=["brackets", "half", "list", "number", "empty", "nan", "text", "forms"],
)  # fmt: skip
def test_whatever_a_file_holds_it_ends_in_problems(tmp_path, text, code):
    path = tmp_path / "one.json"
    path.write_text(text)
    assert problems_of(lambda: read_manifests([path])).exit_code == code


def test_a_strange_file_is_checked_once_and_one_that_is_not_valid_each_time(tmp_path, counted):
    private, good, bad = tmp_path / "private", tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(text_of(PREDICT))
    bad.write_text(wrong_batch())
    for _ in range(2):
        assert len(read_manifests([good], private)) == 1
        problems_of(lambda: read_manifests([bad], private))
    assert counted == ["good.json", "bad.json", "bad.json"]
    good.write_text(text_of(PREDICT, uses=[{"stage": "x"}]))
    read_manifests([good], private)
    assert counted[3:] == ["good.json"]
    assert {path.stat().st_mode & 0o077 for path in private.rglob("*")} == {0}


def test_a_known_file_loads_no_jsonschema(tmp_path):
    path = tmp_path / "one.json"
    path.write_text(text_of(PREDICT))
    Checked(tmp_path / "private").note([hashlib.sha256(path.read_bytes()).hexdigest()])
    code = (
        "import sys; from pathlib import Path; from tlimb.backends.plan_folder import read_manifests;"
        f"read_manifests([Path({str(path)!r})], Path({str(tmp_path / 'private')!r}));"
        "print('jsonschema' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_what_was_emitted_is_known(tmp_path, counted):
    private, name = tmp_path / "private", "plan/manifests/aa/one.json"
    write_project([(name, (text_of(PREDICT),)), ("README.md", ("words\n",))], tmp_path / "project", private=private)
    read_manifests([tmp_path / "project" / name], private)
    assert not counted
    read_manifests([tmp_path / "project" / name], tmp_path / "elsewhere")
    assert counted == ["one.json"]


def test_the_memory_begins_anew_when_it_is_full_and_survives_what_is_no_memory(tmp_path):
    shas = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(3)]
    first = tmp_path / "checked-manifests-1" / shas[0][:2]
    first.parent.mkdir()
    first.write_bytes(b"\xff" * (MOST_BYTES + 1))
    memory = Checked(tmp_path)
    assert not memory.knows(shas[0])
    memory.note(shas)
    assert all(map(Checked(tmp_path).knows, shas))
    assert first.stat().st_size < 100
    with first.open("ab") as file:
        file.write(b"half a line")
    Checked(tmp_path).note([shas[0][:2] + "0" * 62])
    assert all(map(Checked(tmp_path).knows, [shas[0], shas[0][:2] + "0" * 62]))
    Checked(None).note(shas)
    assert not Checked(None).knows(shas[0])


SPEC = "".join(BASE.values())


@pytest.fixture
def study(tmp_path, monkeypatch):
    people(tmp_path, {})
    (tmp_path / "study.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    assert cli.run(["plan", "study.yaml", "-o", "plan"]) == 0
    return tmp_path


def test_ones_own_plan_is_never_checked_and_a_strangers_once(study, counted, capsys):
    assert cli.run(["status", "plan"]) == 0
    assert cli.run(["rank", "plan", "--allow-partial"]) == 0
    assert not counted
    for _ in range(2):
        assert cli.run(["status", "plan", "--private", "other"]) == 0
    assert counted == ["manifests.jsonl"]
    capsys.readouterr()
    path = Path("plan", "manifests.jsonl")
    path.write_text(path.read_text().replace('"batch_size":2', '"batch_size":"16"'))
    for command in (["status", "plan"], ["run", "plan"], ["run", str(path)], ["rank", "plan"]):
        assert cli.run(command) == 65
        out = capsys.readouterr().err
        assert '/hashed/trainer/batch_size: "16" is not an integer or null' in out
        assert "plan/manifests.jsonl:" in out
        assert out.count("error[manifest-invalid]") == 1


def test_a_plan_folder_is_read_whole_without_a_memory_too(study):
    graph, request = read_plan(study / "plan")
    assert {node.kind.value for node in graph} >= {"fit", "predict"}
    assert "metrics" in request
