"""Several devices share each batch: two or three processes on the CPU against one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from node_manifests import AGE, SEX, Cohort, Crash, crash_at, fit_manifest, toy
from safetensors.torch import load_file
from torch import nn

from tlimb.components.discovery import path_of
from tlimb.manifest import Manifest
from tlimb.protocol.options import Options
from tlimb.store import Store
from tlimb.training.data.batches import Batches, Source, TrainLength, batches_of
from tlimb.training.execute import execute

PLAIN = toy("ToyEncoder", norm="group", dropout=0.0)
"""A network whose output for an image does not depend on the rest of the batch."""


class Images:
    """Volumes that say their own numbers."""

    stacked = None

    def take(self, rows):
        return rows.float()[:, None]


def members(pid):
    """Give the processes of other devices that a process has started."""
    found = [
        folder for folder in Path("/proc").glob("[0-9]*") if b"tlimb.training.devices.rank_process" in _command(folder)
    ]
    return [int(folder.name) for folder in found if str(pid).encode() in _command(folder).split(b"\0")]


def _command(folder):
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        return b""


def others():
    return members(os.getpid())


def shared(manifest, devices):
    return Manifest.of({**manifest.hashed, "trainer": {**manifest.hashed["trainer"], "devices": devices}})


def ran(cohort, manifest, name="store", code=0, **options):
    outcome = execute(manifest, cohort.places(name), Options(**options))
    assert outcome.code == code, outcome.reason
    assert not others()
    return Store(cohort.places(name).store).path(manifest.work)


def weights(folder):
    return {**load_file(folder / "encoder.safetensors"), **load_file(folder / "heads.safetensors")}


def apart(one, two):
    """Give the largest difference between the weights of two results."""
    first, second = weights(one), weights(two)
    assert set(first) == set(second)
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Fourteen people, some without an age, some without a sex."""
    made = Cohort(tmp_path_factory.mktemp("devices"), people=19)
    for number in (1, 4, 5):
        made.rows[number]["labels"]["age"] = None
    for number in (0, 7):
        made.rows[number]["labels"]["sex"] = None
    return made


@pytest.fixture(scope="module")
def views(cohort):
    return cohort.view(range(14)), cohort.view(range(14, 19))


@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 4))
def test_devices_have_the_samples_of_one_in_the_same_order_and_no_device_has_a_single_one(rows, size, devices):
    size = max(size, 2 * devices)
    rows = max(rows, 2 * devices)
    valid = {"age": torch.arange(rows) % 3 > 0}
    source = {"data": Source(Images(), {"age": torch.zeros(rows)}, valid, rows)}

    class Data:
        def before_transfer(self, inputs, seeds):
            return inputs

    whole = Batches(source, Data(), 7, {"data": size})
    parts = [Batches(source, Data(), 7, {"data": size}, None, device, devices) for device in range(devices)]
    epoch = []
    for index in range(batches_of(rows, size, devices)):
        found = [part[index][1]["data"] for part in parts]
        epoch += [row for batch in found for row in batch.rows.tolist()]
        assert all(len(batch.rows) > 1 or rows == 1 for batch in found)
        if devices > 1:
            assert sum(batch.part.share for batch in found) == pytest.approx(1)
            assert sum(batch.part.shares["age"] for batch in found) in (pytest.approx(1), 0)
            assert {batch.part.samples for batch in found} == {sum(len(batch.rows) for batch in found)}
    alone = [row for index in range(batches_of(rows, size)) for row in whole[index][1]["data"].rows.tolist()]
    assert epoch == alone
    assert TrainLength(rows, size, 1, 2, None, None, devices).batches == 2 * batches_of(rows, size, devices)


