"""Folds that are drawn anew in each repetition, through the whole planner."""

import json
from collections import defaultdict

import pytest
from table_studies import planned, write_cohort

from tlimb.problems import TlimbError

SPEC = """
tlimb: 1
name: repeated
replicates: {count: 3, resplit: true}
datasets:
  people:
    files: {table: {file: people.tsv, image: "img/{participant_id}.nii.gz"}}
    split: {kfold: {folds: 3, val: 0.25, group: [household]}}
stages:
  train:
    dataset: people
    data: {bio_image: {spacing_mm: 8, crop: [4, 4, 4]}}
    architecture: {sfcn: {channels: [4, 8]}}
    objective: {regression: {target: age}}
    optimizer: {compare: {slow: {adamw: {lr: 1e-4}}, fast: {adamw: {lr: {choice: [1e-3, 1e-2]}}}}}
    trainer: {epochs: 1, batch_size: 4}
tests: {held_out: {of: train}}
select: {metric: mae}
"""
PRETRAINED = """
  before: {like: train, objective: {regression: {target: height}}, optimizer: {adamw: {lr: 1e-3}}}
  train:
    from: before"""


class Repeated:
    """A planned study, with the people of its views."""

    def __init__(self, folder, spec=SPEC):
        columns = {"age": range(20, 44), "height": range(150, 174), "household": [f"h{n // 2}" for n in range(24)]}
        write_cohort(folder, columns)
        self.plan, _, self.place = planned(folder, spec)
        self.nodes = {node.work: node for node in self.plan.graph}

    def people(self, view):
        rows = json.loads((self.place.private / "views" / f"{view}.json").read_text())["rows"]
        return frozenset(row["person"] for row in rows)

    def seen(self, fit):
        views = self.nodes[fit].hashed["views"]["data"]
        return {part: self.people(view) for part, view in views.items()}

    def tested(self):
        """Give (repetition, fold) -> row and rate -> people tested, and the fit."""
        found = defaultdict(dict)
        for node in self.plan.graph:
            for use in node.uses if node.kind == "predict" else ():
                told = (*sorted(use["row"].values()), *sorted(use["configuration"].values()))
                place = (use["replicate"], *use["fold"])
                found[place][told] = (self.people(node.hashed["views"]["rows"]), node.hashed["parents"]["model"])
        return found

    def choosing(self):
        """Give, for each test that waits for a selection, the people tested and those that the candidates have seen."""
        for node in self.plan.graph:
            for gate in node.gates if node.kind == "predict" else ():
                works = [one for works in self.nodes[gate.select].hashed["parents"]["candidates"] for one in works]
                seen = frozenset().union(*(people for work in works for people in self.seen(work).values()))
                yield self.people(node.hashed["views"]["rows"]), seen


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    return Repeated(tmp_path_factory.mktemp("repeated"))


def divisions(study):
    found = defaultdict(set)
    for (replicate, _), runs in study.tested().items():
        found[replicate] |= {people for people, _ in runs.values()}
    return found


def test_everybody_is_in_one_test_fold_of_each_repetition_with_the_own_household(repeated):
    found = divisions(repeated)
    assert sorted(found) == [0, 1, 2]
    for folds in found.values():
        assert len(folds) == 3
        assert sorted(person for people in folds for person in people) == sorted(frozenset().union(*folds))
        assert len(frozenset().union(*folds)) == 24


def test_each_repetition_divides_people_differently_and_without_resplit_none_does(repeated, tmp_path):
    assert len({frozenset(folds) for folds in divisions(repeated).values()}) == 3
    same = Repeated(tmp_path, SPEC.replace(", resplit: true", ""))
    assert len({frozenset(folds) for folds in divisions(same).values()}) == 1


def test_what_is_compared_is_trained_validated_and_tested_on_the_same_people(repeated):
    for runs in repeated.tested().values():
        assert set(runs) == {("slow",), ("fast", "0.001"), ("fast", "0.01")}
        assert len({people for people, _ in runs.values()}) == 1
        assert len({tuple(repeated.seen(fit).values()) for _, fit in runs.values()}) == 1


def test_training_validation_and_test_of_a_fold_are_all_people_once(repeated):
    for runs in repeated.tested().values():
        for people, fit in runs.values():
            parts = [people, *repeated.seen(fit).values()]
            assert sum(map(len, parts)) == len(frozenset().union(*parts)) == 24


def test_nobody_who_is_tested_takes_part_in_choosing_although_other_repetitions_train_on_them(repeated):
    found = list(repeated.choosing())
    assert len(found) == 3 * 3 * 2
    assert all(tested.isdisjoint(seen) for tested, seen in found)
    assert len([node for node in repeated.plan.graph if node.kind == "select"]) == 3 * 3


def test_one_choice_for_all_folds_and_repetitions_is_only_made_where_it_is_asked_for(tmp_path):
    study = Repeated(tmp_path, SPEC.replace("{metric: mae}", "{metric: mae, across_folds: true}"))
    assert len([node for node in study.plan.graph if node.kind == "select"]) == 1
    assert all(tested <= seen for tested, seen in study.choosing())


def test_one_choice_for_all_repetitions_of_the_same_folds_stays(tmp_path):
    study = Repeated(tmp_path, SPEC.replace(", resplit: true", ""))
    assert len([node for node in study.plan.graph if node.kind == "select"]) == 3
    assert all(tested.isdisjoint(seen) for tested, seen in study.choosing())


def test_a_pretraining_follows_the_divisions_and_one_that_is_done_once_is_a_leak(tmp_path):
    spec = SPEC.replace("stages:\n  train:", "stages:" + PRETRAINED)
    spec = spec.replace("\n  before: {like: train,", "\n  before: {like: train, from: none,")
    study = Repeated(tmp_path, spec)
    for node in study.plan.graph:
        for parent in node.hashed["parents"].values() if node.kind == "fit" else ():
            assert study.seen(parent) == study.seen(node.work)
    with pytest.raises(TlimbError) as raised:
        Repeated(tmp_path, spec.replace("resplit: true", "resplit: true, once: [before]"))
    (told,) = (problem for problem in raised.value.problems if problem.code == "leak-subjects")
    assert told.help == ("delete `once`, or `resplit`: `before` is trained once, on people of the first division",)
