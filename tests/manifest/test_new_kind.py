"""A new kind of node takes four files: its class, its function, where the function is, a row of the documentation.

The test makes one in a copy of the project, and runs it there.
"""

import filecmp
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tlimb.manifest import Manifest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("tlimb", "schema", "specs", "generators", "tests/plan", "tests/specs", "tests/expected", "docs/identity.md")
CLASS = '''
@frozen
class Double(Content):
    """Double a number."""

    kind: ClassVar[Kind] = Kind.DOUBLE
    words: ClassVar[tuple[str, str]] = ("doubling", "doublings")
    level: ClassVar[int] = 5

    number: int = entry("What is doubled.", minimum=0)


CONTENTS: '''
FUNCTION = '''
"""Double a number."""

from pathlib import Path

import torch

from tlimb.manifest.contents import Double
from tlimb.store import disk
from tlimb.training.devices.environment import fingerprint
from tlimb.training.job import Draft, Job


def double(job: Job, staged: Path) -> Draft:
    """Double the number of a manifest."""
    head = {"tlimb": 1, "kind": "double", "work": job.manifest.work, "status": "done"}
    number = job.manifest.as_a(Double).number
    disk.write(staged / "doubled.txt", str(2 * number).encode())
    return {**head, "environment": fingerprint(torch.device("cpu"))}
'''
EDITS = {
    "tlimb/manifest/contents.py": {
        '    REPORT = "report"\n': '    REPORT = "report"\n    DOUBLE = "double"\n',
        "\nCONTENTS: ": CLASS,
        "(Prepare, Fit, Predict, Select)}": "(Prepare, Fit, Predict, Select, Double)}",
    },
    "tlimb/training/doubling.py": FUNCTION,
    "tlimb/protocol/executors.py": {
        "EXECUTORS: Mapping[Kind, str] = {\n": (
            'EXECUTORS: Mapping[Kind, str] = {\n    Kind.DOUBLE: "tlimb.training.doubling",\n'
        ),
    },
    "docs/identity.md": {
        "| `hashed.view` |": "| `hashed.number` | double | hashed | what is doubled |\n| `hashed.view` |",
    },
}
HASHED = {"kind": "double", "number": 21}
WORK = Manifest.of(HASHED).work
EVERYTHING = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from tlimb.backends.plan_folder import read_manifests
from tlimb.backends.packing.packs import by_minutes, counted
from tlimb.backends.packing.tasks import tasks
from tlimb.cli.overview import KINDS
from tlimb.manifest.faults import checker
from tlimb.plan import draw, write

graph = read_manifests([Path("toy.json")])
plan = SimpleNamespace(graph=graph, study=SimpleNamespace(name="s"))
for packing in (counted(8), by_minutes({})):
    (task,) = tasks(graph, (), lambda step: packing(step.kind, 2)).tasks
    assert (task.step, task.works) == ("DOUBLE", tuple(graph.nodes))
for name, value in (("plan", draw.as_json(plan)), ("manifest", json.loads(Path("toy.json").read_text()))):
    faults = list(checker(json.loads(Path(f"schema/v1/{name}.json").read_text()))(json.loads(json.dumps(value))))
    assert faults == [], faults
assert "1 doublings" in draw.mermaid(plan)
assert "shape=box" in draw.dot(plan)
assert KINDS["double"] == "doubling"
for name, pieces in (*write.files(graph), ("plan.json", ("{}",))):
    path = Path("planned", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(pieces))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Return a copy of the project with a kind that it did not have, and a manifest of it."""
    folder = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    assert len(EDITS) <= 4
    for name, edits in EDITS.items():
        path = folder / name
        if isinstance(edits, str):
            path.write_text(edits.lstrip(), encoding="utf-8")
            continue
        text = path.read_text(encoding="utf-8")
        for old, new in edits.items():
            assert text.count(old) == 1, f"{name} has {text.count(old)} times {old!r}"
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
    manifest = {**Manifest.of(HASHED).to_json(), "uses": [{"study": "s"}]}
    (folder / "toy.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def python(folder, *words):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TLIMB_")}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_a_new_kind_takes_four_files_and_every_command_knows_it(copy):
    python(copy, "-m", "tlimb.export")
    changed = {str(path) for path in _differing(filecmp.dircmp(ROOT / "schema", copy / "schema"), Path("schema"))}
    assert {"schema/v1/manifest.json", "schema/v1/plan.json", "schema/v1/status.json"} == changed

    python(copy, "-m", "tlimb", "run", "toy.json")
    made = copy / "tlimb-store" / "v1" / "objects" / WORK[:2] / WORK
    assert json.loads((made / "result.json").read_text())["kind"] == "double"
    assert (made / "doubled.txt").read_text() == "42"
    assert "0 nodes computed" in python(copy, "-m", "tlimb", "run", "toy.json")

    python(copy, "-c", EVERYTHING)
    assert "double" in python(copy, "-m", "tlimb", "status", "planned")
    status = json.loads(python(copy, "-m", "tlimb", "status", "planned", "--format", "json"))
    assert [(run["work"], run["state"]) for run in status["runs"]] == [(WORK, "done")]
    assert "done" in python(copy, "-m", "tlimb", "logs", "planned", WORK[:8])
    assert "passed" in python(
        copy, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "tests/plan/test_identity.py"
    )


def _differing(compared, at):
    yield from (at / name for name in (*compared.diff_files, *compared.left_only, *compared.right_only))
    for name, inner in compared.subdirs.items():
        yield from _differing(inner, at / name)
