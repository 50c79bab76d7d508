"""What `tlimb show` writes is the same study: valid, and planned to the same digests."""

from pathlib import Path

import pytest
from conftest_plan import SPECS, TESTS, expand_text, known
from ruamel.yaml import YAML

from tlimb.language import checking, lower, rules, source
from tlimb.language.grammar import grammar
from tlimb.language.rewriting.formatting import formatted
from tlimb.language.rewriting.showing import shown
from tlimb.problems import Severity

PATHS = [*sorted(SPECS.glob("*.yaml")), *sorted((TESTS / "specs").rglob("*.yaml"))]
CATALOGUE = known()
GRAMMAR = grammar(CATALOGUE)


def folds(path):
    expected = TESTS / "expected" / f"{path.stem}.yaml"
    cohorts = YAML(typ="safe").load(expected.read_text()).get("cohorts") if expected.is_file() else None
    groups = {
        name: next(iter(facts["groups"].values())) for name, facts in (cohorts or {}).items() if "groups" in facts
    }
    return groups or dict.fromkeys(("tgt", "consortium", "clinic"), 7)


def errors(read):
    problems = checking.check(read, CATALOGUE)
    problems += rules.check(lower.lower(read), read, CATALOGUE, problems)
    return {(p.code, p.message) for p in problems if p.severity is Severity.ERROR}


def nodes(text, path):
    expansion = expand_text(text, folds(path))
    return {
        work: (node.kind, sorted(gate.select for gate in node.gates)) for work, node in expansion.graph.nodes.items()
    }


@pytest.mark.parametrize("resolved", [False, True], ids=["merged", "resolved"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_shown_study_is_valid_and_plans_to_the_same_digests(path, resolved):
    text = path.read_text(encoding="utf-8")
    read = source.parse(text, Path("spec.yaml"))
    again = shown(read, GRAMMAR, resolved=resolved)
    assert errors(source.parse(again, Path("spec.yaml"))) <= errors(read), again
    assert nodes(again, path) == nodes(text, path), again


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_resolved_study_is_in_the_stable_form_and_has_no_more_defaults(path):
    read = source.parse(path.read_text(encoding="utf-8"), Path("spec.yaml"))
    once = shown(read, GRAMMAR, resolved=True, metrics=("mae",))
    assert formatted(source.parse(once, Path("spec.yaml")), GRAMMAR) == once
    again = shown(source.parse(once, Path("spec.yaml")), GRAMMAR, resolved=True, metrics=("mae",))
    assert "# default\n" not in again


def test_every_default_is_marked_and_nothing_else():
    text = "tlimb: 1\ndatasets: {}\nstages:\n  a:\n    optimizer: {adamw: {lr: 1e-3}}\n    trainer: {epochs: 2}\n"
    again = shown(source.parse(text, Path("spec.yaml")), GRAMMAR, resolved=True)
    assert "weight_decay: 0.0  # default" in again
    assert "lr: 1e-3\n" in again
    assert "epochs: 2\n" in again


def test_what_a_stage_gets_from_elsewhere_says_from_where():
    text = """tlimb: 1
datasets: {}
defaults:
  trainer: {batch_size: 4}
stages:
  a:
    optimizer:
      adamw:
        lr: {choice: [1e-3, 1e-2]}
  b: {like: a, trainer: {epochs: 3}}
"""
    again = shown(source.parse(text, Path("spec.yaml")), GRAMMAR)
    assert "optimizer:  # like a\n" in again
    assert "batch_size: 4  # from defaults\n" in again
    assert "key: stages/a/optimizer/adamw/lr" in again
