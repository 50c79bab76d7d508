"""An emitted project whose trainings end as they are told, by a stand-in for `tlimb`."""

import csv
import os

from engines import trace
from studies import Project, tlimb

SLOTS = 6
STAND_IN = """\
#!/bin/bash
test "$1" = rank && exec cp done.txt ranking.txt
name=$(basename "$2" .json)
echo "$*" >>"$TOLD/$name.calls"
codes=($(cat "$TOLD/$name" 2>/dev/null || echo 0))
attempt=$(wc -l <"$TOLD/$name.calls")
exit "${codes[attempt > ${#codes[@]} ? -1 : attempt - 1]}"
"""
CONFIG = "executor.pollInterval = '200 ms'\n"


def spec(base, rates):
    """Give a study with a training for each name, one that starts from it, and a test of that."""
    return {
        "tlimb": 1,
        "name": "told",
        "roots": base["roots"],
        "datasets": {"people": base["datasets"]["people"]},
        "defaults": {**base["defaults"], "dataset": "people"},
        "stages": {
            "start": {
                "objective": {"regression": {"target": "age"}},
                "optimizer": {"adamw": {"lr": {"compare": rates}}},
            },
            "next": {
                "from": "start",
                "objective": {"classification": {"target": "sex"}},
                "optimizer": {"adamw": {"lr": 0.1}},
            },
        },
        "tests": {"held_out": {"of": ["next"], "dataset": "people"}},
        "select": {"metric": "cross_entropy"},
        "execution": {"resources": {"memory_gb": 0.25, "time_h": 0.5}, "max_slots": SLOTS},
    }


class Told:
    """An emitted project whose trainings end as they are told."""

    def __init__(self, study, folder, launch, told):
        self.folder, self.launch = folder, launch
        project = Project(folder / "study")
        study.copy(project.folder, store=False)
        project.write(spec(study.spec, {name: place / 1000 for place, name in enumerate(told, 1)}))
        tlimb(project.folder, "emit", project.path.name, "-o", "build")
        self.build = project.folder / "build"
        with (self.build / "plan" / "runs.csv").open(newline="") as file:
            fits = [run for run in csv.DictReader(file) if run["kind"] == "fit"]
        rows = {(run["stage"], run["row"].rpartition("=")[2]): run["work"][:16] for run in fits}
        self.tasks = {name: rows["start", name] for name in told}
        self.next = {name: rows["next", name] for name in told}
        (folder / "told").mkdir()
        (folder / "bin").mkdir()
        for name, codes in told.items():
            (folder / "told" / self.tasks[name]).write_text(" ".join(map(str, codes)))
        (folder / "bin" / "tlimb").write_text(STAND_IN)
        (folder / "bin" / "tlimb").chmod(0o755)
        (folder / "fast.config").write_text(CONFIG)

    def run(self, code, *words, **more):
        """Launch it, and read the trace; more are variables of the environment, or `limit_s`."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        words = ("-c", self.folder / "fast.config", *words)
        self.said = self.launch(
            self.build, self.folder / "launch", *words, code=code, PATH=path, TOLD=str(self.folder / "told"), **more
        )
        self.rows = trace(self.folder / "launch" / "out")

    def attempts(self, name):
        """Give the attempts of a training: (exit code, memory, time), in order."""
        mine = [row for row in self.rows if row["tag"].split(" ")[0] == self.tasks[name]]
        mine.sort(key=lambda row: int(row["attempt"]))
        return [(int(row["exit"]), row["memory"], row["time"]) for row in mine]

    def calls(self, name):
        return (self.folder / "told" / f"{self.tasks[name]}.calls").read_text().splitlines()
