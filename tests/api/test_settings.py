"""How many runs are computed at a time: what is asked for, else what the study's backend `local` says."""

import pytest

from tlimb.api.load import load
from tlimb.api.running import Settings, settled

SPEC = """
tlimb: 1
datasets:
  people: {files: {phantom: {folder: data}}, split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}}
stages:
  train:
    dataset: people
    data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20], intensity: zscore}}
    architecture: {sfcn: {channels: [4, 8]}}
    objective: {regression: {target: age}}
    optimizer: {adamw: {lr: 1e-3}}
    trainer: {epochs: 1, batch_size: 8}
tests: {held_out: {of: train}}
execution:
  backend: {local: {workers: 3}}
  profiles:
    laptop: {backend: {local: {workers: 2}}}
    hpc: {backend: {slurm: {partition: gpu}}}
    bare: {roots: {}}
"""


@pytest.mark.parametrize(
    ("asked", "profile", "workers"),
    [(0, None, 3), (5, None, 5), (0, "laptop", 2), (1, "laptop", 1), (0, "hpc", 0), (0, "bare", 3)],
)
def test_workers_are_those_that_are_asked_for_else_of_the_profile_else_of_the_study(tmp_path, asked, profile, workers):
    spec = tmp_path / "study.yaml"
    spec.write_text(SPEC)
    assert settled(Settings(workers=asked), load(spec), profile).workers == workers
