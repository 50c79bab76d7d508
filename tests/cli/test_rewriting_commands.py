"""`tlimb fmt`, `upgrade`, `show` and `components` as a person calls them."""

import re
from pathlib import Path

import pytest

from tlimb.cli import run
from tlimb.problems import ExitCode

ROOT = Path(__file__).resolve().parents[2]
UNTIDY = "# mine\nstages: {}\ntlimb: 1\ndatasets: {}   # none yet\n"
TIDY = "# mine\ntlimb: 1\ndatasets: {}   # none yet\nstages: {}\n"


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(UNTIDY)
    return path


def test_fmt_writes_the_stable_form_and_says_so(spec, capsys):
    assert run(["fmt", str(spec)]) == ExitCode.DONE
    assert spec.read_text() == TIDY
    assert "formatted" in capsys.readouterr().out
    assert run(["fmt", "--check", str(spec)]) == ExitCode.DONE


def test_fmt_check_and_diff_write_nothing(spec, capsys):
    assert run(["fmt", "--check", str(spec)]) == ExitCode.FINDINGS
    assert run(["fmt", "--diff", str(spec)]) == ExitCode.DONE
    assert spec.read_text() == UNTIDY
    assert "-stages: {}" in capsys.readouterr().out


def test_fmt_leaves_what_it_cannot_read_and_goes_on_with_the_rest(spec, tmp_path, capsys):
    broken = tmp_path / "broken.yaml"
    broken.write_text("tlimb: [1\n")
    assert run(["fmt", str(broken), str(spec)]) == ExitCode.FINDINGS
    assert broken.read_text() == "tlimb: [1\n"
    assert spec.read_text() == TIDY
    assert "yaml-syntax" in capsys.readouterr().err


def test_upgrade_leaves_a_present_study_alone(spec, capsys):
    assert run(["upgrade", "--check", str(spec)]) == ExitCode.DONE
    assert spec.read_text() == UNTIDY


def test_show_prints_a_study_that_can_be_shown_again(tmp_path, capsys):
    assert run(["show", str(ROOT / "specs" / "shortest.yaml"), "--resolved"]) == ExitCode.DONE
    again = tmp_path / "again.yaml"
    again.write_text(capsys.readouterr().out)
    assert "weight_decay: 0.0  # default" in again.read_text()
    assert run(["validate", str(again)]) == ExitCode.DONE


def test_components_of_one_kind_mark_what_must_be_written_and_give_units(capsys):
    assert run(["components", "data"]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert re.search(r"spacing_mm \*.* mm ", said)


def test_one_component_is_shown_with_source_other_names_and_a_study(capsys):
    assert run(["components", "architecture", "resnet3d"]) == ExitCode.DONE
    said = capsys.readouterr().out
    for part in ("Source: He, Zhang", "resnet18 is resnet3d: {depth: 18}", "depth *", "tlimb: 1", "64"):
        assert part in said


def test_a_component_that_is_not_there_is_a_mistake_of_usage_with_a_suggestion(capsys):
    assert run(["components", "architecture", "resnet3"]) == ExitCode.USAGE
    assert "did you mean resnet3d?" in capsys.readouterr().err
