"""The values of a private number, and what is computed of them alone, stand in no manifest; they still decide it."""

import json

import pytest
from table_studies import planned, write_cohort

SPEC = """
tlimb: 1
name: private
datasets:
  people:
    files: {table: {file: people.tsv, image: "img/{participant_id}.nii.gz"}}
    labels: {score: {private: PRIVATE}}
    split: {holdout: {train: 0.5, val: 0.25, test: 0.25}}
stages:
  train:
    dataset: people
    data: {bio_image: {spacing_mm: 8, crop: [4, 4, 4]}}
    architecture: {sfcn: {channels: [4, 8]}}
    objective: {regression: {target: score}}
    optimizer: {adamw: {lr: 1e-3}}
    trainer: {epochs: 1, batch_size: 4}
tests: {held_out: {of: train, dataset: people}}
"""
SCORES = [20.125 + index * 1.0625 for index in range(16)]


def fit_of(folder, *, private=True, scores=SCORES):
    write_cohort(folder, {"score": scores})
    plan, _, _ = planned(folder, SPEC.replace("PRIVATE", str(private).lower()))
    return plan, next(node for node in plan.graph if node.kind == "fit")


def test_the_scale_of_a_private_number_is_in_no_manifest(tmp_path):
    plan, fit = fit_of(tmp_path)

    facts = fit.hashed["heads"][0]["facts"]
    assert (facts["label"], facts["mean"], facts["sd"]) == ("score", None, None)
    written = json.dumps([node.to_json() for node in plan.graph])
    assert not [score for score in SCORES if str(score) in written]


def test_the_scale_of_a_public_number_is_in_its_manifest(tmp_path):
    _, fit = fit_of(tmp_path, private=False)

    facts = fit.hashed["heads"][0]["facts"]
    assert facts["mean"] == pytest.approx(sum(SCORES) / 16, abs=5)
    assert facts["sd"] > 0


def test_another_value_of_a_private_number_is_another_work(tmp_path):
    _, before = fit_of(tmp_path)
    _, after = fit_of(tmp_path, scores=[score + 1 for score in SCORES])

    assert before.hashed["heads"] == after.hashed["heads"]
    assert before.work != after.work
