import json
from pathlib import Path

import jsonschema
import pytest

from tlimb.problems import Place, Problem, Related, Severity, Span
from tlimb.problems.machine import github, json_lines
from tlimb.problems.sarif import log, repository

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
PLACE = Place("specs/ä b.yaml", Span(3, 5, 3, 9))


def mistake(**more):
    known = {
        "code": "list-as-value",
        "message": "`lr` is one number; this is a list of 2",
        "pointer": "/defaults/optimizer",
        "help": "write `choice`",
        "note": "a fact",
        "place": PLACE,
    }
    return Problem(**{**known, **more})


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_line_of_json_holds_all_that_is_known_of_a_problem(base):
    related = Related("/params/lr", "used here", place=Place("specs/ä b.yaml", Span(1, 1, 2, 4)))

    (line,) = json_lines([mistake(related=[related])], base).splitlines()

    assert json.loads(line) == {
        "code": "list-as-value",
        "severity": "error",
        "message": "`lr` is one number; this is a list of 2",
        "help": ["write `choice`"],
        "note": ["a fact"],
        "file": "specs/ä b.yaml",
        "line": 3,
        "column": 5,
        "end_line": 3,
        "end_column": 9,
        "pointer": "/defaults/optimizer",
        "related": [
            {
                "message": "used here",
                "file": "specs/ä b.yaml",
                "line": 1,
                "column": 1,
                "end_line": 2,
                "end_column": 4,
                "pointer": "/params/lr",
            }
        ],
    }


def test_a_problem_without_a_place_has_the_same_keys(base):
    plain, placed = (json.loads(json_lines([mistake(place=place)], base)) for place in (None, PLACE))

    assert plain.keys() == placed.keys()
    assert plain["file"] is plain["line"] is None


def test_files_are_named_relative_to_the_base_and_others_as_they_were(base):
    inside = mistake(place=Place(str(base / "a.yaml"), PLACE.span))
    outside = mistake(place=Place("/elsewhere/a.yaml", PLACE.span))

    found = [json.loads(line)["file"] for line in json_lines([inside, outside], base).splitlines()]

    assert found == ["a.yaml", "/elsewhere/a.yaml"]


def test_a_github_annotation_escapes_what_would_end_it(base):
    problem = mistake(message="50%: a, b\nc", place=Place("a,b:c.yaml", PLACE.span), help=())

    assert github([problem], base) == (
        "::error file=a%2Cb%3Ac.yaml,line=3,endLine=3,col=5,endColumn=8,title=tlimb list-as-value::50%25: a, b%0Ac\n"
    )


@pytest.mark.parametrize(("severity", "word"), [("warning", "warning"), ("info", "notice")])
def test_a_github_annotation_says_how_bad_it_is(severity, word):
    assert github([mistake(severity=Severity(severity))]).startswith(f"::{word} ")


def test_a_github_annotation_over_several_lines_has_no_columns(base):
    text = github([mistake(place=Place("a.yaml", Span(3, 5, 4, 2)))], base)

    assert "line=3,endLine=4" in text
    assert "col" not in text.partition("::list")[0].replace("list-as-value", "").partition("title")[0]


@pytest.fixture(scope="module")
def sarif():
    return jsonschema.Draft4Validator(json.loads((FIXTURES / "sarif-2.1.0.json").read_text()))


def test_a_log_is_valid_sarif(base, sarif):
    related = Related("/params/lr", "used here", place=PLACE)
    problems = [
        mistake(related=[related]),
        mistake(severity=Severity.INFO, place=None),
        mistake(code="no-such-page", severity=Severity.WARNING),
    ]

    made = log(problems, "0.1.0", base, "https://example.org/tlimb")

    assert list(sarif.iter_errors(made)) == []
    run = made["runs"][0]
    assert [result["level"] for result in run["results"]] == ["error", "note", "warning"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    rule = next(rule for rule in rules if rule["id"] == "list-as-value")
    assert rule["helpUri"] == "https://example.org/tlimb/blob/main/docs/diagnostics/list-as-value.md"
    assert rule["help"]["markdown"].startswith("# list-as-value")


def test_an_empty_log_is_valid_sarif_too(base, sarif):
    assert list(sarif.iter_errors(log([], "0.1.0", base))) == []


def test_sarif_addresses_are_relative_to_the_repository_and_quoted(base):
    (base / ".git").mkdir()
    (base / "deep").mkdir()
    place = Place(str(base / "specs" / "ä b.yaml"), PLACE.span)

    result = log([mistake(place=place)], "0.1.0", repository(base / "deep"))["runs"][0]["results"][0]

    where = result["locations"][0]["physicalLocation"]
    assert where["artifactLocation"] == {"uri": "specs/%C3%A4%20b.yaml", "uriBaseId": "%SRCROOT%"}
    assert where["region"] == {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9}
