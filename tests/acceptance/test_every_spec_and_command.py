"""Every shipped study goes through every command that takes one, on a small cohort of its own kind of data.

Studies stand as they are shipped: a smoke run has two batches of one draw in a store of its own, which the commands
that read results then look at.
"""

import csv
import os
import re
import shutil
from pathlib import Path

import pytest
from studies import tlimb
from typer.main import get_command

from tlimb.cli import run
from tlimb.cli.app import application

SPECS = Path(__file__).resolve().parents[2] / "specs"
NAMES = sorted(path.stem for path in SPECS.glob("*.yaml"))
PEOPLE = {"two-visits": 40, "pretrain-finetune": 160, "learning-curve": 220}
"""Fewer people than the study's own comment asks for, and still enough for its splits."""
SMOKE = ("--store", "tlimb-store-smoke")

COMMANDS = (
    (("validate", "SPEC"), 0),
    (("validate", "SPEC", "--data", "--format", "json"), 0),
    (("validate", "SPEC", "--deep"), 0),
    (("show", "SPEC"), 0),
    (("show", "SPEC", "--resolved"), 0),
    (("fmt", "--diff", "SPEC"), 0),
    (("upgrade", "--check", "SPEC"), 0),
    (("schema", "--project", "SPEC"), 0),
    (("doctor", "SPEC"), 0),
    (("verify", "SPEC", "--full"), 0),
    (("index", "SPEC"), 0),
    (("plan", "SPEC"), 0),
    (("plan", "SPEC", "--format", "json"), 0),
    (("plan", "SPEC", "--format", "mermaid"), 0),
    (("plan", "SPEC", "--diff"), 0),
    (("plan", "SPEC", "-o", "plan"), 0),
    (("plan", "SPEC", "--explain", "RUN"), 0),
    (("status", "SPEC"), 0),
    (("rank", "SPEC"), 75),
    (("rank", "SPEC", "-o", "before", "--allow-partial"), 0),
    (("predictions", "SPEC"), 0),
    (("logs", "SPEC", "RUN"), 0),
    (("run", "SPEC", "--smoke"), 0),
    (("status", "SPEC", *SMOKE), 0),
    (("rank", "SPEC", *SMOKE, "-o", "results", "--allow-partial"), 0),
    (("rank", "SPEC", *SMOKE, "--format", "json", "--allow-partial"), 0),
    (("predictions", "SPEC", *SMOKE, "--with-ids"), 0),
    (("logs", "SPEC", "RUN", *SMOKE), 0),
    (("rank", "plan", *SMOKE, "-o", "again", "--allow-partial"), 0),
    (("store", "ls", *SMOKE), 0),
    (("store", "verify", *SMOKE), 0),
    (("store", "du", *SMOKE), 0),
    (("emit", "SPEC", "-o", "build", "--pack", "auto"), 0),
    (("emit", "SPEC", "-o", "make", "--backend", "local"), 0),
    (("status", "build"), 0),
    (("rank", "build", "--no-pictures", "-o", "built", "--allow-partial"), 0),
)
WITHOUT_A_STUDY = {"components", "explain", "init", "phantom", "select", "weights", "launch"}
"""Commands that take no study."""


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    """Cohorts by the words of `tlimb phantom` that a study's comment names, each made once."""
    made = {}

    def cohort(words, people):
        folder, key = words[0], (*words[1:], people)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("cohort")
            tlimb(made[key], "phantom", "people", *words[1:], "--participants", people)
        return folder, made[key] / "people"

    return cohort


@pytest.fixture
def study(request, cohorts, tmp_path, monkeypatch):
    """The folder of a study with its data."""
    text = (SPECS / f"{request.param}.yaml").read_text(encoding="utf-8")
    shutil.copy(SPECS / f"{request.param}.yaml", tmp_path)
    words = re.search(r"^# Before: +tlimb phantom (.*)$", text, re.MULTILINE)[1].split()
    place = words.index("--participants")
    folder, people = cohorts(words[:place] + words[place + 2 :], PEOPLE.get(request.param, 120))
    shutil.copytree(people, tmp_path / folder, copy_function=os.link)
    monkeypatch.chdir(tmp_path)
    return f"{request.param}.yaml"


def training():
    """Give the first training of the plan that was written, nothing where none was."""
    if not Path("plan/runs.csv").is_file():
        return ""
    with Path("plan/runs.csv").open(newline="") as file:
        return next(line["work"] for line in csv.DictReader(file) if line["kind"] == "fit")[:16]


@pytest.mark.long
@pytest.mark.parametrize("study", NAMES, indirect=True)
def test_every_shipped_study_goes_through_every_command(study, capfd):
    wrong = []
    for words, code in COMMANDS:
        asked = [study if word == "SPEC" else training() if word == "RUN" else word for word in words]
        got = run(asked)
        said = "".join(capfd.readouterr())
        if got != code or "Traceback" in said:
            wrong.append(f"$ tlimb {' '.join(asked)} -> {got}\n{said[-2000:]}")
    assert not wrong, "\n\n".join(wrong)
    assert {"ranking.csv", "learning-curves.png", "slices.png"} <= {path.name for path in Path("results").iterdir()}


def test_no_command_that_takes_a_study_is_left_out():
    tried = {words[0] for words, _ in COMMANDS}
    assert get_command(application("")).commands.keys() - WITHOUT_A_STUDY == tried
