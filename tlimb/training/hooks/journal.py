"""Loggers of a run: what they are told, where they write, and that a step stands in them once.

A training that is continued after a kill repeats the steps since its last resume point. Their numbers are equal, so a
logger is not told of them a second time: how far each had been told is noted in the run's own folder.
"""

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field
from lightning.pytorch.loggers import Logger

from tlimb.describe.loading import find
from tlimb.manifest import Fit, Manifest
from tlimb.manifest.structure import unstructure
from tlimb.protocol.options import Places
from tlimb.store import disk
from tlimb.training.network.instantiate import build

EVERY_STEPS = 50
"""Optimizer steps between two lines of the loss and the rate inside an epoch; every epoch has a line of its own."""
NOTE = "told.json"


@define(eq=False)
class Journal:
    """The loggers of one run.

    Attributes:
        loggers: Lightning's.
        folder: the run's own folder.
    """

    loggers: list[Logger] = field(factory=list)
    folder: Path | None = None

    @classmethod
    def open(cls, components: Sequence[Mapping[str, Any]], places: Places, folder: Path) -> "Journal":
        """Make the loggers of a run; each writes into the run's own folder and is told no step twice."""
        if not components:
            return cls()
        told = Told(folder / NOTE)
        loggers = []
        for number, component in enumerate(components):
            one = build(_placed(component, places, folder), Logger, places)
            one.log_metrics = told.once(f"{number} {component['class']}", one.log_metrics)  # type: ignore[method-assign]
            loggers.append(one)
        return cls(loggers, folder)

    @classmethod
    def deaf(cls, components: Sequence[Mapping[str, Any]]) -> "Journal":
        """Make a logger that keeps nothing in place of those that are named: some callbacks ask for one."""
        return cls([Deaf()] if components else [])

    def begin(self, manifest: Manifest, resumed: bool) -> None:
        """Pass on what is trained: the options of the manifest, and what the plan calls the run."""
        if not self.loggers or resumed:
            return
        known = flat(unstructure(manifest.as_a(Fit)))
        use = dict(manifest.uses[0]) if manifest.uses else {}
        known |= {f"run/{name}": value for name, value in flat(use).items()} | {"run/work": manifest.work}
        for one in self.loggers:
            one.log_hyperparams(known)

    def step(self, index: int, losses: Callable[[], Mapping[str, float]], rates: Sequence[float]) -> None:
        """Report the running epoch, after batch `index`; its losses are asked for only where somebody listens."""
        if self.loggers:
            lr = {f"lr/{number}": rate for number, rate in enumerate(rates)}
            self._tell({**{f"running/{name}": value for name, value in losses().items()}, **lr}, index)

    def epoch(self, line: Mapping[str, Any], metrics: Mapping[str, float], index: int) -> None:
        """Report an epoch that has ended with batch `index`: its line of the history."""
        if not self.loggers:
            return
        more = {f"gradients/{name}": value for name, value in line.get("gradients", {}).items()}
        more |= {f"rates/{name}": value for name, value in line.get("rates", {}).items()}
        more |= {f"lr/{number}": rate for number, rate in enumerate(line["lr"])}
        more |= {f"notes/{n}": value for n, value in line.get("notes", {}).items() if isinstance(value, int | float)}
        self._tell({**metrics, **more, "epoch": line["epoch"]}, index)

    def _tell(self, numbers: Mapping[str, Any], index: int) -> None:
        finite = {name: float(value) for name, value in numbers.items() if value is not None and math.isfinite(value)}
        for one in self.loggers:
            one.log_metrics(finite, step=index)
            one.save()


class Deaf(Logger):
    """A logger that keeps nothing."""

    @property
    def name(self) -> str:
        """Return the name of this logger."""
        return "deaf"

    @property
    def version(self) -> str:
        """Return nothing."""
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Keep nothing."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Keep nothing."""


@define
class Told:
    """The highest step that each logger has been told of, in a file that outlives the process."""

    file: Path
    _before: dict[str, int] = field(init=False)
    _now: dict[str, int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Read how far the processes before this one came."""
        try:
            found = json.loads(disk.read(self.file))
            self._before = {str(name): int(step) for name, step in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self._before = {}
        self._now = dict(self._before)

    def once(self, name: str, log: Callable[..., None]) -> Callable[..., None]:
        """Return a function like a logger's `log_metrics` that leaves out steps which were told before."""

        def log_metrics(metrics: Mapping[str, Any], step: int | None = None) -> None:
            if step is not None and step <= self._before.get(name, -1):
                return
            log(metrics, step)
            if step is not None and step > self._now.get(name, -1):
                self._now[name] = step
                self.file.write_text(json.dumps(self._now), encoding="utf-8")

        return log_metrics


def flat(value: Any, at: str = "") -> dict[str, Any]:
    """Return the leaves of nested data by their path; a list of plain values is one leaf."""
    if isinstance(value, Mapping):
        return {
            k: v for name, inner in value.items() for k, v in flat(inner, f"{at}/{name}" if at else str(name)).items()
        }
    if isinstance(value, list | tuple):
        if all(not isinstance(inner, Mapping | list | tuple) for inner in value):
            return {at: ", ".join(str(inner) for inner in value)}
        return {k: v for number, inner in enumerate(value) for k, v in flat(inner, f"{at}/{number}").items()}
    return {at: "none" if value is None else value}


def _placed(component: Mapping[str, Any], places: Places, folder: Path) -> Mapping[str, Any]:
    """Name the run's folder to a logger that takes one and was given none."""
    options = component.get("options", {})
    wanted = inspect.signature(find(component["class"], Logger, places.allow)).parameters
    if "save_dir" not in wanted or options.get("save_dir") is not None:
        return component
    return {**component, "options": {**options, "save_dir": str(folder)}}