@pytest.mark.parametrize("devices", [2, pytest.param(3, marks=pytest.mark.long)])
def test_devices_learn_what_one_learns_from_the_same_batches_with_labels_missing(cohort, views, devices):
    """Two heads, groups of batches, clipping: the mean over people with a label is that of the whole batch."""
    trainer = {"epochs": 3, "batch_size": 7, "accumulate": 2, "gradient_clip": 0.5, "keep": "best"}
    trainer["monitor"] = {"metric": "loss", "head": None, "role": None}
    manifest = fit_manifest(*views, heads=(SEX, AGE), architecture=PLAIN, trainer=trainer)
    one, several = ran(cohort, manifest), ran(cohort, shared(manifest, devices))
    assert apart(one, several) < 1e-5
    first, second = (
        Store(cohort.places().store).result(manifest.work),
        Store(cohort.places().store).result(several.name),
    )
    assert second.losses.train == pytest.approx(first.losses.train, rel=1e-4)
    assert second.losses.val["data"] == pytest.approx(first.losses.val["data"], rel=1e-4)
    assert first.best_epoch == second.best_epoch


@pytest.mark.long
def test_would_see_devices_that_average_their_own_means(cohort, views, monkeypatch):
    """Each device's mean over its own labelled people, averaged, is what wrappers of whole networks do."""
    monkeypatch.setattr("tlimb.training.loop.Training._share", lambda self, head, batches: 0.5)
    manifest = fit_manifest(*views, heads=(SEX, AGE), architecture=PLAIN, trainer={"epochs": 3, "batch_size": 7})
    one = ran(cohort, manifest)
    # The other process does not see the change, so only this one's share is wrong.
    assert apart(one, ran(cohort, shared(manifest, 2), "wrong")) > 1e-4


def test_the_validation_part_is_predicted_once_by_all_together(cohort):
    views = cohort.view(range(12)), cohort.view(range(12, 19))
    manifest = fit_manifest(*views, heads=(SEX, AGE), architecture=PLAIN, trainer={"epochs": 1, "batch_size": 4})
    found = [
        load_file(ran(cohort, one) / "predictions-data.val.safetensors") for one in (manifest, shared(manifest, 2))
    ]
    for name in ("rows", "sex", "age"):
        assert found[0][name].shape == found[1][name].shape == (7, *found[0][name].shape[1:])
        assert torch.allclose(found[0][name].double(), found[1][name].double(), atol=1e-4)


def test_layers_that_thaw_later_are_learned_together_too(cohort, views):
    """A wrapper that lists the trained layers at the start would let the processes drift apart here."""
    source = fit_manifest(*views, architecture=PLAIN)
    ran(cohort, source)
    manifest = fit_manifest(
        *views,
        architecture=PLAIN,
        parents={"encoder": source.work},
        auxiliary=[{"class": path_of("auxiliary", "l2_sp"), "revision": 2, "options": {"alpha": 0.1}}],
        freeze={"up_to": "norm", "thaw_epoch": 2, "thaw_every_epochs": None},
        trainer={"epochs": 4, "batch_size": 7},
    )
    one, two = ran(cohort, manifest), ran(cohort, shared(manifest, 2))
    assert apart(one, two) < 1e-5
    assert apart(one, Store(cohort.places().store).path(source.work)) > 1e-3


@pytest.fixture(scope="module")
def noisy(cohort, views):
    """Everything random or remembered, on two devices, and the digest of its result when nothing happens to it."""
    manifest = fit_manifest(
        *views,
        heads=(SEX, AGE),
        data=toy("ToyData", noise=0.3),
        scheduler=toy("ToyCycle"),
        trainer={
            "epochs": 3,
            "batch_size": 5,
            "accumulate": 2,
            "gradient_clip": 1.0,
            "keep": "best",
            "monitor": {"metric": "loss", "head": None, "role": None},
            "devices": 2,
        },
    )
    ran(cohort, manifest, "whole")
    return manifest, Store(cohort.places("whole").store).result(manifest.work).digest


@pytest.mark.parametrize("number", [4, *(pytest.param(other, marks=pytest.mark.long) for other in (1, 2, 8))])
def test_p1_killed_anywhere_and_continued_devices_give_the_bytes_of_an_untouched_run(cohort, noisy, number):
    manifest, whole = noisy

    options = Options(checkpoint_every_steps=1, after_batch=crash_at(number))
    with pytest.raises(Crash):
        execute(manifest, cohort.places(f"crash{number}"), options)
    assert not others()
    ran(cohort, manifest, f"crash{number}")
    result = Store(cohort.places(f"crash{number}").store).result(manifest.work)
    assert result.digest == whole


