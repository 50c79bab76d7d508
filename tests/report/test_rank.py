import numpy as np
import pytest
from attrs import evolve

from tests.report.conftest import PEOPLE
from tlimb.cohorts import view
from tlimb.manifest import digest
from tlimb.problems import ExitCode, TlimbError
from tlimb.report import text
from tlimb.report.rank import rank

PLACE = "stages/finetune/auxiliary"


def ranked(study, load, **changes):
    return rank(study.graph, study.store, study.private, evolve(study.request, **changes), load)


def row(table, name):
    return next(one for one in table.rows if one.name == name)


def test_rows_are_ordered_by_the_selecting_metric_and_compared_with_the_control(finished, load_metric):
    table = ranked(finished, load_metric)

    assert [(one.rank, one.name) for one in table.rows] == [
        (1, "finetune free"),
        (2, "finetune elastic"),
        (3, "scratch"),
    ]
    accuracy = row(table, "finetune free").cells["accuracy"]
    assert accuracy.value.mean == pytest.approx((36 + 34) / 2 / 40)
    assert accuracy.value.sd == pytest.approx(np.std([36 / 40, 34 / 40], ddof=1))
    assert accuracy.value.n == 2
    # Paired by repetition: 36 - 28 and 34 - 24 right answers of 40.
    assert accuracy.difference.mean == pytest.approx((8 + 10) / 2 / 40)
    assert accuracy.difference.sd == pytest.approx(np.std([8 / 40, 10 / 40], ddof=1))
    assert row(table, "scratch").cells["accuracy"].difference is None
    assert (table.planned, table.done, table.partial) == (6, 6, False)


def test_the_number_of_searched_configurations_and_the_chosen_one_stand_beside_each_row(finished, load_metric):
    table = ranked(finished, load_metric)

    assert row(table, "finetune elastic").configurations == 2
    assert row(table, "finetune elastic").chosen == (("lr=0.01", 1),)
    assert row(table, "finetune elastic").selection == pytest.approx(0.6)


def test_a_metric_that_is_better_when_lower_ranks_the_lowest_first(finished, load_metric):
    request = finished.request
    metrics = tuple(reversed(request.metrics))
    table = ranked(finished, load_metric, metrics=metrics, select=None)

    assert next(one.name for one in table.rows) == "finetune free"
    values = [one.cells["cross_entropy"].value.mean for one in table.rows]
    assert values == sorted(values)


def test_repetitions_of_one_and_the_same_work_count_once(study, load_metric):
    fit = study.fit("probe", {}, 0.001, 0, seed=7)
    for replicate in range(3):
        predict = study.predict(fit, study.use("probe", {}, 0.001, replicate))
    study.finish(fit, predict, 30)

    (found,) = ranked(study, load_metric).rows

    assert (found.done, found.cells["accuracy"].value.n) == (3, 1)
    assert found.cells["accuracy"].value.sd is None
    assert any("one and the same training" in note for note in ranked(study, load_metric).notes)


def test_a_work_that_two_rows_share_is_shown_only_where_its_own_selection_chose_it(study, load_metric):
    # The first candidate of both rows is the same work, and only the first row chose it.
    from tlimb.manifest import Gate

    first = [[study.fit("a", {}, 1, r)] for r in range(2)]
    second = [first[0], [study.fit("b", {}, 2, 0)]]
    for stage, fits, chosen in (("a", first, 0), ("b", second, 1)):
        select = study.select(stage, {}, fits)
        study.publish(select, {"chosen": chosen, "values": [1.0, 2.0]})
        for position, (fit,) in enumerate(fits):
            predict = study.predict(fit, study.use(stage, {}, position, 0), Gate(select, position))
            if position == chosen:
                study.finish(fit, predict, 30 + position)

    table = ranked(study, load_metric, against=None)

    assert row(table, "a").cells["accuracy"].value.mean == pytest.approx(30 / 40)
    assert row(table, "b").cells["accuracy"].value.mean == pytest.approx(31 / 40)


def test_a_grid_that_is_tested_whole_gives_a_row_for_each_configuration(study, load_metric):
    for rate in (0.1, 0.2):
        fit = study.fit("finetune", {}, rate, 0)
        study.finish(fit, study.predict(fit, study.use("finetune", {}, rate, 0)), 30)

    assert sorted(one.name for one in ranked(study, load_metric).rows) == ["finetune 0.1", "finetune 0.2"]


def test_inner_models_without_a_refit_are_averaged_before_the_metric(study, load_metric):
    fits = [study.fit("finetune", {}, 0.1, 0, seed=inner) for inner in (1, 2)]
    for inner, fit in enumerate(fits):
        predict = study.predict(fit, {**study.use("finetune", {}, 0.1, 0), "inner": inner})
        study.publish(fit, {})
        tensors = study.predictions(40 if inner == 0 else 0)
        tensors["sex"] = tensors["sex"] if inner == 0 else np.full((40, 2), 0.5)
        study.publish(predict, {}, tensors)

    (found,) = ranked(study, load_metric).rows

    assert found.cells["accuracy"].value.mean == 1.0
    assert found.cells["accuracy"].value.n == 1
    assert found.cells["cross_entropy"].value.mean == pytest.approx(-np.log(0.7))


def test_the_interval_of_a_difference_holds_it_and_is_the_same_every_time(finished, load_metric):
    first = ranked(finished, load_metric, resamples=200)
    again = ranked(finished, load_metric, resamples=200)

    difference = row(first, "finetune free").cells["accuracy"].difference
    assert difference.low < difference.mean < difference.high
    assert difference == row(again, "finetune free").cells["accuracy"].difference
    assert any("200 bootstrap samples" in note for note in first.notes)


