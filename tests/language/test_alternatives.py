from pathlib import Path

import pytest

from tlimb.language import lower, source

SPEC = """
tlimb: 1
params: {{low: 0.001, high: 0.002}}
datasets: {{people: {{files: {{bids: {{folder: d, suffix: T1w}}}}}}}}
stages:
  train:
    dataset: people
    optimizer: {optimizer}
"""


def _labels(optimizer):
    study = lower.lower(source.parse(SPEC.format(optimizer=optimizer), Path("spec.yaml")))
    return [one.label for one in study.stages["train"].optimizer.alternatives]


@pytest.mark.parametrize(
    ("optimizer", "labels"),
    [
        ("{compare: [{adamw: {lr: {param: low}}}, {adamw: {lr: {param: high}}}]}", ["adamw lr=low", "adamw lr=high"]),
        ("{compare: [{adamw: {lr: {choice: [1, 2]}}}, {adamw: {lr: {choice: [3, 4]}}}]}", ["adamw", "adamw #2"]),
        ("{choice: [{adamw: {lr: 1e-3}}, {adamw: {lr: 0.001}}]}", ["adamw lr=0.001"]),
        ("{choice: [{adamw: {lr: 1}}, {adamw: {lr: 1.0}}, sgd]}", ["adamw lr=1", "sgd"]),
    ],
)
def test_only_equal_alternatives_are_one(optimizer, labels):
    assert _labels(optimizer) == labels
