"""The classes of manifests: what they answer, and that JSON survives them to the letter."""

import json

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_manifests import FIT, LINEAR, SEX, A, B, C, D

from tlimb.language import model
from tlimb.manifest import Fit, Kind, Manifest, Select, canonical
from tlimb.manifest import parts as manifest_parts
from tlimb.manifest.contents import CONTENTS
from tlimb.manifest.faults import manifest_checker
from tlimb.manifest.fields import key_of
from tlimb.manifest.structure import content, content_json


def faults(hashed):
    return [str(fault) for fault in manifest_checker()({"tlimb": 1, "work": A, "hashed": hashed})]


def test_a_training_answers_who_its_parents_are_and_what_each_is_for():
    fit = content(FIT)
    assert isinstance(fit, Fit)
    assert fit.encoder_parent == A
    assert fit.teachers == {"teacher": B}
    assert fit.epochs_from == (C, B)
    assert fit.ancestors == (A, B)
    assert fit.parent_works == (A, C, B) == Manifest.of(FIT).parents
    assert fit.tolerated == {B, C}
    assert fit.foreign.sha256 == D


def test_the_first_role_is_the_one_that_is_learned_from_however_the_file_orders_them():
    assert list(content(FIT).ordered_roles) == ["source", "target"]
    assert content(FIT).views == (B, C, D)


def test_every_candidate_of_a_selection_may_have_diverged_but_no_weights_of_a_test():
    parents = {"candidates": [[A, B], [B]]}
    select = content({"kind": "select", "parents": parents, "metric": LINEAR, "head": None, "role": "data"})
    assert isinstance(select, Select)
    assert select.tolerated == set(select.parent_works) == {A, B}
    assert not content({"kind": "predict", "parents": {"model": A}, "views": {"rows": B}}).tolerated


def test_json_survives_its_class_to_the_letter():
    assert canonical(content_json(content(FIT))) == canonical(FIT)
    assert "callbacks" not in content_json(content(FIT))
    with_callback = {**FIT, "callbacks": [LINEAR]}
    assert canonical(content_json(content(with_callback))) == canonical(with_callback)


NUMBERS = st.one_of(st.integers(1, 2**53), st.floats(1e-9, 1e9))


@settings(deadline=None)
@given(weight=NUMBERS, mean=st.none() | NUMBERS, clip=st.none() | NUMBERS, missing=st.lists(st.text()))
def test_numbers_and_texts_stay_what_json_made_them(weight, mean, clip, missing):
    hashed = json.loads(json.dumps(FIT))
    hashed["heads"][0] |= {"weight": weight, "facts": {**SEX, "mean": mean}}
    hashed["trainer"]["gradient_clip"] = clip
    hashed["adapt"]["missing"] = missing
    assert canonical(content_json(content(hashed))) == canonical(hashed)
    assert not faults(hashed)


def test_every_key_of_a_block_of_the_language_stands_in_the_class_of_manifests():
    for name in ("Trainer", "Freeze", "Adapt", "EarlyStopping", "Monitor"):
        written = [one.name for one in attrs.fields(getattr(model, name)) if not one.metadata.get("hidden")]
        assert [key_of(one) for one in attrs.fields(getattr(manifest_parts, name))] == written


def test_a_manifest_that_is_wrong_in_many_places_is_told_each_of_them_with_its_pointer():
    broken = json.loads(json.dumps(FIT))
    broken["trainer"] |= {"batch_size": "16", "deterministic": "no", "accumulate": 0}
    broken["heads"][0]["facts"]["classes"] = [3]
    broken["optimizer"] = {"class": 3, "revision": 1, "options": {}}
    broken["parents"]["encoder"] = "../../x"
    broken["more"] = 1
    del broken["seed"]
    assert set(faults(broken)) == {
        '/hashed/trainer/batch_size: "16" is not an integer or null',
        '/hashed/trainer/deterministic: "no" is not true or "best_effort" or "strict" or null',
        "/hashed/trainer/accumulate: 0 is not at least 1",
        "/hashed/heads/0/facts/classes/0: 3 is not a text",
        "/hashed/optimizer/class: 3 is not a text",
        '/hashed/parents/encoder: "../../x" is not a sha256, 64 hex digits',
        "/hashed/more: unknown key",
        '/hashed: the key "seed" is missing',
    }


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in CONTENTS])
def test_nothing_executes_a_kind_without_a_class(kind):
    with pytest.raises(ValueError, match="nothing executes"):
        content({"kind": kind.value})


def test_content_of_another_form_is_refused_in_words():
    with pytest.raises(ValueError, match="no fit as tlimb writes one"):
        content({"kind": "fit", "scenario": LINEAR})
