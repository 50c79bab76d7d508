"""Two batches of each kind of training before many run: what cannot work fails once, and nothing is left behind."""

import pytest
from node_manifests import AGE, fit_manifest, graph_of, toy

from tlimb.manifest import Manifest
from tlimb.protocol.options import Options
from tlimb.scheduler.similar import kinds
from tlimb.scheduler.supervise import supervise
from tlimb.store import Store
from tlimb.training.trial_run import rehearse


def rates(view, count=4, **more):
    return [fit_manifest(view, optimizer=toy("ToyAdam", lr=1e-3 * (n + 1)), seed=n, **more) for n in range(count)]


def test_one_message_fails_exactly_the_kind_whose_check_failed(cohort):
    view = cohort.view(range(6))
    good, bad = rates(view), rates(view, architecture=toy("ToyEncoder", width=0))
    child = fit_manifest(view, parents={"encoder": bad[0].work})
    told, places = [], cohort.places()
    summary = supervise(graph_of(*good, *bad, child), places, 2, Options(), told.append)
    assert set(summary.computed) == {fit.work for fit in good}
    assert set(summary.failed) == {fit.work for fit in bad}
    assert summary.skipped == {child.work: bad[0].work}
    (failure,) = set(summary.failed.values())
    assert failure.code == 70
    assert failure.reason.startswith("its check of two batches failed: ")
    store = Store(places.store)
    attempts = [store.record(fit.work).attempts for fit in bad]  # so that a ranking can say why they are missing
    assert [[(one.code, one.reason) for one in each] for each in attempts] == [[(70, failure.reason)]] * 4
    assert not {event["work"] for event in told if event["event"] == "started"} & {fit.work for fit in bad}
    (checked,) = (event for event in told if event["event"] == "checked")
    assert set(checked["works"]) == {fit.work for fit in good}
    assert checked["run_s"] > 0


def test_an_image_that_checks_have_decoded_is_not_decoded_again(cohort):
    fits = [*rates(cohort.view(range(8))), *rates(cohort.view(range(8)), architecture=toy("ToyEncoder", width=8))]
    fill = Manifest.of({"kind": "prepare", "data": toy("ToyData"), "view": cohort.view(range(8))})
    fits = [Manifest(fit.work, fit.hashed, after=(fill.work,)) for fit in fits]
    graph, places = graph_of(fill, *fits), cohort.places()
    assert supervise(graph, places, 2).code == 0
    store = Store(places.store)
    checks = [store.note(fit.work, "check.json") for fit in fits]
    by_checks = sum(check.get("decoded", 0) for check in checks)
    by_runs = sum(attempt.decoded for work in graph.nodes for attempt in store.record(work).attempts)
    assert (sum(bool(check) for check in checks), by_checks) == (2, 6)  # two batches of three, once for both kinds
    assert by_checks + by_runs == 8


def test_without_the_check_each_run_fails_by_itself(cohort):
    view = cohort.view(range(6))
    bad = rates(view, 8, architecture=toy("ToyEncoder", width=0))
    told, places = [], cohort.places()
    summary = supervise(graph_of(*bad), places, 2, Options(check=False), told.append)
    assert len(summary.failed) == 8
    assert all(len(Store(places.store).record(fit.work).attempts) == 1 for fit in bad)
    assert not {event["event"] for event in told} & {"checking", "checked"}


def test_a_check_leaves_no_object_record_or_resume_point(cohort):
    parent = fit_manifest(cohort.view(range(6)), heads=(AGE,))
    manifest = fit_manifest(
        cohort.view(range(6)),
        cohort.view([6, 7]),
        parents={"encoder": parent.work},  # not trained yet
        auxiliary=[toy("ToyPull")],
        trainer={"epochs": 5, "batch_size": 2},
    )
    places = cohort.places()
    told = rehearse(manifest, places, Options(checkpoint_every_steps=1))
    assert (told["code"], told["reason"]) == (0, "")
    assert told["run_s"] > 0
    base = Store(places.store).base
    assert not any((base / part).exists() for part in ("objects", "records", "state"))
    assert not list((base / "tmp").glob("*"))


def test_kinds_are_told_apart_by_what_decides_shapes_and_memory(cohort):
    view, other = cohort.view(range(6)), cohort.view(range(4))
    alike = [*rates(view), *rates(other)]
    wide = rates(view, 2, architecture=toy("ToyEncoder", width=8))
    large = rates(view, 2, trainer={"batch_size": 6})
    aged = rates(view, 2, heads=(AGE,))
    single = rates(view, 1, scenario=toy("ToyTwoRoles"))
    store = Store(cohort.places().store)
    found = kinds(graph_of(*alike, *wide, *large, *aged, *single), store)
    assert [[fit.work for fit in kind] for kind in found] == [
        [fit.work for fit in kind] for kind in (alike, wide, large, aged)
    ]


@pytest.mark.parametrize(("count", "checked"), [(7, False), (8, True)])
def test_few_trainings_are_not_checked(cohort, count, checked):
    found = kinds(graph_of(*rates(cohort.view(range(6)), count)), Store(cohort.places().store))
    assert bool(found) == checked


def test_what_the_store_has_needs_no_check(cohort):
    graph, places = graph_of(*rates(cohort.view(range(6)), 8)), cohort.places()
    assert supervise(graph, places, 2).code == 0
    told = []
    supervise(graph, places, 2, Options(), told.append)
    assert {event["event"] for event in told} == {"reused"}
