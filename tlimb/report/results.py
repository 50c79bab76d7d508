"""Predictions out of the store, joined with the targets of their private view, and what kept them away."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from safetensors.numpy import load

from tlimb.cohorts import view as views
from tlimb.manifest import Graph, Kind, Predict
from tlimb.manifest.fields import HEX, entry
from tlimb.problems import ExitCode
from tlimb.report.request import Values
from tlimb.store import Store
from tlimb.store.documents import Attempt, Result

FAILURES = {
    64: "wrong usage",
    65: "bad data",
    69: "missing backend",
    70: "internal error",
    73: "cannot write",
    75: "yielded at the deadline",
    76: "diverged",
    77: "refused by policy",
}


@frozen(eq=False)
class Task:
    """One head as its fit knew it.

    Attributes:
        head: name of the head.
        label: name of the target; None for an objective without one.
        classes: class names in the order of outputs; empty for numbers.
    """

    head: str
    label: str | None
    classes: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Give `class` or `number`, the kind of metric that applies."""
        return "class" if self.classes else "number"


@frozen(eq=False)
class Scored:
    """Predictions of one head beside their targets.

    Attributes:
        task: the head.
        targets: (n,) float64 numbers or int64 class positions; rows without the label are left out.
        predictions: (n,) float64, or (n, classes) float64.
        people: (n,) keyed identity of each row's participant.
        families: (n,) equal for rows of people who belong together; the participant where nothing else is known.
        rows: (n,) position of each row in its view.
    """

    task: Task
    targets: Values
    predictions: Values
    people: tuple[str, ...]
    families: tuple[str, ...]
    rows: tuple[int, ...] = ()


@frozen
class Absent:
    """Why a run has no value."""

    state: str = entry("What became of the run.", enum=["pending", "failed", "diverged", "skipped"])
    reason: str = entry("Why, in one line, without names of people or files.")
    work: str = entry("Work of the node that is the cause.", pattern=HEX)


class Results:
    """Reads results of a plan; every object is verified once and remembered."""

    def __init__(self, graph: Graph, store: Store, private: Path) -> None:
        """Take the plan, the store and the private folder that holds `views/`."""
        self.graph = graph
        self.store = store
        self.private = private
        self._results: dict[str, Result | None] = {}
        self._views: dict[str, list[Mapping[str, Any]]] = {}

    def result(self, work: str) -> Result | None:
        """Return a work's verified result, or None when there is none."""
        if work not in self._results:
            self._results[work] = self.store.result(work)
        return self._results[work]

    def chosen(self, select: str) -> int | None:
        """Give the position of the candidate that a select node chose; None while it is undecided."""
        result = self.result(select)
        return None if result is None else result.chosen

    def absent(self, work: str) -> Absent | None:
        """Say why a work gives no values; None when it does."""
        result = self.result(work)
        if result is not None:
            return None if result.done else Absent("diverged", result.why, work)
        for parent in self._upstream(work):
            found = self.absent(parent)
            if found is not None and found.state in ("failed", "diverged", "skipped"):
                if found.state == "diverged" and self._kind(work) is Kind.SELECT:
                    continue  # a diverged candidate cannot win, but it stops no selection
                state = "diverged" if found.state == "diverged" else "skipped"
                where = f" (in {found.work[:16]})"
                return Absent(state, found.reason.removesuffix(where) + where, found.work)
        if self.store.path(work).is_dir():
            return Absent("pending", "it was computed in another environment, which `execution.reuse` refuses", work)
        return _failure(work, self.store.record(work).last)

    def _upstream(self, work: str) -> tuple[str, ...]:
        node = self.graph.nodes.get(work)
        if node is None:
            return ()
        return (*node.parents, *(gate.select for gate in node.gates))

    def _kind(self, work: str) -> Kind | None:
        node = self.graph.nodes.get(work)
        return None if node is None else node.kind

    def environment(self, work: str) -> dict[str, Any]:
        """Give the environment in which a finished work was computed."""
        result = self.result(work)
        return {} if result is None else dict(result.environment)

    def tasks(self, work: str) -> tuple[Task, ...]:
        """Give the heads of the fit whose weights a predict node applies."""
        heads = self.graph.fit_of(work).heads
        return tuple(Task(head.name, head.facts.label, head.facts.classes) for head in heads)

    def tested(self, work: str) -> str:
        """Return the digest of the rows that a predict node predicts."""
        return self.graph.nodes[work].as_a(Predict).view

    def scored(self, works: tuple[str, ...]) -> dict[str, Scored]:
        """Join predictions with targets, for each head with a target.

        Args:
            works: predict nodes on one view; several (inner folds without a refit) are averaged.

        Raises:
            ValueError: predictions and view do not belong together.
        """
        rows = self.view(self.tested(works[0]))
        tensors = [self._tensors(work) for work in works]
        found = {}
        for task in self.tasks(works[0]):
            if task.label is None or task.head not in tensors[0]:
                continue
            positions = tensors[0]["rows"]
            if any(not np.array_equal(positions, other["rows"]) for other in tensors[1:]):
                raise ValueError("runs that are averaged have predicted different rows")
            predictions = np.mean([one[task.head] for one in tensors], axis=0)
            found[task.head] = _join(task, positions, predictions, rows)
        return found

    def view(self, digest: str) -> list[Mapping[str, Any]]:
        """Give the rows of a private view.

        Raises:
            FileNotFoundError: the view is not in the private folder; plan again there.
            ValueError: the view's file was changed.
        """
        if digest not in self._views:
            self._views[digest] = views.read_view(self.private, digest)["rows"]
        return self._views[digest]

    def _tensors(self, work: str) -> dict[str, Values]:
        # Read as bytes: a memory map would keep the file open, and the object may be moved to quarantine.
        return dict(load((self.store.path(work) / "predictions.safetensors").read_bytes()))


def _failure(work: str, last: Attempt) -> Absent:
    code = last.ends_as
    if code == ExitCode.DONE or last.yielded:
        return Absent("pending", "not finished" if last.yielded else "not run yet", work)
    meaning = FAILURES.get(code, f"ended by signal {code - 128}" if code > 128 else f"exit {code}")
    text = f"{meaning}: {last.reason}" if last.reason else meaning
    return Absent("diverged" if code == ExitCode.DIVERGED else "failed", text, work)


def _join(task: Task, positions: Values, predictions: Values, rows: list[Mapping[str, Any]]) -> Scored:
    if len(positions) and int(positions.max()) >= len(rows):
        raise ValueError("predictions name rows that the view does not have")
    kept, targets, people, families = [], [], [], []
    order = {name: position for position, name in enumerate(task.classes)}
    for index, position in enumerate(positions):
        row = rows[int(position)]
        value = row["labels"].get(task.label)
        if value is None:
            continue
        if task.classes:
            name = views.text(value)
            if name not in order:
                raise ValueError(f"head {task.head}: a test row has a class that training never saw")
            targets.append(float(order[name]))
        else:
            targets.append(float(value))
        kept.append(index)
        people.append(str(row.get("person", position)))
        families.append(str(row.get("family", people[-1])))
    kind = np.int64 if task.classes else np.float64
    rows_kept = tuple(int(positions[index]) for index in kept)
    found = predictions[kept].astype(np.float64)
    return Scored(task, np.asarray(targets, kind), found, tuple(people), tuple(families), rows_kept)
