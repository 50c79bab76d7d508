"""A teacher whose outputs cannot be learned, because no head is common, is told when planning."""

import pytest
from table_studies import planned, write_cohort

from tlimb.problems import TlimbError

SPEC = """
tlimb: 1
name: taught
datasets:
  people:
    files: {table: {file: people.tsv, image: "img/{participant_id}.nii.gz"}}
    split: {column: {name: part}}
defaults:
  dataset: people
  data: {bio_image: {spacing_mm: 8, crop: [4, 4, 4]}}
  architecture: {sfcn: {channels: [4, 8]}}
  optimizer: {adamw: {lr: 1e-3}}
  trainer: {epochs: 1, batch_size: 4}
stages:
  old: {objective: {regression: {target: age}}}
  new: {from: {teacher: old}, objective: {regression: {target: TARGET}}, auxiliary: {distill: {match: MATCH}}}
tests: {held_out: {of: new}}
"""
PARTS = ["train"] * 8 + ["val"] * 4 + ["test"] * 4


def plan_of(folder, target, match):
    write_cohort(folder, {"age": list(range(20, 36)), "score": list(range(16)), "part": PARTS})
    return planned(folder, SPEC.replace("TARGET", target).replace("MATCH", match))[0]


def test_outputs_of_a_teacher_without_a_common_head_are_refused_at_the_auxiliary(tmp_path):
    with pytest.raises(TlimbError) as caught:
        plan_of(tmp_path, "score", "outputs")

    (problem,) = (one for one in caught.value.problems if one.code == "heads-differ")
    assert problem.message == "`distill`: the teacher `old` has no head of `new`, only `age`"
    assert problem.place.span.line == 16
    assert "match: features" in problem.help[0]


@pytest.mark.parametrize(("target", "match"), [("age", "outputs"), ("score", "features")])
def test_a_common_head_or_features_need_nothing(tmp_path, target, match):
    assert not [one for one in plan_of(tmp_path, target, match).problems if one.code == "heads-differ"]
