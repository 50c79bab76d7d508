"""What the walk accepts the JSON Schema accepts too, and where it does not the gate says so at its place."""

import os
import random
from pathlib import Path

import pytest
from mutating import SPECS, apply, mutations, reread

from tlimb.language import check_values, checking, gate
from tlimb.language.checking import structure
from tlimb.language.loader import MOST_DEPTH
from tlimb.language.source import parse, read
from tlimb.problems import Severity

SEED = int(os.environ.get("TLIMB_SEED", "20260101"))
COUNT = int(os.environ.get("TLIMB_MUTATIONS", "8"))
BEYOND = {"empty-range"}
"""What the walk refuses and no schema can say."""
SPEC = """tlimb: 1
datasets: {a: {files: {bids: {folder: d, suffix: T1w}}}}
stages:
  x: {dataset: a, trainer: {epochs: %s}}
"""


def errors(source, catalogue):
    return [one for one in structure(source, catalogue).problems if one.severity is Severity.ERROR]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_example_passes_the_gate(path, catalogue):
    assert gate.check(read(path), catalogue) == []


def test_the_gate_finds_something_exactly_when_the_walk_does(catalogue):
    dice = random.Random(SEED + 2)
    refused = accepted = 0
    for path in SPECS:
        source = read(path)
        for mutation in mutations(source, dice)[:COUNT]:
            spoiled = reread(apply(source.text, [mutation])[0])
            if spoiled.problems:
                continue
            by_walk = [one for one in errors(spoiled, catalogue) if one.code not in BEYOND]
            by_gate = gate.check(spoiled, catalogue)
            assert bool(by_walk) == bool(by_gate), (path.name, mutation, by_walk, by_gate)
            refused += bool(by_gate)
            accepted += not by_gate
    assert refused > 5 * len(SPECS)
    assert accepted > len(SPECS)


def test_a_walk_that_forgets_the_limits_is_caught_at_the_value(catalogue, monkeypatch):
    source = parse(SPEC % "0", Path("study.yaml"))
    assert [one.code for one in errors(source, catalogue)] == ["out-of-range"]
    monkeypatch.setattr(check_values, "_check_limits", lambda *_: None)
    assert errors(source, catalogue) == []
    (problem,) = gate.check(source, catalogue)
    assert (problem.code, problem.pointer) == ("schema-mismatch", "/stages/x/trainer/epochs")
    assert (problem.place.span.line, problem.place.span.column) == (4, 37)
    assert "0 is less than the minimum of 1" in problem.message
    assert "probably a bug in tlimb" in problem.help[0]


def test_a_walk_that_forgets_unknown_keys_is_caught_at_the_block(catalogue, monkeypatch):
    source = parse(SPEC % "3, epcohs: 4", Path("study.yaml"))
    monkeypatch.setattr(checking, "_unknown_key", lambda *_: None)
    assert errors(source, catalogue) == []
    (problem,) = gate.check(source, catalogue)
    assert (problem.pointer, problem.place.span.line) == ("/stages/x/trainer", 4)
    assert "'epcohs' was unexpected" in problem.message


def test_a_mistake_behind_an_equal_value_that_passed_elsewhere_is_found(catalogue, monkeypatch):
    monkeypatch.setattr(check_values, "_check_limits", lambda *_: None)
    text = SPEC % "3" + "  y: {dataset: a, trainer: {epochs: 3}}\n  z: {dataset: a, trainer: {epochs: 0}}\n"
    (problem,) = gate.check(parse(text, Path("study.yaml")), catalogue)
    assert problem.pointer == "/stages/z/trainer/epochs"
    assert gate.check(parse(text.replace("0", "2"), Path("study.yaml")), catalogue) == []


def test_numbers_truth_values_and_texts_that_look_alike_are_not_taken_for_each_other(catalogue, monkeypatch):
    monkeypatch.setattr(check_values, "wrong_type", lambda *_: None)
    for wrong in ("true", "'1'"):
        text = SPEC % "1" + f"  y: {{dataset: a, trainer: {{epochs: {wrong}}}}}\n"
        (problem,) = gate.check(parse(text, Path("study.yaml")), catalogue)
        assert problem.pointer == "/stages/y/trainer/epochs"


def test_keys_with_slashes_and_tildes_lead_to_their_place(catalogue, monkeypatch):
    monkeypatch.setattr(check_values, "_check_limits", lambda *_: None)
    nested = "{volume_3d: {preprocess: [{my_lab.Step: {'a/b~c': {choice: []}}}]}}"
    source = parse(SPEC % f"3}}, data: {nested}, freeze: {{", Path("study.yaml"))
    assert [one.code for one in errors(source, catalogue)] == ["list-length"]
    (problem,) = gate.check(source, catalogue)
    assert problem.pointer == "/stages/x/data/volume_3d/preprocess/0/my_lab.Step/a~1b~0c/choice"


def test_the_components_that_a_project_adds_are_known_with_their_options(catalogue):
    schema = {"options": {"width": {"schema": {"type": "integer", "minimum": 1}, "required": True}}}
    more = catalogue.with_extra({"architecture": {"my_lab.Net": {"class": "my_lab.Net", **schema}}})
    for width, wrong in ((8, False), (0, True)):
        source = parse(SPEC % f"3}}, architecture: {{my_lab.Net: {{width: {width}}}}}, freeze: {{", Path("study.yaml"))
        assert bool(errors(source, more)) == bool(gate.check(source, more)) == wrong
        assert gate.check(source, catalogue) == []


def test_the_shipped_schema_is_read_where_nothing_is_added(catalogue):
    assert gate.content(catalogue)["$defs"].keys() == gate.content(catalogue.with_extra({}))["$defs"].keys()


def test_the_deepest_values_that_may_be_written_pass(catalogue):
    depth = MOST_DEPTH - 8
    value = "[" * depth + "1" + "]" * depth
    source = parse(f"params: {{p: {value}}}\n" + SPEC % "3", Path("study.yaml"))
    assert not source.problems
    assert gate.check(source, catalogue) == []
