"""tlimb as people use it: subprocesses, real image files, and what they leave in folders."""

import copy
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

CANARY = "CANARY"
"""Stands in every participant id and in the free text of headers; nothing outside the private folder may hold it."""

TINY = {
    "tlimb": 1,
    "name": "tiny",
    "seed": 7,
    "replicates": 2,
    "roots": {"cohort": "data"},
    "datasets": {
        "people": {
            "root": "cohort",
            "files": {"bids": {"folder": "brains", "suffix": "T1w"}},
            "labels": {"unread": {"column": "diagnosis"}},
            "split": {
                "holdout": {"train": "rest", "val": 0.25, "test": 0.25, "group": ["family"], "stratify": ["sex"]}
            },
        },
        "population": {"like": "people", "only": {"site": ["A", "B"]}, "subset": {"train": 20}},
        "clinic": {"like": "people", "only": {"site": ["C"]}},
    },
    "defaults": {
        "data": {"bio_image": {"spacing_mm": 8, "crop": [20, 24, 20], "intensity": "zscore"}},
        "architecture": {"sfcn": {"channels": [4, 8], "dropout": 0.2}},
        "trainer": {"epochs": 1, "batch_size": 16},
    },
    "stages": {
        "pretrain": {
            "dataset": "population",
            "objective": {"regression": {"target": "age", "loss": "mse"}},
            "optimizer": {"adamw": {"lr": 0.003, "weight_decay": 0.01}},
            "scheduler": "constant",
            "trainer": {"epochs": 2},
        },
        "finetune": {
            "from": "pretrain",
            "dataset": "clinic",
            "objective": {"classification": {"target": "sex", "label_smoothing": 0.0}},
            "auxiliary": {"compare": {"free": "none", "elastic": {"l2_sp": {"alpha": 0.1}}}},
            "optimizer": {"adamw": {"lr": {"choice": [0.001, 0.01]}}},
        },
        "scratch": {"like": "finetune", "from": "none", "auxiliary": "none"},
    },
    "tests": {"held_out": {"of": ["finetune", "scratch"], "dataset": "clinic"}},
    "select": {"metric": "cross_entropy"},
    "report": {"metrics": ["balanced_accuracy", "auroc"], "against": "scratch"},
}
"""14 trainings that share two pretrainings, two cache fills, three selections, twelve gated tests of which six run."""

NESTED = {
    **{key: TINY[key] for key in ("tlimb", "name", "roots", "defaults")},
    "datasets": {
        "people": {
            **{key: TINY["datasets"]["people"][key] for key in ("root", "files")},
            "portions": {"population": 0.4, "clinic": 0.6},
        },
        "population": {"like": "people", "portion": "population", "split": {"holdout": {"train": 0.8, "val": 0.2}}},
        "clinic": {
            "like": "people",
            "portion": "clinic",
            "split": {
                "kfold": {
                    "folds": 3,
                    "stratify": ["sex"],
                    "group": ["family"],
                    "inner": {"folds": 2, "refit": True},
                }
            },
        },
    },
    "stages": {
        "pretrain": TINY["stages"]["pretrain"],
        "finetune": {
            "from": "pretrain",
            "dataset": "clinic",
            "objective": {"classification": {"target": "sex"}},
            "optimizer": {"adamw": {"lr": {"choice": [0.001, 0.01]}}},
        },
    },
    "tests": {"outer": {"of": "finetune", "dataset": "clinic"}},
    "select": {"metric": "cross_entropy"},
    "report": {"metrics": ["balanced_accuracy"]},
}
"""A cross-validation of 3 x 2 folds: 13 trainings, 3 selections, 6 gated refits with their tests of which 3 run."""


def edited(spec, edits):
    """Give a copy of a spec in which pointers have other values."""
    found = copy.deepcopy(spec)
    for pointer, value in edits.items():
        *above, last = pointer.strip("/").split("/")
        at = found
        for key in above:
            at = at.setdefault(key, {})
        at[last] = value
    return found


def environment(**more):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TLIMB_")}
    return {**clean, "COLUMNS": "200", "PYTHONHASHSEED": "random", **more}