def test_p5_the_loss_of_another_devices_process_is_told_and_nothing_is_lost(cohort, noisy):
    manifest, whole = noisy

    def kill(done):
        if done == 5:
            for pid in others():
                os.kill(pid, signal.SIGKILL)

    outcome = execute(manifest, cohort.places("lost"), Options(checkpoint_every_steps=1, after_batch=kill))
    assert outcome.code == 137, outcome.reason
    assert "device-lost: the process of another device was killed" in outcome.reason
    assert not others()
    resumed = execute(manifest, cohort.places("lost"))
    assert resumed.facts["resumed_at"] == 5
    assert Store(cohort.places("lost").store).result(manifest.work).digest == whole


SCRIPT = """
import json, sys, time
from tlimb.manifest import Manifest
from tlimb.protocol.options import Options, Places
from tlimb.training.execute import execute

task = json.loads(sys.stdin.read())
tell = lambda done: (print(done, flush=True), time.sleep(0.3))
options = Options(checkpoint_every_steps=1, after_batch=tell)
sys.exit(execute(Manifest.from_json(task["manifest"]), Places.from_json(task["places"]), options).code)
"""


def started(cohort, manifest, name):
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdin.write(json.dumps({"manifest": manifest.to_json(), "places": cohort.places(name).to_json()}))
    process.stdin.close()
    assert process.stdout.readline().strip() == "1"
    return process


def test_p4_when_the_first_process_is_killed_the_others_end(cohort, noisy):
    manifest, whole = noisy
    process = started(cohort, manifest, "orphans")
    assert len(members(process.pid)) == 1
    process.kill()
    process.wait()
    end = time.monotonic() + 30
    while members(process.pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not members(process.pid)
    ran(cohort, manifest, "orphans")
    assert Store(cohort.places("orphans").store).result(manifest.work).digest == whole


def test_p6_a_wish_to_stop_stops_all_devices_after_the_same_step(cohort, noisy):
    manifest, whole = noisy
    process = started(cohort, manifest, "stopped")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert not members(process.pid)
    outcome = execute(manifest, cohort.places("stopped"))
    assert outcome.facts["resumed_at"] >= 2
    assert Store(cohort.places("stopped").store).result(manifest.work).digest == whole


def test_what_needs_whole_batches_or_more_samples_is_refused(cohort, views):
    indivisible = shared(fit_manifest(*views, auxiliary=[toy("ToyOwner")], trainer={"batch_size": 7}), 2)
    outcome = execute(indivisible, cohort.places())
    assert (outcome.code, "several-devices" in outcome.reason) == (64, True)
    small = shared(fit_manifest(*views, trainer={"batch_size": 3}), 2)
    outcome = execute(small, cohort.places())
    assert (outcome.code, "each needs two or more" in outcome.reason) == (65, True)


def test_devices_that_diverge_do_so_together(cohort, views):
    manifest = fit_manifest(
        *views, architecture=PLAIN, optimizer=toy("ToyAdam", lr=1e30), trainer={"batch_size": 7, "devices": 2}
    )
    outcome = execute(manifest, cohort.places())
    assert outcome.code == 76
    assert not others()


def test_running_statistics_are_those_of_all_devices(cohort, views):
    manifest = fit_manifest(
        *views, architecture=toy("ToyEncoder", dropout=0.0), trainer={"epochs": 1, "batch_size": 14}
    )
    one, two = (weights(ran(cohort, found)) for found in (manifest, shared(manifest, 2)))
    assert torch.allclose(one["norm.running_mean"], two["norm.running_mean"], atol=1e-5)
    assert not torch.equal(one["norm.running_mean"], nn.BatchNorm3d(4).running_mean)
