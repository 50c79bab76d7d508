"""One manifest being executed: where it is, what it has noted, and how it is stopped."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

from tlimb.manifest import Manifest
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import DivergedError, Options, Places
from tlimb.store import Store
from tlimb.store.documents import Passport, Result
from tlimb.training.data.volumes import Counter

Draft = dict[str, Any]
"""What a run puts into `result.json`, before it is sealed: a pure function of work and environment."""

PROGRESS_S = 0.2


@define(eq=False)
class Job:
    """A manifest, where it runs, and what is noted about this attempt.

    Attributes:
        manifest: what to do.
        store: where results go.
        places: where inputs come from.
        options: how to run.
        counter: how volumes were come by.
        facts: what the record will say; outside every equality promise.
        signal: number of the signal that asked the run to stop; None for none.
    """

    manifest: Manifest
    store: Store
    places: Places
    options: Options
    counter: Counter = field(factory=Counter)
    facts: dict[str, Any] = field(factory=dict)
    signal: int | None = field(default=None, init=False)
    _told: float = field(default=-1.0, init=False)
    _last: float | None = field(default=None, init=False)
    _pace: float = field(default=0.0, init=False)

    @property
    def folder(self) -> Path:
        """Return the run's own folder, beside its record: for what loggers and callbacks write."""
        return self.store.base / "records" / self.manifest.work / "training"

    def parent_result(self, work: str) -> Result:
        """Return a parent's result, verified; one that was just published may need time to be seen.

        Raises:
            TlimbError: it is not in the store.
        """
        found = self.store.result(work, expected=True)
        if found is None:
            problem = Problem("no-parent", f"the result of {work[:16]} is not in the store", help="run it first")
            raise TlimbError(problem, ExitCode.DATA)
        return found

    def parent(self, work: str) -> Path:
        """Give the folder of a parent's object, verified.

        Raises:
            TlimbError: it is not in the store.
            DivergedError: it has diverged, so nothing can be built on it.
        """
        if not self.parent_result(work).done:
            raise DivergedError(f"the parent {work[:16]} has diverged")
        return self.store.path(work)

    def parent_passports(self) -> Iterator[Passport]:
        """Go through the passports of all runs that formed this one, by their weights or their best epochs."""
        for work in self.manifest.parents:
            found = self.store.passport(work)
            if found is not None:
                yield found

    def progress(self, epoch: int, epochs: int, step: int, steps: int) -> None:
        """Tell the caller how far the run is, not too often; keeps the pace of the batches too."""
        now = time.perf_counter()
        if self._last is not None:
            self._pace = max(now - self._last, 0.5 * self._pace)
        self._last = now
        if self.options.progress is None or (now - self._told < PROGRESS_S and step != steps):
            return
        self._told = now
        self.options.progress(
            {
                "event": "progress",
                "work": self.manifest.work,
                "epoch": epoch,
                "epochs": epochs,
                "step": step,
                "steps": steps,
            }
        )

    def pace(self) -> float:
        """Give about how many seconds one more batch takes, rather too many."""
        return 2.0 * self._pace

    @contextmanager
    def stop_signal(self) -> Iterator[None]:
        """Turn the first SIGTERM or SIGINT into a wish to stop at the next optimizer step."""

        def wish(number: int, _: Any) -> None:
            self.signal = number

        try:
            before = {number: signal.signal(number, wish) for number in (signal.SIGTERM, signal.SIGINT)}
        except ValueError:
            # Not the main thread: whoever runs us there has its own way to stop us.
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
