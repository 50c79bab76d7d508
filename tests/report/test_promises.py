"""P11 and P22: what a ranking says of runs that have no value, and what it never says of people."""

import numpy as np
import pytest
from attrs import evolve

from tlimb.report import text
from tlimb.report.rank import rank

PLACE = "stages/finetune/auxiliary"
FORMS = [text.text, text.markdown, text.separated, text.to_json]


def ranked(study, load, **changes):
    return rank(study.graph, study.store, study.private, evolve(study.request, **changes), load)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_p11_a_value_that_is_not_finite_never_ranks(study, load_metric, bad):
    ((_fit, _predict), _) = study.searched("finetune", {PLACE: "free"}, (36, 34))
    study.searched("scratch", {}, (10, 10))
    (other,) = [study.fit("finetune", {PLACE: "broken"}, 1, 0)]
    tensors = study.predictions(40)
    tensors["sex"] = np.full((40, 2), bad)
    work = study.predict(other, study.use("finetune", {PLACE: "broken"}, 1, 0))
    study.publish(other, {})
    study.publish(work, {}, tensors)

    # A direction in which NaN or infinity would win if it were compared.
    table = ranked(study, load_metric, metrics=study.request.metrics[1:], select=None)

    assert [(one.rank, one.name) for one in table.rows] == [
        (1, "finetune free"),
        (2, "scratch"),
        (None, "finetune broken"),
    ]


def test_p11_a_diverged_run_is_counted_and_its_row_does_not_rank(study, load_metric):
    found = study.searched("finetune", {PLACE: "free"}, (36, 34))
    study.searched("scratch", {}, (10, 10))
    third = study.fit("finetune", {PLACE: "wild"}, 1, 0)
    study.predict(third, study.use("finetune", {PLACE: "wild"}, 1, 0))
    study.publish(third, {"status": "diverged", "reason": "loss is not finite at step 12, lr 0.01"})
    fourth = study.fit("finetune", {PLACE: "wild"}, 1, 1)
    study.finish(fourth, study.predict(fourth, study.use("finetune", {PLACE: "wild"}, 1, 1)), 40)

    table = ranked(study, load_metric)

    wild = table.rows[-1]
    assert (wild.name, wild.rank, wild.planned, wild.done, wild.states) == (
        "finetune wild", None, 2, 1, (("diverged", 1),),
    )  # fmt: skip
    assert not table.partial
    written = text.text(table)
    assert "incomplete: 5 of 6 runs have a value" in written
    assert "diverged: held_out: finetune wild, repetition 1: loss is not finite at step 12, lr 0.01" in written
    assert found


def test_p11_failed_missing_and_pending_runs_are_listed_with_their_reason(study, load_metric):
    study.searched("scratch", {}, (10, 10))
    failed = study.fit("finetune", {PLACE: "failed"}, 1, 0)
    study.predict(failed, study.use("finetune", {PLACE: "failed"}, 1, 0))
    study.store.write_record(failed, {"attempts": [{"code": 65, "reason": "row 12 of the view has other bytes"}]})
    waiting = study.fit("finetune", {PLACE: "waiting"}, 1, 0)
    study.predict(waiting, study.use("finetune", {PLACE: "waiting"}, 1, 0))
    from tlimb.manifest import Gate

    fits = [[study.fit("finetune", {PLACE: "search"}, rate, 0)] for rate in (1, 2)]
    select = study.select("finetune", {PLACE: "search"}, fits)
    for position, (fit,) in enumerate(fits):
        study.predict(fit, study.use("finetune", {PLACE: "search"}, position, 0), Gate(select, position))

    table = ranked(study, load_metric)

    reasons = {one.row: (one.absent.state, one.absent.reason) for one in table.missing}
    assert reasons["finetune failed"] == (
        "skipped",
        f"bad data: row 12 of the view has other bytes (in {failed[:16]})",
    )
    assert reasons["finetune waiting"] == ("pending", "not run yet")
    assert reasons["finetune search"] == ("pending", "waits for selection")
    assert table.partial
    for form in (text.text, text.markdown):
        assert "partial: 2 of 5 runs have a value" in form(table)


def test_p11_a_damaged_result_is_not_used(finished, load_metric):
    predict = next(work for work, node in finished.nodes.items() if finished.store.has(work) and node.kind == "predict")
    file = finished.store.path(predict) / "predictions.safetensors"
    file.chmod(0o600)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)

    table = ranked(finished, load_metric)

    assert table.done == 5
    assert table.partial


@pytest.mark.parametrize("form", FORMS)
def test_p11_the_same_input_gives_the_same_bytes(finished, load_metric, form):
    first = form(ranked(finished, load_metric, resamples=20))
    finished.nodes = dict(finished.nodes)

    assert form(ranked(finished, load_metric, resamples=20)) == first


def test_p11_rows_of_equal_value_stand_in_the_order_of_digests_and_not_of_the_plan(study, load_metric):
    for name in ("one", "two", "three"):
        study.searched("finetune", {PLACE: name}, (30, 30))
    forwards = ranked(study, load_metric)
    study.nodes = dict(reversed(study.nodes.items()))

    assert [one.name for one in ranked(study, load_metric).rows] == [one.name for one in forwards.rows]
    assert [one.rank for one in forwards.rows] == [1, 1, 1]


@pytest.mark.parametrize("form", FORMS)
def test_p22_a_ranking_names_no_person_no_file_and_no_path(finished, load_metric, form, tmp_path):
    written = form(ranked(finished, load_metric, resamples=5))

    for secret in ("sub-", "hmac", "T1w", ".nii", str(tmp_path), "clinic"):
        assert secret not in written


@pytest.mark.parametrize("form", FORMS)
def test_p22_a_missing_view_is_reported_without_its_path(finished, load_metric, form, tmp_path):
    (finished.private / "views" / f"{finished.view}.json").unlink()

    with pytest.raises(Exception, match="private folder") as caught:
        form(ranked(finished, load_metric))

    assert str(tmp_path) not in str(caught.value)
