"""A study on eight tiny images, and what the deep check says of it."""

import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tlimb.api.deep import Deep, look
from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.dryrun.check import check
from tlimb.problems import Problem
from tlimb.project import Asked, project

# Fake tensors load torch's compilers when they are there; triton is slow to load and talks when Python ends.
sys.modules.setdefault("triton", None)  # type: ignore[arg-type]

NETS = '''
"""Networks of somebody's own."""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from tlimb.components.contracts import Encoder

Path(__file__).with_name("imported.txt").write_text("yes")


class Pools(Encoder):
    """Five poolings, each of which halves."""

    dims = (3,)

    def __init__(self, inputs, *, kernel: int = 2):
        super().__init__()
        self.network = nn.Sequential()
        for step in range(5):
            self.network.add_module(f"pool{step}", nn.MaxPool3d(kernel))
        self.network.add_module("last", nn.Conv3d(inputs.channels, 2, 1))
        self.feature_dim = 2
        self.stages = ("last",)

    def forward(self, inputs):
        return self.network(inputs).mean(dim=(2, 3, 4))


class Means(Encoder):
    """Averages that no GPU repeats to the bit, before and after a convolution."""

    dims = (3,)

    def __init__(self, inputs):
        super().__init__()
        self.network = nn.Sequential()
        self.network.add_module("first", nn.Conv3d(inputs.channels, 2, 3, padding=1))
        self.network.add_module("before", nn.AvgPool3d(2))
        self.network.add_module("second", nn.Conv3d(2, 2, 3, padding=1))
        self.network.add_module("after", nn.AdaptiveAvgPool3d(2))
        self.feature_dim = 16
        self.stages = ("first", "second")

    def forward(self, inputs):
        return self.network(inputs).flatten(1)


class Looks(Encoder):
    """Asks for a value, which no tensor without memory has."""

    dims = (3,)

    def __init__(self, inputs):
        super().__init__()
        self.network = nn.Sequential(nn.Conv3d(inputs.channels, 3, 1))
        self.feature_dim = 3
        self.stages = ("0",)

    def forward(self, inputs):
        scale = 1.0 if float(inputs.sum()) > -1e30 else 2.0
        return scale * self.network(inputs).mean(dim=(2, 3, 4))


class Lies(Looks):
    """Promises more features than it gives."""

    def __init__(self, inputs):
        super().__init__(inputs)
        self.feature_dim = 5
'''

HEAD = """\
tlimb: 1
code: [./]
datasets:
  people:
    files: {table: {file: people.tsv, image: "{participant_id}.nii.gz"}}
    split: {holdout: {train: 4, val: 2, test: 2}}
defaults:
  dataset: people
  objective: {classification: {target: sex}}
  optimizer: {adamw: {lr: 1e-3}}
  trainer: {epochs: 1, batch_size: 2}
"""
LINES = len(HEAD.splitlines())
"""Lines that stand before what a test writes."""


class Project:
    """A folder with eight images of 12 x 14 x 12 voxels of 8 mm, and code of one's own."""

    def __init__(self, folder: Path, shape=(12, 14, 12)):
        self.folder = folder
        self.add(range(8), shape)
        rows = ["participant_id\tage\tsex", *(f"p{n}\t{50 + n}\t{'FM'[n % 2]}" for n in range(8))]
        (folder / "people.tsv").write_text("\n".join(rows) + "\n")
        (folder / "my_lab").mkdir()
        (folder / "my_lab" / "__init__.py").write_text('"""Ours."""\n')
        (folder / "my_lab" / "nets.py").write_text(NETS)

    def add(self, numbers, shape):
        for number in numbers:
            voxels = np.random.default_rng(number).normal(100, 10, shape).astype(np.float32)
            image = nibabel.Nifti1Image(voxels, np.diag([8.0, 8.0, 8.0, 1.0]))
            nibabel.save(image, self.folder / f"p{number}.nii.gz")

    def write(self, rest: str) -> Path:
        path = self.folder / "study.yaml"
        path.write_text(HEAD + rest)
        return path

    def check(self, rest: str, *allow: str, progress=lambda done, total: None) -> Deep:
        """Check deeply, in this process: loading torch once is enough for all tests."""
        loaded = load(self.write(rest))
        place = project(loaded.sound(), loaded.source.path, Asked(allow=allow))
        return look(loaded, make_plan(loaded, place), place, progress, checking=check)


def told(found: Deep, code: str) -> list[Problem]:
    return [problem for problem in found.problems if problem.code == code]


def at(problem: Problem) -> tuple[int, int]:
    """Give line, counted from what the test wrote, and column."""
    assert problem.place is not None
    return problem.place.span.line - LINES, problem.place.span.column


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield Project(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "my_lab"]:
        del sys.modules[name]
