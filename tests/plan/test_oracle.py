"""Target labels choose only where a study owns up to it, and then they are there to choose by."""

import pytest
from table_studies import planned, write_cohort

from tlimb.cohorts.view import read_view
from tlimb.problems import Severity, TlimbError

SPEC = """
tlimb: 1
name: oracle
datasets:
  people:
    files: {table: {file: people.tsv, image: "img/{participant_id}.nii.gz"}}
    split: {column: {name: part}}
  old: {like: people, only: {site: A}}
  new: {like: people, only: {site: B}}
stages:
  adapt:
    datasets: {source: old, target: new}
    data: {bio_image: {spacing_mm: 8, crop: [4, 4, 4]}}
    architecture: {sfcn: {channels: [4, 8]}}
    objective: {regression: {target: age}}
    scenario: domain_adaptation
    optimizer: {adamw: {lr: {choice: [1e-3, 1e-2]}}}
    trainer: {epochs: 1, batch_size: 4}
tests: {held_out: {of: adapt, dataset: new}}
select: {metric: mae, SELECT}
"""
PARTS = ["train"] * 8 + ["val"] * 8 + ["test"] * 4


def labels_seen(folder, select, ages=range(20, 40)):
    """Plan the study; give role and part -> the labels that the training's rows have."""
    write_cohort(folder, {"age": list(ages), "part": PARTS, "site": ["A", "B"] * 10})
    plan, _, place = planned(folder, SPEC.replace("SELECT", select))
    fit = next(node for node in plan.graph if node.kind == "fit")
    return {
        (role, part): {label for row in read_view(place.private, view)["rows"] for label in row["labels"]}
        for role, parts in fit.hashed["views"].items()
        for part, view in parts.items()
    }


def test_without_an_oracle_no_row_of_the_target_has_a_label(tmp_path):
    seen = labels_seen(tmp_path, "role: source")

    assert seen["source", "train"] == seen["source", "val"] == {"age"}
    assert seen["target", "train"] == seen["target", "val"] == set()


def test_with_an_oracle_the_target_s_validation_people_have_labels_and_those_it_trains_on_have_none(tmp_path):
    seen = labels_seen(tmp_path, "role: target, oracle: true")

    assert seen["target", "train"] == set()
    assert seen["target", "val"] == {"age"}


def test_an_oracle_that_knows_nobody_is_refused(tmp_path):
    known = [age if place % 2 == 0 or PARTS[place] != "val" else "n/a" for place, age in enumerate(range(20, 40))]
    with pytest.raises(TlimbError) as caught:
        labels_seen(tmp_path, "role: target, oracle: true", known)

    assert [one.code for one in caught.value.problems if one.severity is Severity.ERROR] == ["label-scarce"]
