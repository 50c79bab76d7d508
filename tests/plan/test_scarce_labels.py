"""A part in which nobody has a value of a label is told when planning, and refused where something hangs on it."""

import pytest
from table_studies import planned, write_cohort

from tlimb.problems import Severity, TlimbError

SPEC = """
tlimb: 1
name: scarce
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
    optimizer: {adamw: {lr: RATE}}
    trainer: {epochs: 1, batch_size: 4, keep: KEEP}
tests: {held_out: {of: train, dataset: people}}
"""
PARTS = ["train"] * 8 + ["val"] * 4 + ["test"] * 4


def scarce(folder, lacking, *, keep="last", rate="1e-3"):
    ages = ["n/a" if part == lacking else 20 + index for index, part in enumerate(PARTS)]
    write_cohort(folder, {"age": ages, "part": PARTS})
    select = "select: {metric: mae}" if "choice" in rate else ""
    plan, _, _ = planned(folder, SPEC.replace("RATE", rate).replace("KEEP", keep) + select)
    return [problem for problem in plan.problems if problem.code == "label-scarce"]


@pytest.mark.parametrize(("keep", "rate"), [("best", "1e-3"), ("last", "{choice: [1e-3, 1e-2]}")])
def test_a_validation_part_without_labels_is_refused_where_something_is_chosen_by_it(tmp_path, keep, rate):
    with pytest.raises(TlimbError) as caught:
        scarce(tmp_path, "val", keep=keep, rate=rate)

    (problem,) = (one for one in caught.value.problems if one.severity is Severity.ERROR)
    assert problem.code == "label-scarce"
    assert "nobody in the validation part of `train` has a value of `age`" in problem.message


def test_a_validation_part_without_labels_that_decides_nothing_is_a_warning(tmp_path):
    (problem,) = scarce(tmp_path, "val")

    assert problem.severity is Severity.WARNING
    assert "validation loss is undefined" in problem.message


def test_a_test_part_without_labels_is_a_warning(tmp_path):
    (problem,) = scarce(tmp_path, "test")

    assert problem.severity is Severity.WARNING
    assert "no metric is defined" in problem.message


def test_a_training_part_without_labels_is_refused(tmp_path):
    with pytest.raises(TlimbError, match="nobody in the training part of `train`"):
        scarce(tmp_path, "train")


def test_labels_everywhere_are_no_problem(tmp_path):
    assert scarce(tmp_path, "", keep="best", rate="{choice: [1e-3, 1e-2]}") == []
