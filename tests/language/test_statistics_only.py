"""A scenario that trains nothing is known by what its class says, whoever wrote it."""

import pytest

from tlimb.api.load import load

CODE = '''
"""Ours."""
raise RuntimeError("nobody may import this to check a study")
from tlimb.components.contracts import Scenario
from tlimb.components.scenarios.adabn import AdaBN


class Renewed(AdaBN):
    """New statistics, as we like them."""


class Counted(Scenario):
    """Look at images and count them."""

    trains = False


class Trained(AdaBN):
    """New statistics and new weights."""

    trains = True
'''
SPEC = """
tlimb: 1
code: [./]
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
  adapted:
    from: train
    dataset: people
    data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20], intensity: zscore}}
    scenario: SCENARIO
    trainer: {batch_size: 8}
tests: {held_out: {of: adapted}}
"""


def told(folder, scenario):
    (folder / "ours.py").write_text(CODE)
    spec = folder / "study.yaml"
    spec.write_text(SPEC.replace("SCENARIO", scenario))
    return [(one.code, one.message) for one in load(spec).problems]


@pytest.mark.parametrize(
    "scenario", ["adabn", "ours.Renewed", "ours.Counted", "{compare: {a: adabn, b: ours.Renewed}}"]
)
def test_what_trains_nothing_needs_no_objective_optimizer_and_epochs(tmp_path, scenario):
    assert told(tmp_path, scenario) == []


@pytest.mark.parametrize("scenario", ["ours.Trained", "{compare: {a: ours.Renewed, b: supervised}}"])
def test_what_trains_in_some_configuration_needs_them(tmp_path, scenario):
    assert ("missing-key", "`adapted` has no `objective`, `optimizer` and `trainer.epochs`") in told(tmp_path, scenario)
