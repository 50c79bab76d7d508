"""Planning says who is drawn very often, who is in no group, and which batches are larger than their part."""

import pytest
from table_studies import planned, write_cohort

from tlimb.problems import Severity

SPEC = """
tlimb: 1
name: epochs
datasets:
  people:
    files: {table: {file: people.tsv, image: "img/{participant_id}.nii.gz"}}
    split: {column: {name: part}}
stages:
  train:
    dataset: people
    data: {bio_image: {spacing_mm: 8, crop: [4, 4, 4]}}
    architecture: {sfcn: {channels: [4, 8]}}
    objective: {regression: {target: age}}
    optimizer: {adamw: {lr: 1e-3}}
    SAMPLER
    trainer: {epochs: 1, TRAINER}
tests: {held_out: {of: train, dataset: people}}
"""
SAMPLER = "sampler: {balanced: {by: site}}"


def told(folder, sites, *, sampler=SAMPLER, trainer="batch_size: 4"):
    sites = [*sites, "A", "A", "A", "A"]
    parts = ["train"] * (len(sites) - 4) + ["val"] * 2 + ["test"] * 2
    write_cohort(folder, {"age": [20 + n for n in range(len(sites))], "site": sites, "part": parts})
    text = SPEC.replace("SAMPLER", sampler).replace("TRAINER", trainer)
    plan, _, _ = planned(folder, text)
    return [one for one in plan.problems if one.code in ("drawn-often", "batch-too-large")]


@pytest.mark.parametrize(("many", "times"), [(39, None), (41, "21 times")])
def test_a_group_whose_only_person_is_drawn_more_than_20_times_an_epoch_is_told(tmp_path, many, times):
    found = told(tmp_path, ["A"] * many + ["B"])
    assert [one.severity for one in found] == ([] if times is None else [Severity.WARNING])
    if times is not None:
        assert f"draws the only image of the smallest group by `site` {times} an epoch in `train`" in found[0].message


def test_images_without_the_label_are_told_and_are_no_group(tmp_path):
    # As a group of its own, the one person without a site would fill a third of the epoch.
    (found,) = told(tmp_path, ["A"] * 40 + ["B"] * 40 + ["n/a"])
    assert found.severity is Severity.INFO
    assert found.message.startswith("1 of 81 training images of `train` have no `site`: they come once an epoch each")


def test_groups_that_are_drawn_as_often_as_others_and_no_sampler_say_nothing(tmp_path):
    assert told(tmp_path, ["A"] * 10 + ["B"] * 5) == []
    assert told(tmp_path, ["A"] * 41 + ["B"], sampler="") == []


def test_a_batch_larger_than_the_training_part_is_told_where_it_is_written(tmp_path):
    (found,) = told(tmp_path, ["A"] * 12, sampler="", trainer="batch_size: 13")
    assert found.code == "batch-too-large"
    assert found.severity is Severity.WARNING
    assert "a batch of 13 is more than the 12 images that `train` trains on" in found.message
    line = (tmp_path / "study.yaml").read_text().splitlines()[found.place.span.line - 1]
    assert line[found.place.span.column - 1 :].startswith("13")
    assert told(tmp_path, ["A"] * 12, sampler="", trainer="batch_size: 12") == []


@pytest.mark.parametrize("roles", ["source: many, target: few", "target: few, source: many"])
def test_an_epoch_is_as_long_as_the_source_however_roles_are_written(tmp_path, roles):
    sites = ["A"] * 12 + ["B"] * 4
    columns = {"age": [20 + n for n in range(16)], "site": sites, "part": ["train"] * 14 + ["val", "test"]}
    write_cohort(tmp_path, columns)
    views = "".join(
        f"  {name}: {{like: people, only: {{site: {site}}}}}\n" for name, site in (("many", "A"), ("few", "B"))
    )
    text = SPEC.replace("stages:\n", f"{views}stages:\n").replace(
        "dataset: people\n    data", f"datasets: {{{roles}}}\n    data"
    )
    text = text.replace("SAMPLER", "scenario: domain_adaptation").replace("TRAINER", "batch_size: 4")
    plan, _, _ = planned(tmp_path, text)
    assert not [one.message for one in plan.problems if one.code == "batch-too-large"]
