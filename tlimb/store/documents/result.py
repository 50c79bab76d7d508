"""What finished work says of itself: a class for the `result.json` of each kind of node.

A result is a pure function of work and environment; times, hosts and attempts are in the record.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from attrs import frozen

from tlimb.manifest.canonical import Json
from tlimb.manifest.contents import CONTENTS, Kind
from tlimb.manifest.fields import Digest, entry
from tlimb.manifest.forms import fits
from tlimb.manifest.parsing import check_format

R = TypeVar("R", bound="Result")
FORMAT = 1
"""Format of `result.json` that is written, and the highest that is read."""


@frozen(kw_only=True)
class Result:
    """What the results of all kinds say."""

    kind: ClassVar[Kind]

    tlimb: Literal[1] = entry("Version of the form of manifests.")
    work: Digest = entry("What was computed.")
    status: Literal["done", "diverged"] = entry("`diverged`: it ended without something that can be built on.")
    environment: Mapping[str, Json] = entry("Where it was computed: versions, processor, GPU.")
    files: Mapping[str, Digest] = entry("Artefacts: name -> sha256.")
    digest: Digest = entry("sha256 of the canonical form of everything else in this file.")
    reason: str | None = entry("Why it counts as diverged.", default=None)
    format: int = entry("Format of this file; 0, the form before there were formats, where it is absent.", default=0)

    @property
    def done(self) -> bool:
        """Return whether it ended with something that can be built on."""
        return self.status == "done"

    @property
    def why(self) -> str:
        """Return why it counts as diverged; empty when it does not."""
        return "" if self.done else self.reason or "a value was not finite"

    @property
    def chosen(self) -> int | None:
        """Return the position of the candidate that was chosen; None where nothing was."""
        return None

    @property
    def device(self) -> str | None:
        """Return `cpu` or `cuda`; None where the environment does not say it."""
        found = self.environment.get("device")
        return None if found is None else str(found)

    def as_a(self, cls: type[R]) -> R:
        """Return the result of work that is known to be of a kind.

        Raises:
            TypeError: it is of another kind.
        """
        if not isinstance(self, cls):
            raise TypeError(f"the result of {self.work[:16]} is that of a {self.kind}, not of a {cls.kind}")
        return self


@frozen(kw_only=True)
class PrepareResult(Result):
    """Images were decoded into the cache."""

    kind: ClassVar[Kind] = Kind.PREPARE

    images: int = entry("How many.", minimum=0)
    shapes: tuple[tuple[int, ...], ...] = entry("Shapes that occur, channels first.")


@frozen
class Counts:
    """Parameters of encoder and heads."""

    total: int = entry("All.", minimum=0)
    trainable: int = entry("Those that trained.", minimum=0)
    frozen: int = entry("Those that did not.", minimum=0)


@frozen
class Losses:
    """Losses of the last epoch."""

    train: Mapping[str, Json] | None = entry("Term -> mean over the samples.")
    val: Mapping[str, Json] | None = entry("Role -> head -> loss.")


@frozen(kw_only=True)
class FitResult(Result):
    """A training has ended."""

    kind: ClassVar[Kind] = Kind.FIT

    counts: Counts = entry("Parameters of encoder and heads.")
    transfer: Mapping[str, Json] | None = entry("Which tensors came from a parent or a file; null without one.")
    heads_kept: tuple[str, ...] = entry("Heads whose weights came from the parent.")
    epochs: int = entry("Epochs that were trained.", minimum=0)
    batches: int = entry("Batches that were trained on.", minimum=0)
    best_epoch: int = entry("Epoch with the best monitored value, from 1; the last one without any.", minimum=0)
    best_value: float | None = entry("That value; null without one.")
    stopped_early: bool = entry("The monitored value had not improved for long enough.")
    losses: Losses = entry("Losses of the last epoch.")
    collapsed: tuple[str, ...] = entry("How embeddings or predictions had collapsed at the end.", default=())
    smoke: bool = entry("Two batches only, to try a study.", default=False)


@frozen(kw_only=True)
class PredictResult(Result):
    """Rows were predicted."""

    kind: ClassVar[Kind] = Kind.PREDICT

    rows: int = entry("How many.", minimum=0)


@frozen(kw_only=True)
class SelectResult(Result):
    """A candidate was chosen, or none could be."""

    kind: ClassVar[Kind] = Kind.SELECT

    chosen: int | None = entry("Position of the best candidate; null when none has a finite value.", minimum=0)
    values: tuple[float | None, ...] = entry("Value of each candidate on validation; null without one.")

    @property
    def best(self) -> float | None:
        """Return the value of the candidate that was chosen; None when none was."""
        known = self.chosen is not None and self.chosen < len(self.values)
        return self.values[self.chosen] if known and self.chosen is not None else None


RESULTS: Mapping[str, type[Result]] = {
    one.kind.value: one for one in (PrepareResult, FitResult, PredictResult, SelectResult)
}
"""The class of each kind whose result has keys of its own."""


@cache
def class_of(kind: str) -> type[Result] | None:
    """Return the class of a kind's results; None for a word that is no kind.

    A kind that leaves artefacts and no keys of its own needs no class here.
    """
    if kind in RESULTS or kind not in {one.value for one in CONTENTS}:
        return RESULTS.get(kind)
    made: type[Result] = frozen(kw_only=True)(type(f"{kind.capitalize()}Result", (Result,), {"kind": Kind(kind)}))
    return made


def result_of(whole: Mapping[str, Json], path: Path | str) -> Result:
    """Return the result that a JSON object stands for.

    Args:
        whole: the object.
        path: its file, for messages.

    Raises:
        NewerFormatError: a newer tlimb wrote it.
        ValueError: it is not of its kind's form.
    """
    check_format(whole, FORMAT, path)
    cls = class_of(str(whole.get("kind")))
    if cls is None or not fits(whole, cls):
        raise ValueError("it is not of the form of a result")
    # Importing cattrs takes longer than many commands that read no result.
    from tlimb.manifest.structure import structure

    return structure(whole, cls)


def result_json(result: Result) -> dict[str, Any]:
    """Return the JSON object of a result."""
    from tlimb.manifest.structure import unstructure

    return {"kind": result.kind.value, **unstructure(result)}
