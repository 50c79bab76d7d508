"""Killed anywhere and continued, a run gives the bytes of one that was never touched."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from node_manifests import Cohort, Crash, crash_at, fit_manifest, toy

from tlimb.manifest import Manifest
from tlimb.protocol.options import Options, Places
from tlimb.store import Store
from tlimb.training import checkpoints, seeds
from tlimb.training.data import batches
from tlimb.training.execute import execute

BATCHES = 21


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three epochs of seven batches, the last one short, two a step, two roles, every kind of randomness."""
    cohort = Cohort(tmp_path_factory.mktemp("resume"), people=27)
    manifest = fit_manifest(
        None,
        views={
            "data": {"train": cohort.view(range(20)), "val": cohort.view([20, 21])},
            "extra": {"train": cohort.view(range(22, 27)), "val": None},
        },
        scenario=toy("ToyTwoRoles"),
        weighting=toy("ToyLearned"),
        sampler=toy("ToyGroups", by="sex"),
        auxiliary=[toy("ToyOwner")],
        data=toy("ToyData", noise=0.3),
        architecture=toy("ToyEncoder", dropout=0.3),
        scheduler=toy("ToyCycle"),
        trainer={
            "epochs": 3,
            "batch_size": 3,
            "accumulate": 2,
            "monitor": {"metric": "loss", "head": None, "role": None},
            "keep": "best",
            "early_stopping": {"patience_epochs": 2, "min_delta": 0.0},
            "gradient_clip": 1.0,
        },
    )
    execute(manifest, cohort.places("whole"))
    whole = Store(cohort.places("whole").store).result(manifest.work)
    assert (whole.batches, whole.status) == (BATCHES, "done")
    return cohort, manifest, whole.digest


def run_with_crashes(cohort, manifest, name, crashes, workers=0, every=1):
    places = cohort.places(name)
    for number in crashes:
        with pytest.raises(Crash):
            execute(manifest, places, Options(checkpoint_every_steps=every, after_batch=crash_at(number)))
    outcome = execute(manifest, places, Options(checkpoint_every_steps=every, loader_workers=workers))
    assert outcome.code == 0
    return Store(places.store).result(manifest.work).digest, outcome.facts


@pytest.mark.parametrize("number", range(1, BATCHES + 1))
def test_p1_a_run_killed_after_any_batch_twice_in_a_row_gives_the_same_bytes(study, number):
    cohort, manifest, whole = study
    again, facts = run_with_crashes(cohort, manifest, f"crash{number}", [number, min(number + 1, BATCHES)])
    assert again == whole
    # It went on from a resume point as soon as there could be one: after the first step of two batches.
    assert facts.get("resumed_at", 0) > 0 or number < 2


@pytest.mark.parametrize("number", [3, 7, 12])
def test_p1_loader_processes_change_nothing_in_a_resumed_run(study, number):
    cohort, manifest, whole = study
    again, _ = run_with_crashes(cohort, manifest, f"workers{number}", [number], workers=2)
    assert again == whole


def test_p2_with_rare_resume_points_only_the_work_since_the_last_is_lost(study):
    cohort, manifest, whole = study
    again, facts = run_with_crashes(cohort, manifest, "rare", [20], every=4)
    assert again == whole
    assert facts["resumed_at"] == 14


def test_p1_would_see_an_order_that_begins_with_epoch_zero_again(study, monkeypatch):
    cohort, manifest, whole = study
    monkeypatch.setattr(batches, "order_generator", lambda seed, role, epoch: seeds.order_generator(seed, role, 0))
    again, _ = run_with_crashes(cohort, manifest, "mutant-epoch-zero", [8])
    assert again != whole


@pytest.mark.parametrize(
    "mutant", ["order", "augmentation", "dropout", "ledger", "optimizer", "scheduler", "layers", "mean"]
)
def test_p1_would_see_a_resume_that_forgets(study, monkeypatch, mutant):
    """Each mutant acts on resumed runs only, as the wrong resume of a framework would."""
    cohort, manifest, whole = study
    resumed = []
    loading = checkpoints.load

    def load(data):
        resumed.append(True)
        state = loading(data)
        if mutant == "ledger":
            state["state"]["sums"] = {}
        if mutant == "optimizer":
            state["optimizer"]["state"] = {}
        if mutant == "scheduler":
            state["scheduler"]["last_epoch"] = 0
        if mutant in ("layers", "mean"):
            part = f"owned.auxiliary_toy_lab.{'layer' if mutant == 'layers' else 'mean'}"
            found = [name for name in state["model"] if name.startswith(part)]
            assert found
            state["model"] |= {name: torch.zeros_like(state["model"][name]) for name in found}
        return state

    monkeypatch.setattr(checkpoints, "load", load)
    if mutant == "order":
        monkeypatch.setattr(
            batches, "order_generator", lambda s, r, e: seeds.order_generator(s, r, e - 1 if resumed and e else e)
        )
    if mutant == "augmentation":
        monkeypatch.setattr(
            batches,
            "augmentation",
            lambda s, r, e, rows: seeds.augmentation(s, r, e - 1 if resumed and e else e, rows),
        )
    if mutant == "dropout":
        monkeypatch.setattr(
            "tlimb.training.loop.seed_batch",
            lambda seed, index, *device: seeds.seed_batch(seed, index if not resumed else index - 8, *device),
        )
    again, _ = run_with_crashes(cohort, manifest, f"mutant-{mutant}", [10])
    assert resumed
    assert again != whole


