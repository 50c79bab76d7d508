"""What planning does not do: open images twice, load the run half, name people."""

import csv
import json
import re
import shutil
import struct
import subprocess
import sys

import pytest
from studies import CANARY, TINY, environment, tlimb

HEAVY = ["torch", "lightning", "timm", "monai", "nibabel", "numpy", "scipy", "sklearn", "matplotlib", "safetensors"]
AUDITED = """
import sys
from pathlib import Path
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from tlimb.cli import run
code = run(sys.argv[3:])
heavy = sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[2].split()))
images = sum(1 for name in opened if name.endswith((".npy", ".nii", ".nii.gz")))
Path(sys.argv[1]).write_text(f"{code} {images} {' '.join(heavy)}")
"""


def audited(folder, *words):
    """Run a command and give its code, how many times it opened an image, and what heavy packages it loaded."""
    report = folder / "audit.txt"
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, str(report), " ".join(HEAVY), *map(str, words)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    code, images, *heavy = report.read_text().split(" ")
    return int(code), int(images), [name for name in heavy if name], done.stdout + done.stderr


def npy(path, value):
    """Write a tiny array as .npy without numpy."""
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 2), }"
    text = header.ljust(127 - 10) + "\n"
    data = value.to_bytes(8, "little")
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data)


@pytest.fixture
def many(tmp_path):
    """Two thousand people with one tiny image each, in a table."""
    (tmp_path / "images").mkdir()
    lines = ["participant_id\tage"]
    for number in range(2000):
        npy(tmp_path / "images" / f"{number}.npy", number + 1)
        lines.append(f"{number}\t{20 + number % 60}.5")
    (tmp_path / "people.tsv").write_text("\n".join(lines) + "\n")
    spec = {
        "tlimb": 1,
        "name": "many",
        "datasets": {
            "crowd": {
                "files": {"table": {"file": "people.tsv", "image": "images/{participant_id}.npy"}},
                "split": {"holdout": {"train": "rest", "val": 200, "test": 200}},
            }
        },
        "stages": {"train": {**TINY["stages"]["pretrain"], **TINY["defaults"], "dataset": "crowd"}},
        "report": {"metrics": ["mae"]},
    }
    (tmp_path / "study.yaml").write_text(json.dumps(spec))
    return tmp_path


def test_of_2000_files_the_first_plan_reads_each_once_and_the_second_opens_none(many):
    code, first, _, _ = audited(many, "plan", "study.yaml", "-o", "first")
    assert (code, first) == (0, 2000)
    code, second, _, _ = audited(many, "plan", "study.yaml", "-o", "second")
    assert (code, second) == (0, 0)
    assert (many / "first" / "runs.csv").read_text() == (many / "second" / "runs.csv").read_text()
    npy(many / "images" / "7.npy", 10**6)
    assert audited(many, "plan", "study.yaml")[1] == 1
    print(f"images opened: first plan {first}, second plan {second}, after one changed 1")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_of_2000_files_the_second_plan_makes_no_open_call_on_any(many):
    tlimb(many, "plan", "study.yaml")
    trace = many / "trace.txt"
    command = [shutil.which("strace"), "-f", "-e", "trace=open,openat", "-o", str(trace)]
    subprocess.run(
        [*command, sys.executable, "-m", "tlimb", "plan", "study.yaml"],
        cwd=many,
        env=environment(),
        capture_output=True,
        check=True,
    )
    calls = trace.read_text()
    assert "people.tsv" in calls
    assert ".npy" not in calls


@pytest.mark.parametrize(
    "words",
    [
        ("validate", "study.yaml"),
        ("validate", "--data", "study.yaml"),
        ("plan", "study.yaml"),
        ("plan", "--diff", "study.yaml"),
        ("plan", "study.yaml", "-o", "plan", "--format", "json"),
        ("run", "study.yaml"),
        ("store", "ls"),
    ],
    ids=" ".join,
)
def test_p20_commands_that_compute_nothing_never_load_the_run_half(finished, words):
    code, _, heavy, said = audited(finished.folder, *words)
    assert code == 0, said
    assert heavy == []


WITHOUT = """
import sys

class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "lightning", "timm", "monai"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Gone())
from tlimb.cli import run
sys.exit(run(sys.argv[1:]))
"""


def without_torch(folder, *words):
    """Run a command in a process of its own in which torch cannot be imported; give its code and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, words)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_ranking_task_of_an_engine_gives_the_same_bytes_where_torch_cannot_be_imported(finished):
    refused = without_torch(finished.folder, "validate", "--deep", "study.yaml")
    assert refused[0] == 69
    assert "not installed here: lightning, timm, torch" in refused[1]
    finished.tlimb("emit", "-o", "build")
    words = ("rank", finished.folder / "build" / "plan", "--allow-partial", "--no-pictures", "--output")
    tlimb(finished.folder, *words, "with")
    code, said = without_torch(finished.folder, *words, "without")
    assert code == 0, said
    written = {path.name: path.read_bytes() for path in (finished.folder / "without").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (finished.folder / "with").iterdir()}
    assert len(written) > 3


def test_the_command_of_a_selection_task_loads_nothing_heavy_and_leaves_that_to_its_child(finished):
    finished.tlimb("emit", "-o", "build")
    with (finished.folder / "build" / "plan" / "tasks.csv").open(newline="") as file:
        manifest = next(row["manifest"] for row in csv.DictReader(file) if row["step"] == "SELECT")
    code, _, heavy, said = audited(finished.folder, "select", f"build/plan/{manifest}", "--task", "--quiet")
    assert code == 0, said
    assert "chose candidate" in said
    assert heavy == []


# -- privacy --


def searched(folder, *needles):
    """Give the files below a folder that hold one of these texts."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found += [f"{path.name}: {needle}" for needle in needles if needle.encode() in data]
            found += [f"name {path}" for needle in needles if needle in path.relative_to(folder).as_posix()]
    return found


def test_p22_no_id_file_name_or_absolute_path_leaves_the_private_folder(finished_once, finished):
    said = finished_once.said
    for words in (
        ("validate", "--data", "study.yaml"),
        ("plan", "study.yaml"),
        ("plan", "--format", "json", "study.yaml"),
        ("plan", "--format", "mermaid", "study.yaml"),
        ("plan", "--diff", "study.yaml"),
        ("rank", "study.yaml", "-o", "report"),
        ("rank", "study.yaml", "--format", "json"),
        ("store", "ls"),
    ):
        done = tlimb(finished.folder, *words)
        said += done.stdout + done.stderr
    assert CANARY not in said
    plan = finished.plan()
    outside = [str(finished.folder), str(finished_once.folder), CANARY, "_T1w"]
    assert searched(finished.store, *outside) == []
    assert searched(plan.folder, *outside) == []
    assert searched(finished.folder / "report", *outside) == []
    assert len(list((finished.folder / "report").iterdir())) >= 5
    # The search can find: what may name people does, and nobody else can read it.
    assert searched(finished.private, CANARY)
    for path in (finished_once.private, *finished_once.private.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_p22_numbers_of_people_are_keyed_by_a_secret_of_this_group(finished):
    key = finished.private / "group.key"
    plan = finished.plan()
    view = next(n for n in plan.nodes.values() if n["hashed"]["kind"] == "fit")["hashed"]["views"]["data"]["train"]
    people = {row["person"] for row in finished.rows(view)}
    assert all(re.fullmatch("[0-9a-f]{64}", person) for person in people)
    assert searched(finished.store, key.read_bytes().hex()) == []
    key.unlink()
    assert finished.plan().works == plan.works  # no work depends on the key
    assert not people & {row["person"] for row in finished.rows(view)}
