"""Trainings to be disturbed, emitted as a project that a Nextflow runs on a cluster in the background."""

import subprocess
import sys

from engines import environment
from studies import sha256, tlimb

STEPS = 3
"""Optimizer steps of an epoch: 24 people, 8 at a time."""


def trainings(base, victims, execution, epochs=300):
    """Return a study of trainings that differ in their rate, and one test of each.

    Each has to be caught while it runs, also on a fast machine: an epoch takes 20 ms or more.
    """
    return {
        "tlimb": 1,
        "name": "faults",
        "roots": base["roots"],
        "datasets": {"people": {**base["datasets"]["people"], "subset": {"train": 8 * STEPS}}},
        "defaults": {
            **base["defaults"],
            "dataset": "people",
            "objective": {"regression": {"target": "age"}},
            "trainer": {"epochs": epochs, "batch_size": 8, "device": "cpu"},
        },
        "stages": {name: {"optimizer": {"adamw": {"lr": place / 1000}}} for place, name in enumerate(victims, 1)},
        "tests": {"held_out": {"of": [*victims], "dataset": "people"}},
        "select": {"metric": "mae"},
        "execution": execution,
    }


def objects(project):
    """Give the sha256 of what trainings and tests left in the store."""
    return {
        f"{path.parent.name}/{path.name}": sha256(path) for path in (project.store / "objects").rglob("*.safetensors")
    }


class Emitted:
    """An emitted project and the folder that it is launched from."""

    def __init__(self, project, folder, config):
        self.project, self.folder = project, folder
        tlimb(project.folder, "emit", project.path.name, "-o", "build")
        folder.mkdir()
        (folder / "fast.config").write_text(config)
        plan = project.plan()
        self.planned = plan.works
        self.work = {plan.nodes[work]["uses"][0]["stage"]: work for work in plan.of("fit")}

    def launch(self, profile, **variables):
        """Start `tlimb launch` and leave it to itself."""
        words = [sys.executable, "-m", "tlimb", "launch", self.project.folder / "build", "--outdir", "out"]
        words += ["--profile", profile, "--", "-c", "fast.config"]
        own = environment(self.folder / ".home", **variables)
        self.log = (self.folder / "said").open("w")
        self.process = subprocess.Popen(
            list(map(str, words)), cwd=self.folder, env=own, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )

    def wait(self, limit_s):
        """Give its exit code; it is ended where it takes longer."""
        try:
            return self.process.wait(limit_s)
        finally:
            if self.process.poll() is None:
                self.process.terminate()
                self.process.wait(30)
            self.log.close()

    def said(self):
        return (self.folder / "said").read_text()
