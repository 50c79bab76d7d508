"""What `--format json` writes of every example of every page is what its schema describes."""

import copy
import json
from pathlib import Path

import pytest

from tests.diagnostics.conftest import cases, problems_of
from tlimb.manifest.faults import checker
from tlimb.problems import Place, Problem, Related, Severity, Span
from tlimb.problems.machine import as_data, json_lines

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "schema" / "v1" / "problems.json").read_text(encoding="utf-8")
)
FAULTS = checker(SCHEMA)
CASES = [case for case in cases() if case.kind == "wrong" and case.page.tier != "data"]
PLACE = Place("study.yaml", Span(3, 5, 4, 1))


def faults(value):
    return [str(fault) for fault in FAULTS(value)]


def test_every_wrong_study_of_the_pages_gives_lines_that_fit_the_schema(components, tmp_path):
    related = 0
    for case in CASES:
        for line in json_lines(problems_of(case, components, tmp_path), tmp_path).splitlines():
            assert faults(json.loads(line)) == [], case.name
            related += len(json.loads(line)["related"])
    assert len(CASES) > 100
    assert related > 10


@pytest.mark.parametrize("severity", Severity)
def test_a_problem_of_each_severity_with_and_without_places_fits_the_schema(severity):
    for place in (None, PLACE):
        related = Related("/params/lr", "used here", place=place)
        found = as_data(Problem("x", "wrong", severity=severity, help="mend it", related=[related], place=place))
        assert faults(json.loads(json.dumps(found))) == []


@pytest.mark.parametrize("path", [(), ("related", 0)], ids=["line", "related"])
def test_a_key_more_or_a_key_less_does_not_fit(path):
    related = Related("/params/lr", "used here", place=PLACE)
    found = json.loads(json.dumps(as_data(Problem("x", "wrong", related=[related], place=PLACE))))
    whole = copy.deepcopy(found)
    at = found
    for step in path:
        at = at[step]
    for key in list(at):
        kept = at.pop(key)
        assert faults(found), f"nothing said that {key} is missing"
        at[key] = kept
    assert found == whole
    at["more"] = 1
    assert faults(found) == ["".join(f"/{step}" for step in path) + "/more: unknown key"]
