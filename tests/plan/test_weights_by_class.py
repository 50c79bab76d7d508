"""Weights of classes that a study writes one by one, held against the cohort where they stand."""

import pytest
from table_studies import planned, write_cohort

from tlimb.problems import TlimbError

SPEC = """
tlimb: 1
name: weighted
datasets:
  people:
    files: {table: {file: people.tsv, image: "img/{participant_id}.nii.gz"}}
    split: {holdout: {train: 0.5, val: 0.25, test: 0.25, stratify: [diagnosis]}}
stages:
  train:
    dataset: people
    data: {bio_image: {spacing_mm: 8, crop: [4, 4, 4]}}
    architecture: {sfcn: {channels: [4, 8]}}
    objective:
      classification:
        target: diagnosis
        class_weights: WEIGHTS
    optimizer: {adamw: {lr: 1e-3}}
    trainer: {epochs: 1, batch_size: 4}
tests: {held_out: {of: train}}
"""


def plan_of(folder, weights, more=""):
    write_cohort(folder, {"diagnosis": ["AD", "HC", "MCI", "HC"] * 8})
    spec = SPEC.replace("WEIGHTS", weights).replace("    split:", more + "    split:")
    return planned(folder, spec)[0]


def options(plan):
    fits = (node for node in plan.graph if node.kind == "fit")
    return [fit.hashed["heads"][0]["objective"]["options"]["class_weights"] for fit in fits]


def told(folder, weights, more=""):
    with pytest.raises(TlimbError) as raised:
        plan_of(folder, weights, more)
    return [
        (problem.code, problem.message, problem.place.span.line, problem.help)
        for problem in raised.value.problems
        if problem.severity.value == "error"
    ]


def test_weights_by_class_are_in_the_manifest(tmp_path):
    assert options(plan_of(tmp_path, "{AD: 3, HC: 1, MCI: 1.5}")) == [{"AD": 3, "HC": 1, "MCI": 1.5}]


def test_weights_are_compared_with_none_and_with_balanced(tmp_path):
    written = "{compare: {even: none, shares: balanced, ours: {AD: 3, HC: 1, MCI: 1}}}"
    assert options(plan_of(tmp_path, written)) == [None, "balanced", {"AD": 3, "HC": 1, "MCI": 1}]


def test_a_class_that_nobody_has_is_told_at_its_key(tmp_path):
    ((code, message, line, help_),) = told(tmp_path, "{AD: 3, HC: 1, MCL: 1, MCI: 1}")
    assert code == "classes-differ"
    assert message == "`class_weights` has `MCL`, which is no class of `diagnosis`"
    assert line == 16
    assert help_ == ("did you mean `MCI`?",)


def test_a_class_that_is_trained_on_and_not_named_is_told(tmp_path):
    ((code, message, line, help_),) = told(tmp_path, "{AD: 3, HC: 1}")
    assert (code, line, help_) == ("classes-differ", 16, ("add   MCI: 1",))
    assert message == "`class_weights` has nothing for `MCI` of `diagnosis`, which `train` trains on"


def test_a_class_that_the_study_leaves_out_needs_no_weight(tmp_path):
    plan = plan_of(tmp_path, "{AD: 3, HC: 1}", "    only: {diagnosis: [AD, HC]}\n")
    assert options(plan) == [{"AD": 3, "HC": 1}]


def test_classes_of_a_private_label_are_written_into_no_manifest(tmp_path):
    private = "    labels: {diagnosis: {private: true}}\n"
    ((code, message, line, help_),) = told(tmp_path, "{AD: 3, HC: 1, MCI: 1}", private)
    assert (code, line) == ("private-shown", 17)
    assert message == "`diagnosis` is private, and `class_weights` would write its classes into manifests"
    assert help_ == ("write   class_weights: balanced",)
    assert options(plan_of(tmp_path, "balanced", private)) == ["balanced"]


@pytest.mark.parametrize("weights", ["{AD: 0, HC: 1, MCI: 1}", "{AD: much, HC: 1, MCI: 1}", "rare", "[3, 1, 1]"])
def test_what_is_no_weight_is_told_before_any_table_is_read(tmp_path, weights):
    ((code, _, line, _),) = told(tmp_path, weights)
    assert code in ("out-of-range", "wrong-type", "unknown-value", "list-as-value")
    assert line == 16
