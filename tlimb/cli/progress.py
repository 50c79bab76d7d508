"""Progress on a terminal: bars with an estimate; plain lines elsewhere, and nothing for short work."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Observer = Callable[[int, int], None]
_PATIENCE_S = 1.0
"""Work shorter than this shows no bar, seconds."""


@contextmanager
def hashing() -> Iterator[Observer]:
    """Give an observer (done, all) of the hashing of images."""
    with bar("reading images", "files") as observer:
        yield observer


@contextmanager
def bar(title: str, unit: str) -> Iterator[Observer]:
    """Give an observer that draws one bar once the work proves long."""
    started = time.monotonic()
    state: dict[str, object] = {}

    def observe(done: int, total: int) -> None:
        if "bar" not in state and time.monotonic() - started > _PATIENCE_S:
            state["bar"] = _Bar(title, unit, total)
        drawn = state.get("bar")
        if isinstance(drawn, _Bar):
            drawn.update(done, total)

    try:
        yield observe
    finally:
        drawn = state.get("bar")
        if isinstance(drawn, _Bar):
            drawn.close()


class _Bar:
    """A bar on a terminal, or a line every ten seconds in a log."""

    def __init__(self, title: str, unit: str, total: int) -> None:
        self.title = title
        self.unit = unit
        self.started = time.monotonic()
        self.last = self.started
        self.progress = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self.progress.start()
            self.task = self.progress.add_task(title, total=total)

    def update(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress.update(self.task, completed=done, total=total)
        elif time.monotonic() - self.last > 10.0:
            self.last = time.monotonic()
            left = (self.last - self.started) / max(done, 1) * (total - done)
            print(f"{self.title}: {done} of {total} {self.unit}, about {round(left)} s left", file=sys.stderr)

    def close(self) -> None:
        if self.progress is not None:
            self.progress.stop()
