import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from attrs import evolve
from node_manifests import AGE, Cohort, fit_manifest, graph_of, predict_manifest, select_manifest, toy

from tlimb.manifest import Gate, Manifest
from tlimb.protocol.options import Options
from tlimb.scheduler.graph_state import Agenda
from tlimb.scheduler.preload import modules_of
from tlimb.scheduler.supervise import run_here, supervise
from tlimb.store import Store


def gated(manifest, *gates):
    return Manifest(manifest.work, manifest.hashed, (), tuple(Gate(*gate) for gate in gates))


class Study:
    """Pretraining, three learning rates, a selection, a gated test of each candidate."""

    def __init__(self, cohort: Cohort):
        train, val, held_out = cohort.view(range(4)), cohort.view([4, 5]), cohort.view([6, 7])
        self.prepare = Manifest.of({"kind": "prepare", "data": toy("ToyData"), "view": cohort.view(range(8))})
        self.pretrain = fit_manifest(train, val, heads=(AGE,))
        self.fits = [
            fit_manifest(train, val, parents={"encoder": self.pretrain.work}, optimizer=toy("ToyAdam", lr=lr))
            for lr in (1e-4, 1e-3, 1e-2)
        ]
        self.choice = select_manifest([[fit.work] for fit in self.fits])
        self.tests = [
            gated(predict_manifest(fit.work, held_out), (self.choice.work, number))
            for number, fit in enumerate(self.fits)
        ]
        self.graph = graph_of(self.prepare, self.pretrain, *self.fits, self.choice, *self.tests)


def files_of(places, works):
    store = Store(places.store)
    results = {work: store.result(work) for work in works}
    return {work: None if result is None else result.digest for work, result in results.items()}


def test_a_warm_parent_gives_the_bytes_that_one_process_gives(cohort):
    study = Study(cohort)
    alone, warm = cohort.places("alone"), cohort.places("warm")
    here = run_here(study.graph, alone)
    events = []
    there = supervise(study.graph, warm, 2, Options(), events.append)
    assert (here.code, there.code) == (0, 0)
    assert len(there.computed) == 7
    assert len(there.closed) == 2
    assert files_of(alone, here.done) == files_of(warm, here.done)
    kinds = {event["event"] for event in events}
    assert {"started", "progress", "finished", "closed"} <= kinds

    again = supervise(study.graph, warm, 2, Options(), events.append)
    assert (len(again.computed), len(again.reused), again.code) == (0, 7, 0)


def test_twelve_runs_in_two_workers_decode_each_image_once(cohort):
    train, val = cohort.view(range(6)), cohort.view([6, 7])
    fill = Manifest.of({"kind": "prepare", "data": toy("ToyData"), "view": cohort.view(range(8))})
    fits = [fit_manifest(train, val, optimizer=toy("ToyAdam", lr=1e-3 * (n + 1))) for n in range(12)]
    fits = [Manifest(fit.work, fit.hashed, after=(fill.work,)) for fit in fits]
    places = cohort.places()
    summary = supervise(graph_of(fill, *fits), places, 2)
    store = Store(places.store)
    decoded = sum(store.record(m.work).attempts[0].decoded for m in (fill, *fits))
    # So many trainings are tried before: what their check has decoded is not decoded again.
    decoded += sum(store.note(fit.work, "check.json").get("decoded", 0) for fit in fits)
    assert (len(summary.computed), decoded) == (13, 8)


def test_p12_a_failed_run_never_stops_its_siblings(cohort):
    train = cohort.view(range(4))
    bad = fit_manifest(train, architecture=toy("NoSuchThing"))
    good = fit_manifest(train)
    child = fit_manifest(train, parents={"encoder": bad.work})
    grandchild = predict_manifest(child.work, train)
    other = predict_manifest(good.work, train)
    summary = supervise(graph_of(bad, good, child, grandchild, other), cohort.places(), 1)
    assert set(summary.computed) == {good.work, other.work}
    assert summary.failed[bad.work].code == 64
    assert summary.skipped == {child.work: bad.work, grandchild.work: bad.work}


def test_p12_a_diverged_candidate_never_wins_and_its_descendants_are_skipped(cohort):
    train, val = cohort.view(range(6)), cohort.view([6, 7])
    wild = fit_manifest(train, val, optimizer=toy("ToyAdam", lr=1e30))
    tame = fit_manifest(train, val)
    choice = select_manifest([[wild.work], [tame.work]])
    tests = [gated(predict_manifest(m.work, val), (choice.work, n)) for n, m in enumerate((wild, tame))]
    places = cohort.places()
    summary = run_here(graph_of(wild, tame, choice, *tests), places)
    assert summary.failed[wild.work].code == 76
    result = Store(places.store).result(choice.work)
    assert result.chosen == 1
    assert result.values[0] is None
    assert tests[1].work in summary.computed
    assert summary.closed == (tests[0].work,)
    again = run_here(graph_of(wild, tame, choice, *tests), places)
    assert (again.computed, again.failed[wild.work].code) == ((), 76)


