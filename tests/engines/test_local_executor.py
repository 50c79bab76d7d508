"""An emitted project on this machine alone: a run that is killed goes on from its resume point."""

import os
import signal
from pathlib import Path

import pytest
from cluster import until
from emitted import STEPS, Emitted, objects, trainings
from engines import trace

CONFIG = """\
process {
    withName: '.*:FIT_.*' {
        ext.args = '--checkpoint-every 0'
    }
}
"""
EPOCHS = 3
"""Epochs after which the run is killed."""


def runner(work):
    """Give the process of `tlimb run` that an engine started for one work."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"run" in words and f"{work[:16]}.json".encode() in words:
            return int(path.parent.name)
    return None


@pytest.fixture
def local(study, tmp_path):
    """A study of one training, run by `tlimb run` without any fault."""
    project = study.copy(tmp_path / "local", store=False)
    project.write(trainings(study.spec, ("killed",), {"resources": {"memory_gb": 2}}, epochs=100))
    project.run()
    project.tlimb("rank", "-o", "ranked", "--no-pictures")
    return project


def test_p24_a_run_that_is_killed_after_three_epochs_is_retried_and_starts_there(local, engine, tmp_path):
    started = Emitted(local.copy(tmp_path / "study", store=False), tmp_path / "launch", CONFIG)
    work = started.work["killed"]

    def step():
        found = (started.project.store / "state" / work).glob("*.ckpt")
        return max((int(path.name.split("-")[0]) for path in found), default=0)

    started.launch("standard", TLIMB_NEXTFLOW=engine)
    until(lambda: step() >= EPOCHS * STEPS, 400)
    os.kill(runner(work), signal.SIGKILL)
    reached = step()
    assert started.wait(400) == 0, started.said()
    rows = [row for row in trace(started.folder / "out") if row["tag"].startswith(work[:16])]
    assert [(row["exit"], row["status"]) for row in rows] == [("137", "FAILED"), ("0", "COMPLETED")]
    assert started.project.attempts(work)[-1]["resumed_at"] >= reached >= EPOCHS * STEPS
    assert objects(started.project) == objects(local)
    for path in (local.folder / "ranked").glob("ranking.*"):
        assert (started.folder / "out" / path.name).read_bytes() == path.read_bytes()