def tlimb(folder, *words, code=0, env=None, timeout=400):
    """Run one command in a folder, and hold it to its exit code; no mistake may end in a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "tlimb", *map(str, words)],
        cwd=folder,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    said = f"$ tlimb {' '.join(map(str, words))} -> {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in said, said
    assert code is None or done.returncode == code, said
    return done


class Planned:
    """A plan folder that `plan -o` wrote, read without any code of tlimb."""

    def __init__(self, folder, said):
        self.folder, self.said = Path(folder), said
        self.nodes = {p.stem: json.loads(p.read_text()) for p in self.folder.glob("manifests/*/*.json")}
        with (self.folder / "runs.csv").open(newline="") as file:
            self.runs = list(csv.DictReader(file))
        with (self.folder / "edges.csv").open(newline="") as file:
            self.edges = list(csv.DictReader(file))
        assert {run["work"] for run in self.runs} == set(self.nodes)

    @property
    def works(self):
        return set(self.nodes)

    def kinds(self, works=None):
        found = {}
        for work in self.nodes if works is None else works:
            kind = self.nodes[work]["hashed"]["kind"]
            found[kind] = found.get(kind, 0) + 1
        return found

    def of(self, kind=None, stage=None):
        return {
            work
            for work, node in self.nodes.items()
            if kind in (None, node["hashed"]["kind"])
            and (stage is None or any(use.get("stage") == stage for use in node["uses"]))
        }

    def descendants(self, works):
        """Give these works and all that have one of them as a parent, at any distance."""
        found = set(works)
        while True:
            more = {
                edge["work"]
                for edge in self.edges
                if edge["parent"] in found and edge["role"] != "after" and not edge["role"].startswith("gate:")
            }
            if more <= found:
                return found
            found |= more


class Project:
    """A folder with a study, its data, its store and what is private."""

    def __init__(self, folder, spec=None):
        self.folder = Path(folder)
        self.spec, self.path = spec, self.folder / "study.yaml"
        if spec is not None:
            self.write(spec)

    @classmethod
    def of(cls, folder, spec):
        """Return the project in a folder, whose study is there already."""
        made = cls(folder)
        made.spec = spec
        return made

    def write(self, spec):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.spec = spec
        self.path.write_text(json.dumps(spec, indent=1).replace('"none"', "none"))

    def edit(self, edits):
        self.write(edited(self.spec, edits))

    def copy(self, to, *, store=True):
        """Copy everything, or everything but store and private folder."""
        ignore = None if store else shutil.ignore_patterns("tlimb-store*", "tlimb-private")
        shutil.copytree(self.folder, to, ignore=ignore, dirs_exist_ok=True)
        return Project.of(to, copy.deepcopy(self.spec))

    def tlimb(self, command, *words, code=0, **more):
        return tlimb(self.folder, command, self.path.name, *words, code=code, **more)

    def run(self, *words, code=0, **more):
        return self.tlimb("run", "-j", "2", *words, code=code, **more)

    def plan(self, *words, **more):
        folder = self.folder / f"plan-{time.monotonic_ns()}"
        done = self.tlimb("plan", "-o", folder.name, *words, **more)
        return Planned(folder, done.stdout + done.stderr)

    @property
    def store(self):
        return self.folder / "tlimb-store" / "v1"

    @property
    def private(self):
        return self.folder / "tlimb-private"

    def objects(self):
        """Give for each finished work the sha256 of each of its files."""
        found = {}
        for file in sorted(self.store.glob("objects/*/*/*")):
            found.setdefault(file.parent.name, {})[file.name] = sha256(file)
        return found

    def result(self, work):
        return json.loads((self.store / "objects" / work[:2] / work / "result.json").read_text())

    def attempts(self, work):
        path = self.store / "records" / work / "record.json"
        return json.loads(path.read_text())["attempts"] if path.is_file() else []

    def decoded(self):
        """Give how many images were decoded, and how many were read from the cache, by all runs and checks so far."""
        all_of = [a for p in (self.store / "records").iterdir() for a in self.attempts(p.name)]
        all_of = [a for a in all_of if "decoded" in a]  # those of killed processes cannot know
        all_of += [json.loads(p.read_text()) for p in self.store.glob("records/*/check.json")]
        return sum(a["decoded"] for a in all_of), sum(a["cached"] for a in all_of)

    def rows(self, view):
        return json.loads((self.private / "views" / f"{view}.json").read_text())["rows"]

    def image(self, row):
        return self.folder / "data" / row["image"]


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