class Full:
    """Six trainings and their tests, and a store where nothing can be made: it leads into the kernel."""

    def __init__(self, cohort):
        train = cohort.view(range(4))
        self.fits = [fit_manifest(train, optimizer=toy("ToyAdam", lr=1e-3 * (n + 1))) for n in range(6)]
        self.tests = [predict_manifest(fit.work, train) for fit in self.fits]
        self.graph = graph_of(*self.fits, *self.tests)
        self.places = cohort.places()
        self.places.store.parent.mkdir(parents=True, exist_ok=True)
        self.places.store.symlink_to("/sys/kernel")


def test_p5_nothing_new_starts_once_a_run_could_not_write_its_result(cohort):
    full, started = Full(cohort), []
    summary = run_here(full.graph, full.places, observer=lambda event: started.append(event["event"]))
    assert (started.count("started"), summary.code) == (1, 73)
    assert summary.failed.keys() == {full.fits[0].work}
    assert set(summary.pending) == {node.work for node in (*full.fits[1:], *full.tests[1:])}


def test_p5_what_runs_beside_a_run_that_could_not_write_is_let_end_and_nothing_new_starts(cohort):
    full, events = Full(cohort), []
    summary = supervise(full.graph, full.places, 2, Options(check=False), events.append)
    started = {event["work"] for event in events if event["event"] == "started"}
    assert started == {fit.work for fit in full.fits[:2]} == summary.failed.keys()
    assert {failure.code for failure in summary.failed.values()} == {73}
    assert (summary.code, len(summary.pending)) == (73, 8)
    # There is room again, and the same command goes on.
    full.places.store.unlink()
    assert len(supervise(full.graph, full.places, 2, Options(check=False)).computed) == 12


def test_no_more_runs_are_looked_at_than_there_are_workers(cohort, monkeypatch):
    bad = [fit_manifest(cohort.view(range(4)), seed=seed, architecture=toy("NoSuchThing")) for seed in range(12)]
    real, looked = Agenda.ready, []

    def ready(self):
        for manifest in real(self):
            looked.append(manifest)
            yield manifest

    monkeypatch.setattr(Agenda, "ready", ready)
    assert len(supervise(graph_of(*bad), cohort.places(), 2, Options(check=False)).failed) == 12
    assert looked == bad


def with_lineage(graph, *selects):
    """Note beside selections what their candidates descend from, as a plan does."""
    for select in selects:
        above = {work: graph.nodes[work].parents for work in select.parents}
        graph.nodes[select.work] = evolve(select, lineage=above)
    return graph


def test_p12_what_descends_from_a_diverged_run_never_wins_and_stops_no_selection(cohort):
    train, val = cohort.view(range(6)), cohort.view([6, 7])
    wild, tame = (fit_manifest(train, heads=(AGE,), optimizer=toy("ToyAdam", lr=lr)) for lr in (1e30, 1e-3))
    fits = [fit_manifest(train, val, parents={"encoder": one.work}) for one in (wild, tame)]
    choice = select_manifest([[fit.work] for fit in fits])
    tests = [gated(predict_manifest(m.work, val), (choice.work, n)) for n, m in enumerate(fits)]
    graph = with_lineage(graph_of(wild, tame, *fits, choice, *tests), choice)
    places = cohort.places()
    summary = run_here(graph, places)
    result = Store(places.store).result(choice.work)
    assert (result.chosen, result.values[0]) == (1, None)
    assert summary.failed.keys() == {wild.work}
    assert summary.skipped == {fits[0].work: wild.work}
    assert tests[1].work in summary.computed
    # An engine starts one node at a time: all it has is what the manifest says.
    alone = cohort.places("alone")
    for node in (wild, tame, fits[1]):
        run_here(graph_of(node), alone)
    assert run_here(graph_of(graph.nodes[choice.work]), alone).code == 0
    assert files_of(alone, [choice.work]) == files_of(places, [choice.work])


def test_p12_a_selection_waits_for_what_descends_from_a_run_that_failed_and_can_be_mended(cohort):
    train, val = cohort.view(range(6)), cohort.view([6, 7])
    bad, good = fit_manifest(train, architecture=toy("NoSuchThing")), fit_manifest(train)
    fits = [fit_manifest(train, val, parents={"encoder": one.work}) for one in (bad, good)]
    choice = select_manifest([[fit.work] for fit in fits])
    summary = run_here(with_lineage(graph_of(bad, good, *fits, choice), choice), cohort.places())
    assert summary.skipped == {fits[0].work: bad.work, choice.work: bad.work}


