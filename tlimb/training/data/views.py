"""Views as the runner reads them: rows of one part, their labels, and targets made from labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from tlimb.cohorts import view as view_files
from tlimb.components.contracts import TargetFacts
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import Places

Label = str | float | int | None


@frozen(kw_only=True)
class Row:
    """One image of a view.

    Attributes:
        number: row number in the cohort; the only name of it that may stand in a message.
        person: keyed hash of who it is.
        root: name of the root that `image` and `mask` are relative to.
        image: path of the image; private.
        sha256: sha256 of the image's bytes as stored.
        mask: path of the mask, None without one; private.
        mask_sha256: sha256 of the mask's bytes.
        labels: label -> raw value.
        dataset: the dataset whose row it is; empty where the view does not say.
    """

    number: int
    person: str
    root: str
    image: str
    sha256: str
    mask: str | None
    mask_sha256: str | None
    labels: dict[str, Label]
    dataset: str = ""

    @property
    def key(self) -> str:
        """Give the name of its volume in the cache."""
        return f"{self.sha256}-{self.mask_sha256}" if self.mask_sha256 else self.sha256


def read_view(places: Places, view: str) -> tuple[Row, ...]:
    """Read a view's private file and check that it is what its digest says.

    Raises:
        TlimbError: the file is missing or does not fit its digest (exit code 65).
    """
    try:
        content = view_files.read_view(places.private, view)
    except FileNotFoundError as error:
        raise TlimbError(
            Problem("no-view", f"the view {view[:16]} is not here", help="plan the study on this machine"),
            ExitCode.DATA,
        ) from error
    except (OSError, ValueError) as error:
        raise TlimbError(
            Problem("changed-view", f"the view {view[:16]} does not fit its digest", help="plan the study again"),
            ExitCode.DATA,
        ) from error
    return tuple(_row(row) for row in content["rows"])


def _row(row: Mapping[str, Any]) -> Row:
    return Row(
        number=row["row"],
        person=row["person"],
        root=row["root"],
        image=row["image"],
        sha256=row["sha256"],
        mask=row["mask"],
        mask_sha256=row["mask_sha256"],
        labels=dict(row["labels"]),
        dataset=row.get("group", ""),
    )


def targets(rows: Sequence[Row], facts: TargetFacts) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Give the target of each row and whether it is known.

    Returns:
        (n,) float64 numbers or int64 class positions, 0 where missing; and (n,) bool.
    """
    if facts.label is None:
        return np.zeros(len(rows)), np.zeros(len(rows), bool)
    raw = [row.labels.get(facts.label) for row in rows]
    if facts.classes:
        position = {name: index for index, name in enumerate(facts.classes)}
        found = [position.get(view_files.text(value)) if value is not None else None for value in raw]
        return np.array([value or 0 for value in found], np.int64), np.array([v is not None for v in found])
    numbers = np.array([np.nan if value is None else float(value) for value in raw], np.float64)
    known = np.isfinite(numbers)
    return np.where(known, numbers, 0.0), known


def target_tensors(rows: Sequence[Row], facts: TargetFacts) -> tuple[Tensor, Tensor]:
    """Give targets as training reads them: (n,) float32 or int64, and (n,) bool."""
    values, known = targets(rows, facts)
    tensor = torch.from_numpy(values)
    return (tensor if facts.classes else tensor.float()), torch.from_numpy(known)
