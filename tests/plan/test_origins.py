"""A run's settings are found where they are written, whatever stands between the stage and the value."""

from pathlib import Path

import pytest

from tlimb.language import lower, source
from tlimb.plan.origins import Origins

SPEC = """\
tlimb: 1
params:
  arch:
    compare:
      small: {sfcn: {channels: [4, 8]}}
      large: {sfcn: {channels: [8, 16]}}
  cut: {choice: [layer3, layer4]}
  recipe:
    compare:
      - {up_to: conv1, name: first}
      - {up_to: bn1, name: second}
datasets:
  clinic: {files: {bids: {folder: data, suffix: T1w}}}
defaults:
  data: {bio_image: {spacing_mm: 8, crop: [8, 8, 8]}}
stages:
  pretrain:
    architecture: {param: arch}
  finetune:
    from: {choice: [pretrain, none]}
    architecture: {resnet3d: {depth: 10}}
    freeze: {up_to: {param: cut}}
  probe:
    like: finetune
    from: {encoder: pretrain}
    freeze:
      up_to: {compare: [none, all]}
  by_recipe:
    like: finetune
    from: finetune
    freeze: {up_to: {param: recipe.up_to}}
"""


@pytest.fixture(scope="module")
def read():
    return source.parse(SPEC, Path("study.yaml"))


def found(read, stage, setting, **labels):
    use = {"stage": stage, "row": {place.replace("__", "/"): text for place, text in labels.items()}}
    origin = Origins(lower.lower(read)).find(use, setting)
    span = read.place(origin.pointer).span
    line = SPEC.splitlines()[span.line - 1]
    written = line[span.column - 1 : span.end_column - 1] if span.line == span.end_line else line.strip()
    return origin, (span.line, span.column, written)


def test_a_default_is_found_where_it_is_written(read):
    assert found(read, "probe", "data")[1] == (15, 9, "{bio_image: {spacing_mm: 8, crop: [8, 8, 8]}}")


def test_an_alternative_of_a_param_is_found_in_the_params(read):
    origin, place = found(read, "pretrain", "architecture", params__arch="large")
    assert place == (6, 14, "{sfcn: {channels: [8, 16]}}")
    assert (origin.stage, origin.text) == ("pretrain", "sfcn channels=8+16")
    assert [read.place(pointer).span.line for pointer in origin.used] == [18]


def test_an_inherited_architecture_is_found_at_the_stage_that_has_it(read):
    labels = {"params__arch": "small", "stages__finetune__from": "pretrain"}
    origin, place = found(read, "by_recipe", "architecture", **labels)
    assert (origin.stage, place[0]) == ("pretrain", 5)


def test_without_a_parent_in_this_configuration_the_stages_own_architecture_counts(read):
    origin, place = found(read, "finetune", "architecture", stages__finetune__from="none")
    assert (origin.stage, place) == ("finetune", (21, 19, "{resnet3d: {depth: 10}}"))


@pytest.mark.parametrize(("text", "column"), [("layer3", 18), ("layer4", 26)])
def test_a_searched_word_is_found_inside_its_list(read, text, column):
    assert found(read, "finetune", "freeze/up_to", params__cut=text)[1] == (7, column, text)


def test_a_compared_word_is_found_in_the_stage(read):
    labels = {"stages__probe__freeze__up_to": "all"}
    assert found(read, "probe", "freeze/up_to", **labels)[1] == (27, 31, "all")


def test_a_field_of_a_record_is_found_in_its_row(read):
    rows = Origins(lower.lower(read)).study.params["recipe"].alternatives
    labels = {"params__recipe": rows[1].label}
    assert found(read, "by_recipe", "freeze/up_to", **labels)[1] == (11, 17, "bn1")


def test_the_slot_of_the_encoder_is_found(read):
    assert found(read, "probe", "from")[1] == (25, 21, "pretrain")


def test_what_is_not_written_is_its_stage(read):
    assert read.place(found(read, "pretrain", "freeze/up_to")[0].pointer).span.line == 18
