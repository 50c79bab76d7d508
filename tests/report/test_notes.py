"""What stands under a table: what is undefined and why, what it is ranked by, and what is compared with less."""

import numpy as np
import pytest
from attrs import evolve

from tlimb.report import text
from tlimb.report.rank import rank
from tlimb.report.request import load_builtin

PLACE = "stages/finetune/auxiliary"


def builtin(name, cls):
    return {"class": f"tlimb.components.metrics.{name}.{cls}", "revision": 1, "options": {}}


AUROC, ACCURACY = builtin("auroc", "AUROC"), builtin("accuracy", "Accuracy")


def ranked(study, **changes):
    request = evolve(study.request, **{"metrics": (AUROC, ACCURACY), "select": None, **changes})
    return rank(study.graph, study.store, study.private, request, load_builtin)


def noted(table, said):
    return [note for note in table.notes if said in note]


@pytest.fixture
def one_class(study):
    """A finished study whose test people are all of one class."""
    study.truth[:] = 0
    study.view = study._view()
    study.searched("finetune", {PLACE: "free"}, (36, 34))
    study.searched("scratch", {}, (28, 24))
    return study


def test_a_metric_without_a_value_says_why_and_the_rows_are_ranked_by_another(one_class):
    table = ranked(one_class, select={"metric": AUROC, "head": "sex", "role": "data"})

    assert all(row.cells["auroc"].value is None for row in table.rows)
    assert noted(table, "finetune free: auroc is undefined in 2 of 2 runs, because the test images have one class only")
    assert noted(table, "rows of held_out are ranked by accuracy, because auroc has no value there")
    assert [row.name for row in table.rows] == ["finetune free", "scratch"]
    assert "auroc is undefined in 2 of 2 runs" in text.text(table)


def test_the_metric_that_ranks_is_named_where_there_are_several(finished):
    assert noted(ranked(finished), "rows are ranked by auroc")
    assert not noted(ranked(finished, metrics=(AUROC,)), "ranked by")


def test_a_row_that_is_ranked_by_some_of_its_runs_says_so_and_so_does_its_difference(study):
    study.searched("finetune", {PLACE: "free"}, (36, 34))
    fit = study.fit("scratch", {}, 1, 0)
    study.finish(fit, study.predict(fit, study.use("scratch", {}, 1, 0)), 20)
    late = study.fit("scratch", {}, 1, 1)
    study.predict(late, study.use("scratch", {}, 1, 1))

    table = ranked(study)

    assert noted(table, "scratch is ranked by 1 of its 2 runs")
    assert noted(table, "finetune free: the difference is over 1 of its 2 runs, those that have a partner")


def test_images_of_several_heads_are_counted_once_each(study):
    from tlimb.cohorts import view

    rows = [dict(one) for one in view.read_view(study.private, study.view)["rows"]]
    for one in rows:
        first = one["row"] < 10
        one["labels"] = {"sex": one["labels"]["sex"] if first else None, "age": None if first else 50.0}
    study.view = study.keep_view(rows)
    heads = [
        {"name": "sex", "facts": {"label": "sex", "classes": ["F", "M"]}},
        {"name": "age", "facts": {"label": "age", "classes": []}},
    ]
    fit = study.add({"kind": "fit", "heads": heads, "seed": 0, "parents": {}})
    predict = study.predict(fit, study.use("finetune", {}, 1, 0))
    study.publish(fit, {})
    study.publish(predict, {}, {**study.predictions(40), "age": np.full(40, 49.0)})

    (row,) = ranked(study, metrics=(ACCURACY, builtin("mae", "MAE")), against=None).rows

    assert (row.people, row.images) == (40, 40)


def test_a_row_that_rests_on_collapsed_embeddings_is_marked_and_the_others_are_not(study):
    study.searched("finetune", {PLACE: "free"}, (36, 34))
    study.searched("scratch", {}, (28, 24))
    said = "embeddings of views have collapsed: spread 0.01 is below 0.1"
    parent = study.add({"kind": "fit", "stage": "pretrain", "parents": {}}, [{"stage": "pretrain"}])
    child = study.add({"kind": "fit", "stage": "probe", "heads": study.nodes[study.fit("x", {}, 1, 0)].hashed["heads"],
                       "parents": {"encoder": parent}})  # fmt: skip
    study.publish(parent, {"collapsed": [said]})
    study.finish(child, study.predict(child, study.use("probe", {}, 1, 0)), 20)
    assert noted(ranked(study), "COLLAPSED") == [f"COLLAPSED: probe in 1 of 1 runs: pretrain: {said}"]
