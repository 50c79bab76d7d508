"""A study is written from an empty file by completion alone; docs/editor-session.md is the record of it."""

import os
from pathlib import Path

import pytest
from typist import Step, Typist

from tlimb import validate
from tlimb.api.editor import Files, refresh
from tlimb.language.source import parse, read

PAGE = Path(__file__).resolve().parents[2] / "docs" / "editor-session.md"
MODELINE = "# yaml-language-server: $schema=./.tlimb/schema.json\n"
INTRODUCTION = """# A study written by completion alone

The record of a session with yaml-language-server, the server behind YAML in VS Code, Neovim and Emacs. `▸` stands
before what was picked from the list that was offered; what is typed are names, numbers and paths, which nobody else
can know, and Enter. After the datasets are named the file is saved and `tlimb validate` run, which refreshes
`.tlimb/schema.json`: from then on datasets, stages and the columns of `participants.tsv` are offered as well. `make
golden` records the session anew; a test replays it.

"""


def write(typist, save):
    """Write the study; `save` stands for saving the file and running `tlimb validate`."""
    pick, kind, line = typist.pick, typist.type, typist.line
    pick("tlimb")
    line(0), pick("seed"), kind("7")
    line(0), pick("datasets"), kind("people:")
    line(4), pick("files"), pick("phantom"), kind("data/people")
    line(4), pick("split"), pick("holdout"), pick("train"), kind("0.6")
    line(8), pick("val"), kind("0.2")
    line(8), pick("test"), kind("0.2")
    save()
    line(8), pick("stratify"), pick("sex")
    line(0), pick("defaults"), pick("dataset"), pick("people")
    line(2), pick("data"), pick("bio_image"), kind("8"), typist.tab(), kind("20")
    line(8), kind("- 24")
    line(8), kind("- 20")
    line(6), pick("intensity"), pick("zscore")
    line(2), pick("architecture"), pick("compare"), pick("resnet3d"), pick("18")
    line(6), kind("- "), pick("sfcn")
    line(2), pick("optimizer"), pick("adamw"), kind("1e-3")
    line(2), pick("scheduler"), pick("one_cycle")
    line(2), pick("trainer"), pick("epochs"), kind("5")
    line(4), pick("batch_size"), kind("16")
    line(4), pick("precision"), pick("bf16")
    line(0), pick("stages"), kind("pretrain:")
    line(4), pick("objective"), pick("regression"), pick("age")
    line(2), kind("finetune:")
    save()
    line(4), pick("from"), pick("pretrain")
    line(4), pick("objective"), pick("classification"), pick("sex")
    line(4), pick("auxiliary"), pick("l2_sp"), kind("0.1")
    line(4), pick("optimizer"), pick("adamw"), line(10), pick("choice"), kind("1e-3")
    line(12), kind("- 1e-2")
    save()
    line(0), pick("tests"), kind("held_out:")
    line(4), pick("of"), pick("finetune")
    line(0), pick("select"), pick("auroc")
    line(0), pick("report"), pick("metrics"), pick("auroc")
    line(4), kind("- "), pick("balanced_accuracy")


@pytest.fixture(scope="module")
def session(server, tmp_path_factory):
    """The typist after the study is written."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "data" / "people").mkdir(parents=True)
    (folder / "data" / "people" / "participants.tsv").write_text("participant_id\tage\tsex\tsite\n")
    path = folder / "study.yaml"
    Files(parse(MODELINE, path)).write()
    typist = Typist(server, path, MODELINE, len(MODELINE))

    def save():
        path.write_text(typist.text + "\n")
        refresh(read(path))
        server.changed(folder / ".tlimb" / "schema.json")

    write(typist, save)
    save()
    return typist


def page(typist):
    """Give the record as a page."""
    lines = [_told(step) for step in typist.steps]
    return f"{INTRODUCTION}```text\n{chr(10).join(lines)}\n```\n\nWhat was written:\n\n```yaml\n{typist.text}\n```\n"


def _told(step: Step) -> str:
    if not step.offered:
        return f"{step.before}{step.done}"
    return f"{step.before}▸ {step.done}    (of {len(step.offered)}: {', '.join(step.offered)})"


def test_the_study_that_completion_wrote_is_valid(session, server):
    assert [problem.message for problem in validate(session.path)] == []
    assert server.problems(session.path, session.text + "\n") == []


def test_only_names_numbers_and_paths_were_typed(session):
    typed = {step.done for step in session.steps if not step.offered}
    words = {word.strip("-: ") for word in typed}
    assert {word for word in words if word.isidentifier()} == {"people", "pretrain", "finetune", "held_out"}
    assert len([step for step in session.steps if step.offered]) > 50


def test_the_session_is_the_golden_one(session):
    if "TLIMB_REGEN" in os.environ:
        PAGE.write_text(page(session), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(session), "run: make golden"
