"""Options of one component that exclude each other are told at their place, without making the component."""

import pytest

from tlimb.api.load import load
from tlimb.problems import Severity

STUDY = """tlimb: 1
datasets:
  clinic: {files: {bids: {folder: data/clinic, suffix: T1w}}, split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}}
params: {few: 5, bad: 7}
stages:
  train:
    dataset: clinic
    data: DATA
    architecture: ARCHITECTURE
    objective: OBJECTIVE
    optimizer: OPTIMIZER
    trainer: {epochs: 2, batch_size: 8}
tests: {held_out: {of: train}}
SEARCH
"""
PLAIN = {
    "DATA": "{bio_image: {spacing_mm: 8, crop: [20, 24, 20]}}",
    "ARCHITECTURE": "{resnet3d: {depth: 10}}",
    "OBJECTIVE": "{regression: {target: age}}",
    "OPTIMIZER": "{adamw: {lr: 1e-3}}",
    "SEARCH": "",
}
BINS = "{soft_bins: {target: age, low: 40, high: 80, width: 3}}"


def told(folder, catalogue, **changes):
    text = STUDY
    for key, value in {**PLAIN, **changes}.items():
        text = text.replace(key, value)
    spec = folder / "study.yaml"
    spec.write_text(text)
    problems = [p for p in load(spec, catalogue).problems if p.severity is Severity.ERROR]
    lines = text.split("\n")
    return [
        (p.code, lines[(s := p.place.span).line - 1][s.column - 1 : s.end_column - 1], p.message, p.help)
        for p in problems
    ]


@pytest.mark.parametrize(
    ("changes", "value", "message"),
    [
        ({"OBJECTIVE": BINS}, "3", "`width` must divide `low: 40` to `high: 80` into 2 parts or more"),
        ({"OBJECTIVE": BINS.replace("80", "40").replace("3", "1")}, "40", "`low` must be below `high: 40`; this is 40"),
        (
            {"DATA": "{volume_3d: {preprocess: [canonical, {clip: {low_percent: 99.5}}]}}"},
            "99.5",
            "below `high_percent: 99`",
        ),
        ({"DATA": "{volume_3d: {preprocess: [{clip: {high_percent: 0.5}}]}}"}, "0.5", "below `high_percent: 0.5`"),
        ({"DATA": "{volume_3d: {preprocess: [{min_max: {low: 2, high: 1}}]}}"}, "2", "`low` must be below `high: 1`"),
        ({"ARCHITECTURE": "{vit3d: {width: 100}}"}, "100", "`width` must be a multiple of `heads: 12`; this is 100"),
        ({"ARCHITECTURE": "{vit3d: {heads: {param: few}}}"}, "5", "`width` must be a multiple of `heads: 5`"),
        ({"ARCHITECTURE": "{swin3d: {heads: 7}}"}, "7", "`feature_size` must be a multiple of `heads: 7`"),
        ({"ARCHITECTURE": "{sfcn: {kernel: 4}}"}, "4", "`kernel` must be odd; this is 4"),
        ({"OPTIMIZER": "{sgd: {lr: 0.1, momentum: 0, nesterov: true}}"}, "true", "needs a `momentum` above 0"),
    ],
)
def test_a_value_that_does_not_fit_another_is_told_where_it_stands(tmp_path, catalogue, changes, value, message):
    (found,) = told(tmp_path, catalogue, **changes)
    assert found[:2] == ("out-of-range", value)
    assert message in found[2]
    assert found[3]


@pytest.mark.parametrize(
    "changes",
    [
        {"OBJECTIVE": BINS.replace("3}", "2.5}")},
        {"OBJECTIVE": "{soft_bins: {target: age, low: 0.1, high: 0.7, width: 0.1}}"},
        {"ARCHITECTURE": "{vit3d: {width: 100, heads: 10}}"},
        {"ARCHITECTURE": "{sfcn: {kernel: 5}}"},
        {"DATA": "{volume_3d: {preprocess: [{clip: {low_percent: 5, high_percent: 95}}]}}"},
    ],
)
def test_values_that_fit_are_no_problem(tmp_path, catalogue, changes):
    assert told(tmp_path, catalogue, **changes) == []


def test_of_a_choice_only_what_fits_nothing_is_told(tmp_path, catalogue):
    search = "search: grid\nselect: {metric: mae}"
    (found,) = told(tmp_path, catalogue, ARCHITECTURE="{vit3d: {width: {choice: [96, 100]}}}", SEARCH=search)
    assert found[1] == "100"
    # 100 fits 10 heads and 96 fits 12: combinations that do not fit are the run's to tell.
    some = "{vit3d: {width: {choice: [96, 100]}, heads: {choice: [12, 10]}}}"
    assert told(tmp_path, catalogue, ARCHITECTURE=some, SEARCH=search) == []


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        ("{slices_2d: {axis: sagittal, augment: [flip]}}", False),
        ("{slices_2d: {axis: sagittal, augment: [noise]}}", True),
        ("{slices_2d: {axis: coronal, augment: [flip]}}", True),
        ("{slices_2d: {augment: [flip]}}", True),
        ("{crop_center: {size: [8, 8, 8], augment: [flip]}}", False),
    ],
)
def test_mirroring_what_has_no_left_is_told_at_the_augmentation(tmp_path, catalogue, data, fits):
    found = told(tmp_path, catalogue, DATA=data, ARCHITECTURE="{timm: {model: resnet18}}")
    found = [one for one in found if one[0] == "combination"]
    assert [one[1] for one in found] == ([] if fits else ["flip"])
