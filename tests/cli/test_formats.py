"""The forms in which commands write problems, and the pages that explain them."""

import json
from pathlib import Path

import jsonschema
import pytest

from tlimb.cli import run
from tlimb.cli.show import colors

ROOT = Path(__file__).resolve().parents[2]
BROKEN = (ROOT / "specs" / "shortest.yaml").read_text().replace("optimizer:", "optimiser:")


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(BROKEN)
    return "study.yaml"


def test_validate_writes_a_line_of_json_for_each_problem_and_nothing_else(spec, capsys):
    assert run(["validate", spec, "--format", "json"]) == 1

    said = capsys.readouterr()
    found = [json.loads(line) for line in said.out.splitlines()]
    assert ("unknown-key", "study.yaml") in [(one["code"], one["file"]) for one in found]
    assert said.err == ""


def test_a_file_that_is_not_there_is_a_line_of_json_and_the_others_are_still_checked(spec, capsys):
    assert run(["validate", "absent.yaml", spec, "--format", "json"]) == 64

    codes = [json.loads(line)["code"] for line in capsys.readouterr().out.splitlines()]
    assert codes[0] == "file-missing"
    assert "unknown-key" in codes


def test_validate_writes_one_sarif_log_for_all_specs(spec, capsys):
    Path("second.yaml").write_text(BROKEN)

    assert run(["validate", spec, "second.yaml", "--format", "sarif"]) == 1

    log = json.loads(capsys.readouterr().out)
    jsonschema.Draft4Validator(json.loads((ROOT / "tests/fixtures/sarif-2.1.0.json").read_text())).validate(log)
    (one,) = log["runs"]
    files = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in one["results"]}
    assert files == {"study.yaml", "second.yaml"}


def test_validate_writes_annotations_for_github(spec, capsys):
    assert run(["validate", spec, "--format", "github"]) == 1

    assert "::error file=study.yaml,line=" in capsys.readouterr().out


def test_plan_writes_the_problems_that_stop_it_in_the_form_asked_for(spec, capsys):
    assert run(["plan", spec, "--problems", "json"]) == 1

    said = capsys.readouterr()
    assert "unknown-key" in [json.loads(line)["code"] for line in said.err.splitlines()]
    assert said.out == ""


def test_an_unknown_form_is_a_mistake_of_usage(spec, capsys):
    assert run(["validate", spec, "--format", "xml"]) == 64
    assert "text, json, sarif, github" in capsys.readouterr().err


def test_a_valid_spec_gives_no_line_of_json(capsys):
    assert run(["validate", str(ROOT / "specs" / "shortest.yaml"), "--format", "json"]) == 0
    assert capsys.readouterr().out == ""


class Terminal:
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("environment", "stream", "wanted"),
    [
        ({}, Terminal(), True),
        ({}, object(), False),
        ({"NO_COLOR": "1"}, Terminal(), False),
        ({"NO_COLOR": ""}, Terminal(), True),
        ({"FORCE_COLOR": "1"}, object(), True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, Terminal(), False),
    ],
)
def test_colours_are_for_terminals_and_follow_what_the_user_asked_for(environment, stream, wanted, monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert colors(stream) is wanted


def test_explain_prints_the_page_of_a_code_also_as_it_was_shown(capsys):
    assert run(["explain", "error[list-as-value]"]) == 0
    assert capsys.readouterr().out.startswith("# list-as-value")


def test_explain_lists_all_codes(capsys):
    assert run(["explain"]) == 0
    assert "list-as-value" in capsys.readouterr().out


def test_explain_of_an_unknown_code_says_which_was_meant(capsys):
    assert run(["explain", "list-as-valeu"]) == 64
    assert "did you mean `list-as-value`?" in capsys.readouterr().err
