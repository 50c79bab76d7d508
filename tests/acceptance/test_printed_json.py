"""What commands print as JSON on real studies, each line and document under its committed schema."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from studies import NESTED, edited

SCHEMAS = Path(__file__).resolve().parents[2] / "schema" / "v1"
OTHER_SITE = {"report": {"metrics": ["balanced_accuracy", "auroc"], "against": "scratch", "by": ["site"]}}


def held(name, text):
    """Return a document that is valid under a schema in both drafts, and no longer with one key more."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    found = json.loads(text)
    for draft in (Draft7Validator, Draft202012Validator):
        assert [f"{error.json_path}: {error.message[:200]}" for error in draft(schema).iter_errors(found)] == []
        assert not draft(schema).is_valid({**found, "more": 1})
    return found


def printed(project):
    """Return what the commands print of a study, by the name of its schema."""
    said = {name: project.tlimb(name, "--format", "json", code=None).stdout for name in ("plan", "rank", "status")}
    return {name: held(name, text) for name, text in said.items()}


def test_a_finished_study_prints_what_the_schemas_describe(finished):
    found = printed(finished)
    states = {run["work"]: run["state"] for run in found["status"]["runs"]}
    assert set(states) == {node["work"] for node in found["plan"]["nodes"]}
    assert set(states.values()) == {"done", "not selected"}
    assert found["status"]["left"]["seconds"] == 0
    assert (found["rank"]["partial"], found["rank"]["missing"]) == (False, [])
    table = finished.tlimb("status").stdout
    for step in found["status"]["steps"]:
        assert any(line.startswith(f"{step['name']} ") for line in table.splitlines())


def test_the_ranking_that_is_written_into_a_folder_is_the_printed_one(finished):
    finished.tlimb("rank", "-o", "out", "--no-pictures")
    written = (finished.folder / "out" / "ranking.json").read_text(encoding="utf-8")
    assert held("rank", written) == held("rank", finished.tlimb("rank", "--format", "json").stdout)


def test_a_study_that_has_not_run_prints_what_the_schemas_describe(fresh):
    found = printed(fresh)
    assert {run["state"] for run in found["status"]["runs"]} == {"queued"}
    assert found["status"]["left"] is None
    assert found["rank"]["partial"]
    assert {one["absent"]["state"] for one in found["rank"]["missing"]} == {"pending"}


def test_groups_of_test_people_and_a_plan_folder_keep_the_schemas(finished):
    finished.edit(OTHER_SITE)
    finished.plan()
    found = held("rank", finished.tlimb("rank", "--format", "json").stdout)
    assert {group["label"] for group in found["groups"]} == {"site"}
    finished.tlimb("plan", "-o", "planned")
    finished.path = Path("planned")
    held("rank", finished.tlimb("rank", "--format", "json").stdout)
    held("status", finished.tlimb("status", "--format", "json").stdout)


def test_folds_and_refits_keep_the_schema_of_plans(fresh):
    fresh.write(NESTED)
    nodes = printed(fresh)["plan"]["nodes"]
    assert any(use.get("refit") for node in nodes for use in node["uses"])
    assert {type(use["fold"]) for node in nodes for use in node["uses"] if "fold" in use} == {str, list}


@pytest.mark.parametrize("words", [("validate",), ("validate", "--data"), ("plan", "--problems", "json")], ids=" ".join)
def test_every_problem_of_a_broken_study_is_a_line_under_the_schema(fresh, words):
    edits = {"/stages/finetune/optimizer": {"adamv": {"lr": 0.1}}, "/tests/held_out/of": ["finetune", "nowhere"]}
    fresh.write(edited(fresh.spec, edits))
    more = ("--format", "json") if words[0] == "validate" else ()
    done = fresh.tlimb(*words, *more, code=1)
    lines = [held("problems", line) for line in (done.stdout + done.stderr).splitlines()]
    assert {line["code"] for line in lines} >= {"unknown-optimizer", "unknown-stage"}
