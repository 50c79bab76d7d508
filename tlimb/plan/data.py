"""What the planner asks of data, whoever answers: the real cohorts, or their names alone.

`validate` counts runs without opening a table; its answers come from `Declared`. `plan` asks `tlimb.plan.cohort`.
"""

from collections.abc import Mapping
from typing import Protocol

from attrs import frozen

from tlimb.language.model import Study
from tlimb.language.values import Component, Record
from tlimb.manifest import Json, digest


@frozen
class Use:
    """One dataset as one run reads it.

    Attributes:
        dataset: its name.
        fold: position of the outer fold; None without folds.
        inner: position of the inner fold; None without, or in a refit.
        replicate: the repetition where it changes who is in (subsets, redrawn splits), else 0.
        subset: (part, size) pairs; a size is a count or a share.
        resplit: the split is drawn anew for each repetition.
    """

    dataset: str
    fold: int | None = None
    inner: int | None = None
    replicate: int = 0
    subset: tuple[tuple[str, float], ...] = ()
    resplit: bool = False


Uses = tuple[Use, ...]


class Data(Protocol):
    """Answers about datasets; all of them are pure functions of the study and the files."""

    def folds(self, dataset: str) -> tuple[str, ...]:
        """Give the names of a dataset's outer folds; empty when its split has none."""

    def view(self, uses: Uses, part: str, labels: tuple[str, ...]) -> str | None:
        """Give the digest of the rows of a part, pooled in order; None when the part does not exist."""

    def facts(self, uses: Uses, label: str | None, kind: str) -> Json:
        """Give what a manifest says of a target, from the training part."""

    def inputs(self, uses: Uses) -> Json:
        """Give the header facts of the training images: shape and spacing where all agree, else None."""

    def whole(self, dataset: str) -> str | None:
        """Give the digest of all images of a dataset, without labels, for the cache fill."""


def split_of(study: Study, dataset: str) -> Component | None:
    """Give the split in force, or None."""
    found = study.datasets.get(dataset)
    return None if found is None else found.split


def inner_folds(study: Study, dataset: str) -> tuple[int, bool]:
    """Give the number of inner folds (repeats included; 0 without) and whether a refit follows."""
    split = split_of(study, dataset)
    inner = None if split is None else split.options.get("inner")
    if not isinstance(inner, Record):
        return 0, False
    return int(inner.fields.get("folds", 0)) * int(inner.fields.get("repeats", 1)), inner.fields.get(
        "refit"
    ) is not False


class Declared:
    """Answers from the declaration alone: enough to count, never to run."""

    def __init__(self, study: Study, folds: Mapping[str, int] | None = None) -> None:
        """Take the study, and the number of folds of datasets where only the data know it."""
        self.study = study
        self.known = folds or {}

    def folds(self, dataset: str) -> tuple[str, ...]:
        """Give fold names by number."""
        split = split_of(self.study, dataset)
        if split is None or split.name not in ("kfold", "leave_one_out"):
            return ()
        owner = self.study.datasets[dataset].files_place
        count = self.known.get(dataset, self.known.get(owner, split.options.get("folds", 1)))
        return tuple(str(position + 1) for position in range(int(count)))

    def view(self, uses: Uses, part: str, labels: tuple[str, ...]) -> str | None:
        """Give a digest of the names and positions that lead to the rows."""
        if part == "val" and not all(self._has_val(use) for use in uses):
            return None
        return digest([[repr(use) for use in uses], part, list(labels)])

    def _has_val(self, use: Use) -> bool:
        split = split_of(self.study, use.dataset)
        return split is not None and (use.inner is not None or "val" in split.options or split.name == "column")

    def facts(self, uses: Uses, label: str | None, kind: str) -> Json:
        """Name the target only."""
        return {"label": label, "classes": [], "counts": [], "mean": None, "sd": None}

    def inputs(self, uses: Uses) -> Json:
        """Know nothing of the images."""
        return {"shape": None, "spacing_mm": None}

    def whole(self, dataset: str) -> str | None:
        """Give a digest of the name."""
        return digest(["whole", dataset])