@pytest.mark.parametrize("number", [13, 14])
def test_p1_a_run_that_stopped_early_stays_stopped(study, number):
    cohort, manifest, _ = study
    trainer = {**manifest.hashed["trainer"], "early_stopping": {"patience_epochs": 1, "min_delta": 1e9}}
    early = Manifest.of({**manifest.hashed, "trainer": trainer})
    execute(early, cohort.places("early"))
    whole = Store(cohort.places("early").store).result(early.work)
    assert (whole.epochs, whole.best_epoch, whole.stopped_early) == (2, 1, True)
    again, _ = run_with_crashes(cohort, early, f"early{number}", [number])
    assert again == whole.digest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_p6_a_wish_to_stop_in_the_middle_of_a_step_is_granted_after_the_step(study, number):
    """Two batches a step: a trainer that ended the process after any batch would lose what was done."""
    cohort, manifest, whole = study
    places = cohort.places(f"asked{number}")

    def ask(done):
        if done == 8:
            os.kill(os.getpid(), number)

    outcome = execute(manifest, places, Options(after_batch=ask))
    assert outcome.code == 128 + number
    resumed = execute(manifest, places)
    assert resumed.facts["resumed_at"] == 9
    assert Store(places.store).result(manifest.work).digest == whole


def test_a_damaged_resume_point_is_put_aside_and_the_one_before_it_is_used(study):
    cohort, manifest, whole = study
    places = cohort.places("damaged")
    with pytest.raises(Crash):
        execute(manifest, places, Options(checkpoint_every_steps=1, after_batch=crash_at(13)))
    store = Store(places.store)
    last = max((store.base / "state" / manifest.work).glob("*.ckpt"))
    data = bytearray(last.read_bytes())
    data[len(data) // 2] ^= 1
    last.write_bytes(data)
    outcome = execute(manifest, places)
    assert outcome.facts["resumed_at"] == 11
    assert store.result(manifest.work).digest == whole
    assert list((store.base / "quarantine").glob("*.json"))


def test_another_environments_resume_point_is_not_continued(study, monkeypatch):
    cohort, manifest, whole = study
    places = cohort.places("moved")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    with pytest.raises(Crash):
        execute(manifest, places, Options(checkpoint_every_steps=1, after_batch=crash_at(13)))
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    outcome = execute(manifest, places)
    assert "resumed_at" not in outcome.facts
    assert Store(places.store).result(manifest.work).digest == whole


def test_a_resume_point_holds_nothing_that_could_run():
    with pytest.raises(TypeError, match=r"state\.model\[0\] is a function"):
        checkpoints.dump({"model": [lambda: None]})
    assert checkpoints.load(checkpoints.dump({"a": torch.ones(2), "b": [1, 2.0, "x"]}))["b"] == [1, 2.0, "x"]


SCRIPT = """
import json, os, signal, sys
from tlimb.manifest import Manifest
from tlimb.protocol.options import Options, Places
from tlimb.training.execute import execute
task = json.load(sys.stdin)
def after(done):
    if done == task["kill"]:
        os.kill(os.getpid(), signal.SIGKILL)
outcome = execute(Manifest.from_json(task["manifest"]), Places.from_json(task["places"]),
                  Options(checkpoint_every_steps=1, after_batch=after))
sys.exit(outcome.code)
"""


@pytest.mark.long
def test_p1_a_real_sigkill_changes_no_byte(study):
    cohort, manifest, whole = study
    places: Places = cohort.places("killed")
    codes = []
    for kill in (9, 0):
        task = {"manifest": manifest.to_json(), "places": places.to_json(), "kill": kill}
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, "-c", SCRIPT], input=json.dumps(task), text=True, env=env, check=False)
        codes.append(done.returncode)
    assert codes == [-signal.SIGKILL, 0]
    assert Store(places.store).result(manifest.work).digest == whole
