"""A tiny cohort of NIfTI files, and manifests written by hand."""

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np

from tlimb.components.discovery import path_of
from tlimb.language import catalogue
from tlimb.manifest import Graph, Manifest, digest
from tlimb.protocol.options import Places

LAB = Path(__file__).parent / "lab"


def toy(name, **options):
    return {"class": f"toy_lab.{name}", "revision": 1, "options": options}


def component(kind, name, **options):
    revision = catalogue.load().get(kind, name).revision
    return {"class": path_of(kind, name), "revision": revision, "options": options}


def graph_of(*manifests):
    return Graph({manifest.work: manifest for manifest in manifests})


class Crash(BaseException):
    """Not an Exception: like a kill, nothing in the runner may catch it."""


def crash_at(number):
    def after(done):
        if done == number:
            raise Crash

    return after


class Cohort:
    """Eight people (or more), their images, and views of them."""

    def __init__(self, folder: Path, people: int = 8, shape=(6, 7, 6)):
        self.shape = shape
        self.folder, self.data, self.private = folder, folder / "data", folder / "private"
        self.data.mkdir(parents=True)
        self.rows = []
        for number in range(people):
            self.add(number)

    def add(self, number: int):
        rng = np.random.default_rng(number)
        sex = "FM"[number % 2]
        voxels = rng.normal(size=self.shape).astype(np.float32)
        voxels[2:4, 2:5, 2:4] += 2.0 if sex == "F" else -2.0
        path = self.data / f"sub-CANARY{number:02d}_T1w.nii.gz"
        nib.save(nib.Nifti1Image(voxels, np.diag([8.0, 8.0, 8.0, 1.0])), path)
        self.rows.append(
            {
                "row": number,
                "person": hashlib.sha256(f"person{number}".encode()).hexdigest(),
                "root": "clinic",
                "image": path.name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "mask": None,
                "mask_sha256": None,
                "group": "clinic",
                "labels": {"age": 50.0 + 3 * number, "sex": sex},
            }
        )

    def view(self, numbers, labels=("age", "sex")) -> str:
        rows = [{**self.rows[n], "labels": {k: self.rows[n]["labels"][k] for k in labels}} for n in numbers]
        table = [[r["sha256"], r["mask_sha256"], [r["labels"][k] for k in sorted(labels)]] for r in rows]
        view = digest({"labels": sorted(labels), "rows": table})
        folder = self.private / "views"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{view}.json").write_text(json.dumps({"view": view, "rows": rows}))
        return view

    def places(self, store="store", allow=("toy_lab",)) -> Places:
        return Places(self.folder / store, self.private, {"clinic": self.data}, allow, (LAB,))


SEX = {
    "name": "sex",
    "objective": toy("ToyClasses"),
    "head": toy("ToyHead"),
    "weight": 1.0,
    "role": None,
    "facts": {"label": "sex", "classes": ["F", "M"], "counts": [4, 4], "mean": None, "sd": None},
}
AGE = {
    "name": "age",
    "objective": toy("ToyNumber"),
    "head": toy("ToyHead"),
    "weight": 1.0,
    "role": None,
    "facts": {"label": "age", "classes": [], "counts": [], "mean": 60.0, "sd": 7.0},
}


def fit_manifest(train, val=None, *, heads=(SEX,), parents=None, views=None, trainer=None, **more) -> Manifest:
    hashed = {
        "kind": "fit",
        "scenario": toy("ToySupervised"),
        "data": toy("ToyData"),
        "architecture": toy("ToyEncoder"),
        "heads": list(heads),
        "auxiliary": [],
        "weighting": None,
        "sampler": None,
        "optimizer": toy("ToyAdam"),
        "scheduler": None,
        "trainer": {
            "epochs": 2,
            "steps": None,
            "batch_size": 3,
            "accumulate": 1,
            "precision": "fp32",
            "threads": 1,
            "device": "cpu",
            "devices": 1,
            "deterministic": None,
            "monitor": None,
            "keep": "last",
            "early_stopping": None,
            "gradient_clip": None,
            **(trainer or {}),
        },
        "freeze": {"up_to": None, "thaw_epoch": None, "thaw_every_epochs": None},
        "adapt": {"heads": "new", "stem": None, "position": None, "missing": []},
        "parents": parents or {},
        "weights": {},
        "views": views or {"data": {"train": train, "val": val}},
        "inputs": {"shape": [6, 7, 6], "spacing_mm": [8, 8, 8]},
        "seed": 1,
        **more,
    }
    return Manifest.of(hashed)


def predict_manifest(model, view) -> Manifest:
    return Manifest.of({"kind": "predict", "parents": {"model": model}, "views": {"rows": view}})


def select_manifest(candidates, metric="ToyAccuracy", head=None) -> Manifest:
    return Manifest.of(
        {
            "kind": "select",
            "parents": {"candidates": candidates},
            "metric": toy(metric),
            "head": head,
            "role": "data",
        }
    )
