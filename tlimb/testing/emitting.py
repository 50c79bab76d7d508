"""What backends must do."""

import re
from pathlib import Path

from tlimb.backends.contracts import Backend, Emission
from tlimb.backends.execution import engines_of
from tlimb.backends.packing.tasks import tasks
from tlimb.language import catalogue, lower, source
from tlimb.plan.data import Declared
from tlimb.plan.expand import Expander
from tlimb.plan.pieces import Components
from tlimb.plan.plan import Plan
from tlimb.plan.reach import Reach

STUDY = """
tlimb: 1
name: small
replicates: 2
datasets:
  brains: {files: {phantom: {folder: data}}, split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}}
defaults:
  dataset: brains
  data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20]}}
  architecture: {sfcn: {channels: [4, 8]}}
  trainer: {epochs: 1, batch_size: 16}
stages:
  pretrain: {objective: {regression: {target: age}}, optimizer: {adamw: {lr: 1e-3}}}
  finetune:
    from: pretrain
    objective: {classification: {target: sex}}
    optimizer: {adamw: {lr: {choice: [1e-4, 1e-3, 1e-2]}}}
tests: {held_out: {of: finetune}}
select: {metric: auroc}
"""
"""A study with everything that tasks can wait for: parents, a selection, tests that the selection opens."""


def emission(text: str = STUDY) -> Emission:
    """Give the emission of a study whose data nobody has."""
    study, known = lower.lower(source.parse(text, Path("study.yaml"))), catalogue.load()
    expansion = Expander(study, known, Declared(study), Components(known, lambda _: {})).expand(10_000)
    return Emission(
        plan=Plan(study, expansion),
        tasks=tasks(expansion.graph, Reach(study).order()),
        request={},
        version="1.2.3",
        engines=engines_of(study.execution, None, known),
        modules=("my_lab",),
        roots=("spec",),
    )


def check_backend(cls: type[Backend]) -> dict[str, str]:
    """Check a backend on a small study, and give the project that it wrote: path -> text.

    Args:
        cls: the class, made without arguments as tlimb makes it.

    Raises:
        AssertionError: the backend breaks a rule; the message says which.
    """
    backend = cls()
    assert isinstance(backend, Backend)
    assert re.fullmatch(r"[a-z][a-z0-9_-]*", backend.name), f"{backend.name!r} is no name"
    made = emission()
    found = _files(backend, made)
    assert found == _files(cls(), emission()), "an equal study gave other files"
    assert "README.md" in found, "no README.md says how to start the project"
    for path in found:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", path), f"{path!r} is no plain relative path"
        assert ".." not in path.split("/"), f"{path!r} leads out of the project"
        assert not path.startswith("code/"), f"{path!r} is where the study's own code goes"
    whole = "".join(found.values())
    missing = [task.id for task in made.tasks.tasks if task.id not in whole]
    # An engine may as well read plan/tasks.csv or plan/links.csv.
    assert not missing or re.search(r"(tasks|links)\b", whole), f"nothing starts the tasks {missing}"
    return found


def _files(backend: Backend, made: Emission) -> dict[str, str]:
    pairs = [(path, "".join(pieces)) for path, pieces in backend.files(made)]
    assert len(dict(pairs)) == len(pairs), "a file was written twice"
    return dict(pairs)
