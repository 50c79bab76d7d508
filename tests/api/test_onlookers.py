"""Observers and loggers of `execution`: what runs are handed, from a study or from the folder of its plan."""

import json

import pytest

from tlimb.api import onlookers
from tlimb.api.load import load
from tlimb.api.planning import rank_request
from tlimb.plan.plan import Plan

STUDY = """
tlimb: 1
code: [./]
datasets:
  people: {files: {bids: {folder: b, suffix: T1w}}, split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}}
stages:
  train:
    dataset: people
    data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20]}}
    architecture: {sfcn: {channels: [4, 8]}}
    objective: {regression: {target: age}}
    optimizer: {adamw: {lr: 1e-3}}
    trainer: {epochs: 1, batch_size: 8}
    CALLBACKS
execution: {EXECUTION}
"""
MONITOR = "lightning.pytorch.callbacks.LearningRateMonitor"
CSV = {"class": "tlimb.components.loggers.csv.Csv", "options": {"save_dir": None}, "revision": 1}
HOOKS = '''"""Ours."""

from lightning.pytorch.callbacks import Timer

open("imported.txt", "w")


class Watch(Timer):
    """Stop in time."""
'''


def loaded(folder, execution="", callbacks=""):
    spec = folder / "study.yaml"
    spec.write_text(STUDY.replace("EXECUTION", execution).replace("CALLBACKS", callbacks))
    return load(spec)


def codes(folder, **written):
    return [(one.code, one.pointer) for one in loaded(folder, **written).problems]


def test_what_a_study_names_is_handed_on_as_components(tmp_path):
    found = loaded(tmp_path, f"observers: [{MONITOR}: {{log_momentum: true}}], loggers: [csv]")
    looking = onlookers.of_study(found.sound().execution, found.catalogue)
    assert looking.observers == ({"class": MONITOR, "options": {"log_momentum": True}, "revision": 0},)
    assert looking.loggers == (CSV,)
    assert looking.classes == (MONITOR, CSV["class"])


def test_a_plan_carries_them_to_the_runs_of_its_manifests(tmp_path):
    found = loaded(tmp_path, "loggers: [csv]")
    request = rank_request(Plan(found.sound(), None), found)
    assert request["loggers"] == [CSV]
    assert "observers" not in request
    folder = tmp_path / "project" / "plan"
    manifest = folder / "manifests" / "train" / "one.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    (folder / "plan.json").write_text(json.dumps(request))
    for path in (folder, folder.parent, manifest):
        assert onlookers.of_plan(path).loggers == (CSV,), path
    assert onlookers.of_plan(tmp_path) == onlookers.Onlookers()


@pytest.mark.parametrize("key", ["observers", "loggers"])
def test_onlookers_cannot_be_searched(tmp_path, key):
    word = {"observers": f"{MONITOR}: {{log_momentum: {{choice: [true, false]}}}}", "loggers": "{choice: [csv]}"}[key]
    assert "not-searchable" in [code for code, _ in codes(tmp_path, execution=f"{key}: [{word}]")]


def test_options_are_checked_from_the_source(tmp_path):
    wrong = f"{MONITOR}: {{log_momentun: true}}"
    assert codes(tmp_path, execution=f"observers: [{wrong}]")[0][0] == "unknown-key"
    assert codes(tmp_path, callbacks=f"callbacks: [{wrong}]")[0][0] == "unknown-key"
    assert codes(tmp_path, callbacks=f"callbacks: [{MONITOR}: {{logging_interval: hour}}]")[0][0] == "unknown-value"


def test_a_class_that_derives_from_a_timer_is_told_without_an_import(tmp_path):
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "__init__.py").write_text("")
    (tmp_path / "my_lab" / "hooks.py").write_text(HOOKS)
    found = codes(tmp_path, callbacks='callbacks: [my_lab.hooks.Watch: {duration: "00:01:00:00"}]')
    assert found == [("stops-by-clock", "/stages/train/callbacks/0/my_lab.hooks.Watch/duration")]
    assert codes(tmp_path, callbacks="callbacks: [my_lab.hooks.Watch]") == []
    assert not (tmp_path / "imported.txt").exists()


def test_a_logger_that_cannot_write_here_is_a_warning(tmp_path, monkeypatch):
    execution = loaded(tmp_path, "loggers: [tensorboard]").sound().execution
    monkeypatch.setattr(onlookers, "find_spec", lambda name: name == "tensorboardX")
    assert list(onlookers.missing(execution)) == []
    monkeypatch.setattr(onlookers, "find_spec", lambda name: None)
    (told,) = onlookers.missing(execution)
    assert (told.code, told.severity.value, told.pointer) == ("logger-missing", "warning", "/execution/loggers/0")
