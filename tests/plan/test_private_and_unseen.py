"""Classes across cohorts: one meaning for one position, and no test on a class that training never saw."""

import gzip
import struct
from pathlib import Path

import pytest

from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.problems import TlimbError
from tlimb.project import Asked, project

SPEC = """
tlimb: 1
name: classes
datasets:
  a:
    files: {{table: {{file: a.tsv, image: "img/{{participant_id}}.nii.gz"}}}}
    labels: {{dx: {{private: {private}}}}}
    split: {{holdout: {{train: 0.5, val: 0.25, test: 0.25}}}}
  b:
    files: {{table: {{file: b.tsv, image: "img/{{participant_id}}.nii.gz"}}}}
    labels: {{dx: {{private: {private}}}}}
    split: {{holdout: {{train: 0.5, val: 0.25, test: 0.25}}}}
stages:
  train:
    dataset: {dataset}
    data: {{bio_image: {{spacing_mm: 8, crop: [4, 4, 4]}}}}
    architecture: {{sfcn: {{channels: [4, 8]}}}}
    objective: {{classification: {{target: dx}}}}
    optimizer: {{adamw: {{lr: 1e-3}}}}
    trainer: {{epochs: 1, batch_size: 4}}
tests: {{held_out: {{of: train, dataset: b}}}}
"""


def _nifti(path: Path, number: int) -> None:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 4, 4, 4, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, 1, 8, 8, 8, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    struct.pack_into("<2h", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, 8, 0, 0, 0, 0, 8, 0, 0, 0, 0, 8, 0)
    header[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(header) + bytes((number + i) % 251 for i in range(64)), mtime=0))


def _plan(folder: Path, *, private: bool, dataset: str):
    (folder / "img").mkdir()
    for number, (name, classes) in enumerate({"a": ("AD", "CN"), "b": ("CN", "MCI")}.items()):
        lines = ["participant_id\tdx"]
        for index in range(16):
            lines.append(f"{name}{index:02d}\t{classes[index % 2]}")
            _nifti(folder / "img" / f"{name}{index:02d}.nii.gz", 100 * number + index)
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    spec = folder / "classes.yaml"
    spec.write_text(SPEC.format(private=str(private).lower(), dataset=dataset))
    loaded = load(spec)
    return make_plan(loaded, project(loaded.sound(), spec, Asked()))


def test_a_private_class_has_one_position_in_all_cohorts(tmp_path):
    plan = _plan(tmp_path, private=True, dataset="[a, b]")
    fit = next(node for node in plan.graph if node.kind == "fit")
    facts = fit.hashed["heads"][0]["facts"]
    assert facts["classes"] == ["0", "1", "2"]  # AD, CN, MCI
    assert sum(facts["counts"]) == 16
    for node in plan.graph:
        assert "MCI" not in repr(node.to_json())


def test_a_class_that_training_never_saw_is_refused_when_planning(tmp_path):
    with pytest.raises(TlimbError) as caught:
        _plan(tmp_path, private=False, dataset="a")
    (problem,) = caught.value.problems
    assert problem.code == "classes-differ"
    assert "`MCI`" in problem.message
    assert problem.place.span.line == 21
