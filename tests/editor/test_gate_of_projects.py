"""`tlimb validate` ends with the JSON Schema of this installation and project."""

import sys

import pytest

import tlimb
from tlimb.api.load import load, mismatches
from tlimb.cli import run
from tlimb.describe import installed
from tlimb.editor.editor_files import Files
from tlimb.language import catalogue, check_values, checking
from tlimb.language import installed as offered
from tlimb.language.source import read

SPEC = """tlimb: 1
code: [./]
datasets:
  people:
    files: {table: {file: people.csv, image: "{participant_id}.nii.gz"}}
    split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}
stages:
  train:
    dataset: people
    data: {bio_image: {spacing_mm: 8, crop: [4, 4, 4]}}
    architecture: {ours.Net: {width: 4}}
    objective: {regression: {target: age}}
    optimizer: {adamw: {lr: 1e-3}}
    trainer: {epochs: 3, batch_size: 4}
tests: {held_out: {of: train}}
select: {metric: mae}
"""
CODE = '''"""Ours."""
from typing import Annotated

from tlimb.components.contracts import Encoder


class Net(Encoder):
    """A small network.

    Args:
        width: channels.
    """

    def __init__(self, inputs, *, width: Annotated[int, {"minimum": 1}] = 4):
        super().__init__()
'''


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "ours.py").write_text(CODE)
    path = tmp_path / "study.yaml"
    path.write_text(SPEC)
    return path


def forget_limits(monkeypatch):
    monkeypatch.setattr(check_values, "_check_limits", lambda *_: None)


@pytest.mark.parametrize("described", [False, True])
def test_a_component_of_the_project_passes(spec, described, capsys):
    if described:
        Files(read(spec)).write()
    assert run(["validate", str(spec)]) == 0
    assert "schema-mismatch" not in capsys.readouterr().err


def test_options_of_a_described_component_are_in_the_schema(spec, monkeypatch, capsys):
    Files(read(spec)).write()
    spec.write_text(SPEC.replace("width: 4", "width: 0"))
    forget_limits(monkeypatch)
    assert run(["validate", str(spec)]) == 1
    printed = capsys.readouterr().err
    assert "study.yaml:11:38: error[schema-mismatch]: " in printed
    assert "please report it" in printed


def test_the_components_of_installed_packages_are_in_the_schema(spec, monkeypatch):
    offer = installed.Offer(kind="architecture", name="acme_net", path="ours.Net", package="acme 1.0")
    monkeypatch.setattr(installed, "offers", lambda: (offer,))
    monkeypatch.syspath_prepend(str(spec.parent))
    offered.load.cache_clear()
    try:
        spec.write_text(SPEC.replace("ours.Net", "acme_net"))
        assert [one.code for one in tlimb.validate(spec) if one.severity == "error"] == []
        assert load(spec).form is not catalogue.load()
    finally:
        offered.load.cache_clear()


def test_a_walk_that_forgets_a_rule_is_told_in_notebooks_too(spec, monkeypatch):
    spec.write_text(SPEC.replace("epochs: 3", "epochs: 0"))
    forget_limits(monkeypatch)
    assert [one.code for one in tlimb.validate(spec) if one.severity == "error"] == ["schema-mismatch"]


def test_nothing_is_asked_where_the_walk_has_found_a_mistake(spec):
    spec.write_text(SPEC.replace("epochs: 3", "epochs: 0"))
    assert load(spec).form is None
    assert mismatches(load(spec)) == []


def test_a_mistake_of_meaning_does_not_keep_the_schema_from_being_asked(spec, monkeypatch):
    spec.write_text(SPEC.replace("dataset: people", "dataset: peple").replace("batch_size: 4", "batch_size: 0"))
    forget_limits(monkeypatch)
    codes = {one.code for one in tlimb.validate(spec) if one.severity == "error"}
    assert codes == {"unknown-dataset", "schema-mismatch"}


def test_planning_never_loads_jsonschema(spec, monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    assert not load(spec).broken
    assert checking.check(read(spec), catalogue.load()) == []
