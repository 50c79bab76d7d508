import csv
import io
import json

import numpy as np
import pytest
from attrs import evolve

from tests.report.conftest import PEOPLE
from tlimb.cohorts import view
from tlimb.report import text
from tlimb.report.rank import rank


def sites(place):
    return None if place == 0 else ("north", "south")[place % 4 == 1]


@pytest.fixture
def by_site(finished):
    """The finished study, whose private view also says the site of each person."""
    content = view.read_view(finished.private, finished.view)
    rows = [{**row, "by": {"site": sites(place)}} for place, row in enumerate(content["rows"])]
    view.write_views(finished.private, {finished.view: {**content, "rows": rows}})
    return finished


def ranked(study, load, **changes):
    return rank(study.graph, study.store, study.private, evolve(study.request, **changes), load)


def test_each_group_has_the_metrics_of_its_own_people_over_distinct_trainings(by_site, load_metric):
    table = ranked(by_site, load_metric, by=("site",))

    assert all(one.images == one.people for one in table.groups)
    assert [(one.value, one.row, one.people) for one in table.groups] == [
        ("north", "finetune free", 29),
        ("north", "finetune elastic", 29),
        ("north", "scratch", 29),
        ("south", "finetune free", 10),
        ("south", "finetune elastic", 10),
        ("south", "scratch", 10),
    ]
    for group, right in zip(table.groups[::3], ((36, 34), (36, 34)), strict=True):
        expected = []
        for count in right:
            probabilities = by_site.predictions(count)["sex"]
            kept = [place for place in range(PEOPLE) if sites(place) == group.value]
            expected.append(np.mean(probabilities[kept].argmax(1) == by_site.truth[kept]))
        assert group.cells["accuracy"].mean == pytest.approx(np.mean(expected))
        assert group.cells["accuracy"].sd == pytest.approx(np.std(expected, ddof=1))
        assert group.cells["accuracy"].n == 2


def test_groups_stand_in_every_form_and_nothing_changes_without_them(by_site, load_metric):
    plain, table = ranked(by_site, load_metric), ranked(by_site, load_metric, by=("site",))

    assert "test held_out by site" in text.text(table)
    assert "## held_out by site" in text.markdown(table)
    lines = list(csv.DictReader(io.StringIO(text.separated(table))))
    assert {line["group"] for line in lines} == {"", "site=north", "site=south"}
    assert len(json.loads(text.to_json(table))["groups"]) == 6
    assert text.to_json(evolve(table, groups=())) == text.to_json(plain)
    assert "group" not in text.separated(plain).splitlines()[0].split(",")


def test_a_label_that_the_private_folder_does_not_hold_is_said_and_no_group_is_made_up(finished, load_metric):
    table = ranked(finished, load_metric, by=("site",))

    assert table.groups == ()
    assert any(note.startswith("results by site are left out") for note in table.notes)


def test_another_study_of_the_same_rows_keeps_the_labels_that_this_one_tells_its_results_by(by_site, load_metric):
    content = view.read_view(by_site.private, by_site.view)
    bare = [{key: value for key, value in row.items() if key != "by"} for row in content["rows"]]
    other = [{**row, "by": {"scanner": "A"}} for row in bare]
    for rows in (bare, other):
        view.write_views(by_site.private, {by_site.view: {**content, "rows": rows}})

    table = ranked(by_site, load_metric, by=("site", "scanner"))
    assert {(one.label, one.value) for one in table.groups} == {
        ("site", "north"),
        ("site", "south"),
        ("scanner", "A"),
    }


class OfTwo:
    """An accuracy that is undefined where all are of one class, as AUROC is."""

    kind, direction = "class", "max"

    def compute(self, targets, predictions):
        return float("nan") if len(set(targets.tolist())) < 2 else float(np.mean(predictions.argmax(1) == targets))


def test_a_metric_that_is_undefined_in_one_group_is_said_to_be_so_there(finished):
    content = view.read_view(finished.private, finished.view)
    rows = [
        {**row, "by": {"site": "women" if row["labels"]["sex"] == "F" and place < 20 else "both"}}
        for place, row in enumerate(content["rows"])
    ]
    view.write_views(finished.private, {finished.view: {**content, "rows": rows}})
    metrics = finished.request.metrics[:1]

    table = ranked(finished, lambda _: OfTwo(), by=("site",), metrics=metrics, select=None)
    assert {one.value for one in table.groups if None in one.cells.values()} == {"women"}
    assert any(note.startswith("- in results by site: the metric is undefined there") for note in table.notes)
    everybody = ranked(finished, lambda _: OfTwo(), metrics=metrics, select=None)
    assert not any("undefined there" in note for note in everybody.notes)
