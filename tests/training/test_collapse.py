"""A training whose embeddings or predictions collapse says so in its history, its result, its record and its log."""

import json

import pytest
from node_manifests import AGE, SEX, Cohort, component, fit_manifest
from test_with_components import REAL, head

from tlimb.store import Store
from tlimb.training.execute import execute

NOTHING = {"label": None, "classes": [], "counts": [], "mean": None, "sd": None}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return Cohort(tmp_path_factory.mktemp("collapse"), people=12, shape=(20, 21, 20))


def trained(people, name, lr):
    one = {**AGE, "name": "views", "objective": component("objective", "simclr"), "facts": NOTHING}
    more = {
        **REAL,
        "optimizer": component("optimizer", "adamw", lr=lr),
        "scheduler": component("scheduler", "constant"),
    }
    trainer = {"epochs": 3, "batch_size": 6}
    manifest = fit_manifest(people.view(range(12)), None, heads=[one], **{**more, "trainer": trainer})
    places = people.places(name)
    outcome = execute(manifest, places)
    assert outcome.code == 0
    store = Store(places.store)
    history = json.loads((store.path(manifest.work) / "history.json").read_text())
    return store.result(manifest.work), history, outcome.facts


def test_an_absurd_rate_collapses_the_embeddings_and_everybody_is_told(people, capfd):
    result, history, facts = trained(people, "absurd", lr=100.0)
    assert history[-1]["notes"]["views spread"] < 0.1 or history[-1]["notes"]["views effective_rank"] < 1.5
    assert result.collapsed[0].startswith("embeddings of views have collapsed: ")
    assert facts["collapsed"]["epoch"] <= 3
    assert "embeddings of views have collapsed" in capfd.readouterr().err


def test_a_usual_rate_does_not(people, capfd):
    result, history, facts = trained(people, "usual", lr=1e-3)
    assert all(line["notes"]["views spread"] > 0.1 for line in history)
    assert result.collapsed == ()
    assert "collapsed" not in facts
    assert "collapsed" not in capfd.readouterr().err


def guessed(people, name, weight):
    """Train on two labelled people and eight others, believing every guess."""
    views = {
        "labelled": {"train": people.view(range(2)), "val": None},
        "unlabelled": {"train": people.view(range(4, 12), labels=()), "val": None},
    }
    more = {
        **REAL,
        "scenario": component("scenario", "fixmatch", ratio=4, threshold=0.0, weight=weight),
        "optimizer": component("optimizer", "adamw", lr=0.1),
        "scheduler": component("scheduler", "constant"),
        "trainer": {"epochs": 40, "batch_size": 2},
    }
    heads = [{**head(SEX, "classification"), "role": "labelled"}]
    manifest = fit_manifest(None, views=views, heads=heads, **more)
    places = people.places(name)
    outcome = execute(manifest, places)
    assert outcome.code == 0
    return Store(places.store).result(manifest.work), outcome.facts


def test_guesses_that_swamp_the_labels_collapse_the_predictions_and_everybody_is_told(people, capfd):
    result, facts = guessed(people, "swamped", weight=1e5)
    assert result.collapsed[0].startswith("predictions of sex have collapsed into one class: prediction_entropy ")
    assert facts["collapsed"]["epoch"] < 40
    assert "predictions of sex have collapsed" in capfd.readouterr().err


def test_labels_without_guesses_do_not(people):
    result, facts = guessed(people, "held", weight=0.0)
    assert result.collapsed == ()
    assert "collapsed" not in facts
