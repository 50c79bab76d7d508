"""Which slots of `from` an auxiliary objective of the study's own reads is known from its source."""

import pytest

from tlimb.api.load import load

CODE = '''
"""Ours."""
raise RuntimeError("nobody may import this to check a study")
from elsewhere import anything
from tlimb.components.contracts import Auxiliary


class Plain(Auxiliary):
    """Read nothing but the step."""


class Taught(Auxiliary):
    """Learn from a teacher."""

    slots = ("teacher",)


class Heir(Taught):
    """Learn from a teacher as well."""


class Coached(Auxiliary):
    """Learn from a coach."""

    slots = ("coach",)


class Computed(Auxiliary):
    """Only running this tells."""

    slots = tuple(anything())
'''
SPEC = """
tlimb: 1
code: [./]
datasets:
  people: {files: {phantom: {folder: data}}, split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}}
defaults:
  dataset: people
  data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20], intensity: zscore}}
  architecture: {sfcn: {channels: [4, 8]}}
  objective: {regression: {target: age}}
  optimizer: {adamw: {lr: 1e-3}}
  trainer: {epochs: 1, batch_size: 8}
stages:
  big: {}
  train: {from: FROM, auxiliary: TERM}
tests: {held_out: {of: train}}
"""


def told(folder, term, slots="{teacher: big}"):
    (folder / "ours.py").write_text(CODE)
    spec = folder / "study.yaml"
    spec.write_text(SPEC.replace("TERM", term).replace("FROM", slots))
    return [(one.code, one.message) for one in load(spec).problems if one.code != "stage-unused"]


@pytest.mark.parametrize("term", ["ours.Taught", "ours.Heir", "[ours.Plain, ours.Taught]", "[ours.Plain, distill]"])
def test_a_slot_that_is_read_is_accepted(tmp_path, term):
    assert told(tmp_path, term) == []


@pytest.mark.parametrize("term", ["ours.Plain", "[ours.Plain, bss]", "ours.Coached"])
def test_a_slot_that_nobody_reads_is_refused(tmp_path, term):
    assert ("slot", "nothing in `train` reads the slot `teacher`") in told(tmp_path, term)


@pytest.mark.parametrize("slots", ["none", "{encoder: big}", "{teacher: big}"])
def test_a_slot_that_is_read_and_not_given_is_asked_for(tmp_path, slots):
    assert ("slot", "`ours.Coached` learns from a `coach`, and `train` has none") in told(
        tmp_path, "ours.Coached", slots
    )


@pytest.mark.parametrize("term", ["ours.Computed", "unseen.Term"])
def test_any_slot_passes_where_only_running_the_code_would_tell(tmp_path, term):
    assert not [one for one in told(tmp_path, term) if one[0] == "slot"]
