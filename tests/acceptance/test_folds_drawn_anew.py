"""Folds drawn anew in each repetition: run to the end, and the ranking computed again from what is in the store."""

import json
from collections import defaultdict

import numpy as np
import pytest
from safetensors.numpy import load_file
from studies import TINY

REPEATED = {
    **{key: TINY[key] for key in ("tlimb", "name", "seed", "roots", "defaults")},
    "replicates": {"count": 2, "resplit": True},
    "datasets": {
        "people": {
            "root": "cohort",
            "files": {"bids": {"folder": "brains", "suffix": "T1w"}},
            "split": {"kfold": {"folds": 2, "val": 0.4, "group": ["family"]}},
        }
    },
    "stages": {
        "slow": {
            "dataset": "people",
            "objective": {"regression": {"target": "age"}},
            "optimizer": {"adamw": {"lr": 0.0001}},
        },
        "fast": {"like": "slow", "optimizer": {"adamw": {"lr": {"choice": [0.003, 0.03]}}}},
    },
    "tests": {"held_out": {"of": ["slow", "fast"]}},
    "select": {"metric": "mae"},
    "report": {"metrics": ["mae"], "against": "slow"},
}


@pytest.fixture(scope="module")
def repeated(finished_once, tmp_path_factory):
    project = finished_once.copy(tmp_path_factory.mktemp("repeated") / "project", store=False)
    project.write(REPEATED)
    project.planned = project.plan()
    project.run()
    project.table = json.loads(project.tlimb("rank", "--format", "json", "--no-pictures").stdout)
    return project


def by_hand(project):
    """Give stage -> (repetition, fold) -> mean absolute error and people, and the rate that was chosen there."""
    nodes, errors, chosen = project.planned.nodes, defaultdict(dict), {}
    for work in set(project.objects()) & project.planned.of("predict"):
        node = nodes[work]
        rows = project.rows(node["hashed"]["views"]["rows"])
        found = load_file(project.store / "objects" / work[:2] / work / "predictions.safetensors")
        truth = np.array([rows[place]["labels"]["age"] for place in found["rows"]], dtype=float)
        (use,) = node["uses"]
        place = (use["replicate"], *use["fold"])
        errors[use["stage"]][place] = (
            float(np.abs(found["age"].ravel() - truth).mean()),
            {row["person"] for row in rows},
        )
        if use["stage"] == "fast":
            (chosen[place],) = use["configuration"].values()
    return errors, chosen


def test_the_ranking_is_the_mean_over_repetitions_and_folds_and_its_difference_is_paired(repeated):
    errors, chosen = by_hand(repeated)
    places = sorted(errors["slow"])
    assert places == sorted(errors["fast"]) == sorted(chosen) == [(r, f) for r in range(2) for f in range(2)]
    for row in repeated.table["rows"]:
        mine = np.array([errors[row["stage"]][place][0] for place in places])
        value = row["cells"]["mae"]["value"]
        assert value["n"] == row["done"] == row["planned"] == 4
        assert value["mean"] == pytest.approx(mine.mean(), rel=1e-9)
        assert value["sd"] == pytest.approx(mine.std(ddof=1), rel=1e-9)
        assert row["people"] == 72
    (fast,) = (row for row in repeated.table["rows"] if row["stage"] == "fast")
    gained = np.array([errors["fast"][place][0] - errors["slow"][place][0] for place in places])
    difference = fast["cells"]["mae"]["difference"]
    assert (difference["mean"], difference["sd"]) == pytest.approx((gained.mean(), gained.std(ddof=1)), rel=1e-9)
    assert sum(count for _, count in fast["chosen"]) == 4
    assert any("trainings share people" in note for note in repeated.table["notes"])


def test_pairs_are_tested_on_the_same_people_and_each_repetition_on_everybody(repeated):
    errors, _ = by_hand(repeated)
    for place, (_, people) in errors["slow"].items():
        assert errors["fast"][place][1] == people
    for replicate in range(2):
        one, other = (people for (r, _), (_, people) in errors["slow"].items() if r == replicate)
        assert one.isdisjoint(other)
        assert len(one | other) == 72


def test_each_repetition_and_fold_runs_the_test_that_its_own_selection_has_opened(repeated):
    selections = repeated.planned.of("select")
    assert len(selections) == 4
    for work in selections:
        (use,) = repeated.planned.nodes[work]["uses"]
        chosen = repeated.result(work)["chosen"]
        opened = [
            n for w, n in repeated.planned.nodes.items() if [work, chosen] in n["gates"] if w in repeated.objects()
        ]
        assert [one["uses"][0]["replicate"] for one in opened] == [use["replicate"]]
        assert [one["uses"][0]["fold"] for one in opened] == [use["fold"]]