def test_a_difference_to_equal_predictions_has_an_interval_of_zero_width(study, load_metric):
    study.searched("finetune", {PLACE: "free"}, (30, 30))
    study.searched("scratch", {}, (30, 30))

    difference = row(ranked(study, load_metric, resamples=50), "finetune free").cells["accuracy"].difference

    assert (difference.mean, difference.low, difference.high) == (0.0, 0.0, 0.0)


def test_runs_in_other_environments_are_said(study, load_metric):
    study.searched("finetune", {PLACE: "free"}, (30, 30))
    (fit, predict) = (study.fit("scratch", {}, 1, 0), None)
    predict = study.predict(fit, study.use("scratch", {}, 1, 0))
    study.finish(fit, predict, 20, environment={"torch": "2.14"})

    table = ranked(study, load_metric)

    assert table.environments == {"torch": ("2.14", "2.15")}
    assert "environments differ in torch: 2.14, 2.15" in text.text(table)


def test_missing_targets_are_a_problem_with_a_way_out_and_no_traceback(finished, load_metric):
    (finished.private / "views" / f"{finished.view}.json").unlink()

    with pytest.raises(TlimbError) as caught:
        ranked(finished, load_metric)

    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.problems[0].code == "view-missing"


def test_rows_without_the_label_are_left_out(study, load_metric):
    rows = [dict(one) for one in view.read_view(study.private, study.view)["rows"]]
    for one in rows[:10]:
        one["labels"] = {"sex": None}
    study.view = study.keep_view(rows)
    fit = study.fit("finetune", {}, 1, 0)
    study.finish(fit, study.predict(fit, study.use("finetune", {}, 1, 0)), 40)

    (found,) = ranked(study, load_metric).rows

    assert (found.people, found.images) == (30, 30)
    assert found.cells["accuracy"].value.mean == 1.0


def test_a_view_that_was_changed_is_refused(finished, load_metric):
    path = finished.private / "views" / f"{finished.view}.json"
    path.write_text(path.read_text().replace('"F"', '"M"', 1))

    with pytest.raises(TlimbError, match="plan again"):
        ranked(finished, load_metric)


def test_relatives_are_one_group_and_too_few_groups_give_no_interval_but_a_note(study, load_metric):
    rows = [{**one, "family": f"f{one['row'] // 8}"} for one in view.read_view(study.private, study.view)["rows"]]
    before = study.view
    study.view = study.keep_view(rows)
    study.searched("finetune", {PLACE: "free"}, (36, 34))
    study.searched("scratch", {}, (28, 24))

    table = ranked(study, load_metric, resamples=50)

    assert study.view == before  # who is related is in no digest
    found = row(table, "finetune free")
    assert (found.people, found.families) == (40, 5)
    assert found.cells["accuracy"].difference.low is None
    assert any("40 test people are only 5 independent groups" in note for note in table.notes)
    assert "(40 people of 5 families, 40 images)" in text.text(table)


def test_a_head_that_means_classes_in_one_stage_and_numbers_in_another_has_columns_for_both(study, load_metric):
    class Error:
        kind, direction = "number", "min"

        def compute(self, targets, predictions):
            return float(np.mean(np.abs(targets - predictions)))

    study.view = study.keep_view(
        [
            {"row": n, "person": f"p{n}", "sha256": digest(n), "mask_sha256": None, "labels": {"sex": n % 2}}
            for n in range(PEOPLE)
        ]
    )
    for stage, classes, made in (("a", ["0", "1"], study.predictions(30)["sex"]), ("b", [], np.full(PEOPLE, 0.25))):
        head = {"name": "sex", "facts": {"label": "sex", "classes": classes}}
        fit = study.add({"kind": "fit", "heads": [head], "stage": stage, "parents": {}})
        predict = study.predict(fit, study.use(stage, {}, None, 0))
        study.publish(fit, {})
        study.publish(predict, {}, {"rows": np.arange(PEOPLE), "sex": made})
    metrics = (*study.request.metrics, {"class": "tlimb.components.metrics.mae.MAE", "options": {}})
    table = ranked(
        study,
        lambda one: Error() if "mae" in one["class"] else load_metric(one),
        metrics=metrics,
        against="a",
        resamples=50,
    )

    assert row(table, "a").cells["accuracy"].value.mean == pytest.approx(0.75)
    assert row(table, "a").cells["mae"].value is None
    assert row(table, "b").cells["accuracy"].value is None
    assert row(table, "b").cells["mae"].value.mean == pytest.approx(0.5)
    assert row(table, "b").cells["mae"].difference is None


def test_a_reason_that_goes_through_several_runs_names_the_run_that_failed_once(study, load_metric):
    first = study.fit("pretrain", {}, 1, 0)
    second = study.add({"kind": "fit", "heads": [], "stage": "finetune", "parents": {"encoder": first}})
    study.predict(second, study.use("finetune", {}, 1, 0))
    study.publish(first, {"status": "diverged", "reason": "loss nan"})

    (missing,) = ranked(study, load_metric).missing

    assert missing.absent.reason == f"loss nan (in {first[:16]})"


def test_rows_of_equal_value_share_a_rank_and_the_next_one_counts_them(study, load_metric):
    for stage, right in (("a", 30), ("b", 30), ("c", 20), ("d", 36)):
        fit = study.fit(stage, {}, 1, 0)
        study.finish(fit, study.predict(fit, study.use(stage, {}, None, 0)), right)

    table = ranked(study, load_metric)

    assert sorted((one.name, one.rank) for one in table.rows) == [("a", 2), ("b", 2), ("c", 4), ("d", 1)]
