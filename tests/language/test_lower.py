"""Lowering takes what was written and nothing else, whatever shape it has."""

from pathlib import Path

import pytest

from tlimb.language import lower, model
from tlimb.language.source import parse
from tlimb.language.values import Choice, Component


def study(text):
    return lower.lower(parse(text, Path("lab/study.yaml")))


def test_a_lone_scalar_is_the_block_that_it_is_short_for():
    found = study("replicates: 3\ndatasets: {a: {labels: {sex: gender, age: none}}}\ntests: {t: {of: train}}\n")
    assert found.replicates.count == 3
    assert [label.column for label in found.datasets["a"].labels.values()] == ["gender", "none"]
    assert found.datasets["a"].labels["sex"].pointer == "/datasets/a/labels/sex"
    assert found.tests["t"].of == ("train",)


def test_unknown_keys_never_reach_what_only_lowering_fills_in():
    found = study("folder: x\nstages: {a: {name: b, origins: 3, pointer: c, split_place: d}}\n")
    stage = found.stages["a"]
    assert (found.folder, stage.name, stage.pointer, stage.origins.get("name")) == (
        "lab",
        "a",
        "/stages/a",
        "/stages/a/name",
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [("replicates: [x]", "replicates"), ("execution: 3", "execution"), ("report: none", "report")],
)
def test_a_block_of_the_wrong_shape_is_empty(text, where):
    made = getattr(study(text + "\n"), where)
    assert type(made) in (model.Replicates, model.Execution, model.Report)


def test_missing_required_keys_are_empty_values():
    found = study("pretrained: {w: {}}\ntests: {t: {}}\nselect: {}\ndatasets: {a: {join: [3]}}\n")
    assert found.tlimb is None
    assert (found.stages, found.tests["t"].of, found.select.metric) == ({}, (), "")
    assert (found.pretrained["w"].file, found.datasets["a"].join[0].file) == ("", "")


def test_one_component_is_a_list_of_one_where_several_may_stand():
    found = study("stages: {a: {auxiliary: mixup}, b: {auxiliary: [mixup, {noise: {sd: 1}}]}, c: {auxiliary: none}}\n")
    names = {name: [one.name for one in stage.auxiliary or ()] for name, stage in found.stages.items()}
    assert names == {"a": ["mixup"], "b": ["mixup", "noise"], "c": []}


def test_what_varies_keeps_its_place_and_parents_are_read_by_role():
    found = study("stages: {a: {from: {encoder: x, teacher: {choice: [y, none]}}, freeze: {up_to: {choice: [all]}}}}\n")
    slots = found.stages["a"].from_
    assert slots["encoder"] == "x"
    assert isinstance(slots["teacher"], Choice)
    assert slots["teacher"].place == "stages/a/from/teacher"
    assert found.stages["a"].freeze.up_to.place == "stages/a/freeze/up_to"
    assert isinstance(study("search: random\n").search, Component)
