"""Datasets that are pooled and share people are warned of; they would be trained on twice."""

import pytest
from table_studies import planned, write_cohort

SPEC = """
tlimb: 1
name: pooled
datasets:
  people:
    files: {table: {file: people.tsv, image: "img/{participant_id}.nii.gz"}}
    split: {column: {name: part}}
  old: {like: people, only: {site: A}}
  new: {like: people, only: {site: B}}
stages:
  train:
    dataset: POOL
    data: {bio_image: {spacing_mm: 8, crop: [4, 4, 4]}}
    architecture: {sfcn: {channels: [4, 8]}}
    objective: {regression: {target: age}}
    optimizer: {adamw: {lr: 1e-3}}
    trainer: {epochs: 1, batch_size: 4}
tests: {held_out: {of: train, dataset: people}}
"""


@pytest.mark.parametrize(("pool", "twice"), [("[old, new]", 0), ("[people, old]", 6), ("[old, old]", 6), ("people", 0)])
def test_images_that_pooled_datasets_share_are_counted(tmp_path, pool, twice):
    parts = ["train"] * 12 + ["val"] * 4 + ["test"] * 4
    write_cohort(tmp_path, {"age": list(range(20, 40)), "part": parts, "site": ["A", "B"] * 10})
    plan, _, _ = planned(tmp_path, SPEC.replace("POOL", pool))

    found = [one.message for one in plan.problems if one.code == "duplicate-images"]
    assert len(found) == (twice > 0)
    assert all(f"reads {twice} of its" in message for message in found)
