"""A study is written by completion alone from what `tlimb init` wrote; docs/editor-session.md is the record of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typist import Step, Typist

from tlimb import validate
from tlimb.editor.editor_files import refresh
from tlimb.language.source import read

PAGE = Path(__file__).resolve().parents[2] / "docs" / "editor-session.md"
INTRODUCTION = """# A study written by completion alone

The record of a session with yaml-language-server, the server behind YAML in VS Code, Neovim and Emacs. It begins with
the file that `tlimb init` writes, and makes another study of it: a control without pretraining, a penalty compared
with none, a searched learning rate, and a report. `▸` stands before what was picked from the list that was offered;
what is typed are names and numbers, which nobody else can know, and Enter. After the stages are named the file is
saved and `tlimb validate` run, which refreshes `.tlimb/schema.json`: from then on the new stage is offered as well.
`make golden` records the session anew; a test replays it.

"""


def write(typist, save):
    """Write the study; `save` stands for saving the file and running `tlimb validate`."""
    pick, kind, line, below, enter = typist.pick, typist.type, typist.line, typist.below, typist.enter
    below("tlimb: 1", 0), pick("seed"), kind("7")
    below("adamw: {lr: 1e-3}", 2), pick("scheduler"), pick("one_cycle")
    below("target: sex", 4), pick("auxiliary"), pick("compare"), pick("none")
    below("- none", 8), kind("- "), pick("l2_sp"), kind("0.1")
    below("alpha: 0.1", 4), pick("optimizer"), pick("adamw"), enter(10), pick("choice"), kind("1e-3")
    enter(12), kind("- 1e-2")
    below("- 1e-2", 2), kind("scratch:")
    enter(4), pick("like"), pick("finetune")
    enter(4), pick("from"), pick("none")
    enter(4), pick("auxiliary"), typist.back(), pick("none")
    save()
    line(2), kind("control:"), enter(4), pick("of"), pick("scratch")
    line(0), pick("select"), pick("auroc")
    line(0), pick("report"), pick("metrics"), pick("auroc")
    enter(4), kind("- "), pick("balanced_accuracy")
    enter(2), pick("against"), pick("scratch")


@pytest.fixture(scope="module")
def session(server, tmp_path_factory):
    """The typist after the study is written."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "data" / "brains").mkdir(parents=True)
    (folder / "data" / "brains" / "participants.tsv").write_text("participant_id\tage\tsex\tsite\n")
    subprocess.run([sys.executable, "-m", "tlimb", "init"], cwd=folder, check=True, capture_output=True)
    path = folder / "study.yaml"
    text = path.read_text(encoding="utf-8").rstrip("\n")
    typist = Typist(server, path, text, len(text))

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
    assert {word for word in words if word.isidentifier()} == {"scratch", "control"}
    assert len([step for step in session.steps if step.offered]) > 20


def test_the_session_is_the_golden_one(session):
    if "TLIMB_REGEN" in os.environ:
        PAGE.write_text(page(session), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(session), "run: make golden"