def test_a_refit_takes_the_median_best_epoch_of_its_runs(cohort):
    train, val = cohort.view(range(6)), cohort.view([6, 7])
    folds = [fit_manifest(train, val, seed=seed, trainer={"epochs": 3}) for seed in range(3)]
    refit = fit_manifest(
        cohort.view(range(8)),
        parents={"epochs_from": [fold.work for fold in folds]},
        trainer={"epochs": {"median_best_epoch_of": "epochs_from"}},
    )
    places = cohort.places()
    assert run_here(graph_of(*folds, refit), places).code == 0
    store = Store(places.store)
    best = sorted(store.result(fold.work).best_epoch for fold in folds)
    assert store.result(refit.work).epochs == best[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_p5_an_interrupted_study_is_resumable_and_ends_with_the_signals_code(cohort, number, code):
    train, val = cohort.view(range(6)), cohort.view([6, 7])
    manifest = fit_manifest(train, val, trainer={"epochs": 2000, "batch_size": 1})
    places = cohort.places()
    script = """
import json, sys
from tlimb.manifest import Graph, Manifest
from tlimb.protocol.options import Options, Places
from tlimb.scheduler.supervise import supervise
task = json.load(sys.stdin)
manifest = Manifest.from_json(task["manifest"])
summary = supervise(Graph({manifest.work: manifest}), Places.from_json(task["places"]), 1, Options(),
                    lambda event: print(event["event"], flush=True))
assert "torch" not in sys.modules
sys.exit(summary.code)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdin.write(json.dumps({"manifest": manifest.to_json(), "places": places.to_json()}))
    process.stdin.close()
    for line in process.stdout:
        if line.startswith("progress"):
            break
    os.kill(process.pid, number)
    process.stdout.read()
    assert process.wait() == code
    store = Store(places.store)
    assert not store.has(manifest.work)
    assert list((store.base / "state" / manifest.work).glob("*.ckpt"))


def test_tests_selections_and_cache_fills_never_load_what_trains(cohort):
    study, places = Study(cohort), cohort.places()
    assert run_here(graph_of(study.pretrain, *study.fits), places).code == 0
    rest = graph_of(study.prepare, study.choice, *study.tests)
    assert "tlimb.training.run" not in modules_of(rest)
    script = """
import json, sys
from tlimb.manifest import Graph, Manifest
from tlimb.protocol.options import Places
from tlimb.scheduler.preload import modules_of
from tlimb.scheduler.supervise import run_here
from tlimb.scheduler.forkserver import preload
task = json.load(sys.stdin)
preload(task["modules"])
graph = Graph({one.work: one for one in map(Manifest.from_json, task["graph"])})
summary = run_here(graph, Places.from_json(task["places"]))
assert (len(summary.computed), len(summary.closed)) == (3, 2), summary
assert "torch" in sys.modules
sys.exit("lightning" in sys.modules)
"""
    task = {"graph": [one.to_json() for one in rest], "places": places.to_json(), "modules": modules_of(rest)}
    subprocess.run([sys.executable, "-c", script], input=json.dumps(task), text=True, check=True)


@pytest.mark.long
def test_p6_at_the_deadline_a_run_stops_itself_and_loses_nothing(cohort):
    train = cohort.view(range(6))
    manifest = fit_manifest(train, trainer={"epochs": 400, "batch_size": 1})
    places = cohort.places()
    first = supervise(graph_of(manifest), places, 1, Options(deadline=time.time() + 12))
    if first.pending:
        assert first.code == 75
        attempt = Store(places.store).record(manifest.work).attempts[-1]
        assert attempt.code == 75
    last = supervise(graph_of(manifest), places, 1)
    assert last.code == 0


def test_a_killed_child_is_reported_with_its_signal(cohort):
    manifest = fit_manifest(cohort.view(range(6)), trainer={"epochs": 5000, "batch_size": 1})

    def kill(event):
        if event["event"] == "started":
            os.kill(event["pid"], signal.SIGKILL)

    places = cohort.places()
    summary = supervise(graph_of(manifest), places, 1, Options(), kill)
    assert summary.failed[manifest.work].code == 137
    (attempt,) = Store(places.store).record(manifest.work).attempts
    assert (attempt.code, attempt.log) == (137, f"logs/{manifest.work}.log")
    assert "memory ran out" in attempt.reason
    assert attempt.began <= attempt.ended
    assert (places.private / attempt.log).is_file()


@pytest.mark.long
def test_children_die_with_the_warm_parent(cohort):
    manifest = fit_manifest(cohort.view(range(6)), trainer={"epochs": 5000, "batch_size": 1})
    pids, places = [], cohort.places()

    def kill(event):
        if event["event"] == "started":
            pids.append(event["pid"])
            parent = int(Path(f"/proc/{event['pid']}/stat").read_text().split()[3])
            os.kill(parent, signal.SIGKILL)

    summary = supervise(graph_of(manifest), places, 1, Options(), kill)
    assert summary.failed[manifest.work].code == 137
    assert [one.code for one in Store(places.store).record(manifest.work).attempts] == [137]
    for _ in range(100):
        if not Path(f"/proc/{pids[0]}").exists():
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{pids[0]}").exists()


@pytest.mark.long
def test_several_threads_are_spawned_not_forked(cohort):
    manifest = fit_manifest(cohort.view(range(6)), trainer={"threads": 2})
    places = cohort.places()
    summary = supervise(graph_of(manifest), places, 1)
    assert (summary.code, len(summary.computed)) == (0, 1)
