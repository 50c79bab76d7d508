"""A search entry that was moved or renamed draws anew; the plan says so while it can still be helped."""

import json
from pathlib import Path

import pytest

from tests.diagnostics.conftest import BASE, people
from tlimb.api.load import load
from tlimb.api.planning import make_plan, remember
from tlimb.language import lower, source
from tlimb.plan.diff import drawn, moved_draws
from tlimb.project import Asked, project

SEARCH = "search: {random: {count: 3}}\nselect: {metric: auroc}\n"
HERE = "stages:\n  train: {optimizer: {adamw: {lr: {log_uniform: [1e-4, 1e-2]}}}}\n"
NAMED = """params: {rate: {log_uniform: [1e-4, 1e-2]}}
stages:
  train: {optimizer: {adamw: {lr: {param: rate}}}}
"""
OLD = "stages/train/optimizer/adamw/lr"


def study(sections: str) -> str:
    rest = "".join(text for key, text in BASE.items() if key != "stages")
    return sections + SEARCH + rest


def lowered(sections: str):
    return lower.lower(source.parse(study(sections), Path("study.yaml")))


@pytest.fixture
def before() -> dict[str, str]:
    return {place: sign for place, (sign, _) in drawn(lowered(HERE)).items()}


def test_a_renamed_search_entry_is_told_with_the_key_that_keeps_its_draws(before):
    (problem,) = moved_draws(lowered(NAMED), before)

    assert problem.code == "draws-moved"
    assert problem.severity == "warning"
    assert "3 draws are new" in problem.message
    assert problem.help == (f"to keep the old draws and what was computed with them, add beside it   key: {OLD}",)


def test_the_key_of_the_help_silences_it(before):
    kept = NAMED.replace("[1e-4, 1e-2]}", f"[1e-4, 1e-2], key: {OLD}}}")

    assert moved_draws(lowered(kept), before) == []


def test_another_interval_is_another_search(before):
    assert moved_draws(lowered(NAMED.replace("1e-2", "1e-1")), before) == []


def test_an_unchanged_study_moved_nothing(before):
    assert moved_draws(lowered(HERE), before) == []


def test_planning_compares_with_the_study_that_ran_last(tmp_path):
    people(tmp_path, {})
    spec = tmp_path / "study.yaml"
    spec.write_text(study(HERE))
    loaded = load(spec)
    place = project(loaded.sound(), spec, Asked())
    remember(make_plan(loaded, place), place, loaded)
    assert OLD in json.loads((place.private / "plans" / "study.json").read_text())["draws"]

    spec.write_text(study(NAMED))
    loaded = load(spec)
    (problem,) = [p for p in make_plan(loaded, place).problems if p.code == "draws-moved"]

    assert problem.place.span.line == 1
