"""Later visits of people who were trained on: flagged by the planner, and, where forced, better than they deserve."""

import csv
import io
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

# A label that is thrown for each person: whoever tells it of new people is lucky, of known people has recognised them.
SPEC = """
tlimb: 1
replicates: 4
datasets:
  by_person:
    files: {phantom: {folder: data/people}}
    only: {session: ["01", "02", "03"]}
    split: {column: {name: honest}}
  by_visit: {like: by_person, split: {column: {name: leaky}}}
  later: {like: by_person, only: {session: "04"}}
defaults:
  data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20], intensity: zscore}}
  architecture: {resnet3d: {depth: 10, filters: 8, stem_stride: 1}}
  objective: {classification: {target: coin}}
  optimizer: {adamw: {lr: 3e-3}}
  scheduler: one_cycle
  trainer: {epochs: 25, batch_size: 16}
stages:
  honest: {dataset: by_person}
  leaky: {dataset: by_visit}
tests:
  later: {of: [honest, leaky], dataset: later}
report: {metrics: [balanced_accuracy], against: honest}
"""


def tlimb(folder: Path, *words: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "tlimb", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("visits")
    tlimb(made, "phantom", "data/people", "--participants", "48", "--visits", "4")
    path, thrown = made / "data" / "people" / "participants.tsv", random.Random(0)
    with path.open(newline="") as file:
        people = list(csv.DictReader(file, delimiter="\t"))
    for number, person in enumerate(people):
        person["coin"] = "ht"[thrown.random() < 0.5]
        person["honest"] = ("train", "train", "val", "test")[number % 4]
        person["leaky"] = ("train", "train", "val", "train")[number % 4]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, people[0].keys(), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(people)
    (made / "leak.yaml").write_text(SPEC)
    return made


def test_a_visit_of_a_person_in_two_parts_of_one_dataset_is_refused_outright(folder):
    by_visit = SPEC.replace("column: {name: leaky}", "column: {name: part}")
    (folder / "parts.yaml").write_text(by_visit)
    for path in folder.glob("data/people/sub-*/*_sessions.tsv"):
        head, *rows = path.read_text().splitlines()
        parts = ("train", "train", "val", "test")
        lines = [f"{head}\tpart", *(f"{row}\t{part}" for row, part in zip(rows, parts, strict=True))]
        path.write_text("\n".join(lines) + "\n")
    assert "error[split-column]: 48 participants are in more than one part" in tlimb(
        folder, "plan", "--allow-leak", "parts.yaml", code=1
    )


def test_a_split_by_visit_is_flagged_and_when_forced_looks_better_than_the_honest_one(folder):
    said = tlimb(folder, "plan", "leak.yaml", code=77)
    assert "error[leak-subjects]: 12 of the 12 participants tested in `later` were in the training of `leaky`" in said
    assert "`honest`" not in said
    tlimb(folder, "run", "--allow-leak", "leak.yaml")
    table = tlimb(folder, "rank", "--allow-leak", "leak.yaml")
    assert "LEAK, allowed by hand" in table
    rows = csv.DictReader(io.StringIO(tlimb(folder, "rank", "--allow-leak", "leak.yaml", "--format", "csv")))
    (leaky,) = (row for row in rows if row.get("stage") == "leaky")
    mean, error = float(leaky["difference"]), float(leaky["difference_sd"]) / 2
    print("leaky", leaky["mean"], "difference", mean, "standard error", error)
    assert leaky["difference_n"] == "4"
    assert mean > 2 * error
    assert mean > 0.15
