"""Which commands typer is given to read."""

import subprocess
import sys

import pytest
from typer.main import get_command

from tlimb.backends.plan_folder import place_of_manifests
from tlimb.cli import run
from tlimb.cli.app import application
from tlimb.cli.commands import MODULES, NO_COMMANDS
from tlimb.project import Asked


def commands(word=""):
    return get_command(application(word)).commands


@pytest.mark.parametrize("name", [name for name in MODULES if name not in NO_COMMANDS])
def test_a_command_that_is_named_alone_is_the_one_among_all(name):
    alone, every = commands(name), commands()
    assert name in alone
    assert alone.keys() <= every.keys()
    assert [p.opts for p in alone[name].params] == [p.opts for p in every[name].params]


@pytest.mark.parametrize("word", ["", "--help", "doctor", "predictions", "valdate", "care"])
def test_any_other_word_is_held_against_all_commands(word):
    assert commands(word).keys() == commands().keys()


def test_a_wrong_command_is_told_of_the_right_one(capsys):
    assert run(["valdate"]) == 64
    assert "validate" in capsys.readouterr().err


def test_a_command_imports_no_other_command():
    code = "import sys; from tlimb.cli import run; run(['validate', '-h']); print(*sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    imported = [name for name in shown.splitlines()[-1].split() if name.startswith("tlimb.cli.commands.")]
    assert imported == ["tlimb.cli.commands.validate"]


def test_init_is_told_a_folder_and_not_the_name_of_a_study(tmp_path, capsys):
    assert run(["init", str(tmp_path / "mine.yaml")]) == 64
    assert "is to be a folder" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_manifests_find_their_roots_in_the_file_of_this_machine(tmp_path, monkeypatch):
    (tmp_path / ".tlimb").mkdir()
    (tmp_path / ".tlimb" / "roots.yaml").write_text("scans: images\nstore: results\n")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    found = place_of_manifests(tmp_path / "a.json", Asked())
    assert (found.roots["scans"], found.store) == (tmp_path / "images", tmp_path / "results")
    asked = place_of_manifests(tmp_path / "a.json", Asked(roots={"scans": tmp_path}))
    assert asked.roots["scans"] == tmp_path
