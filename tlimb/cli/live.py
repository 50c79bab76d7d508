"""What a person sees while a study runs, and the lines at its end."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import Factory, define

from tlimb.cli import show
from tlimb.manifest import Graph, Manifest
from tlimb.problems import ExitCode

Observe = Callable[[dict[str, Any]], None]
ENDED = frozenset({"reused", "finished", "failed", "skipped", "closed", "yielded"})
LOG_EVERY_S = 10.0


@define(eq=False)
class Tally:
    """Counts events, and estimates the time left from how long runs of the same stage took."""

    graph: Graph
    ended: dict[str, str] = Factory(dict)
    started: dict[str, float] = Factory(dict)
    running: dict[str, dict[str, Any]] = Factory(dict)
    seconds: dict[str, list[float]] = Factory(dict)
    begun: float = Factory(time.monotonic)

    def note(self, event: dict[str, Any]) -> None:
        """Take an event into account."""
        work, kind = event.get("work", ""), event["event"]
        if kind == "started":
            self.started[work] = time.monotonic()
            self.running[work] = {}
        elif kind == "progress":
            self.running[work] = event
        elif kind in ENDED:
            self.ended[work] = kind
            self.running.pop(work, None)
            if kind == "finished" and work in self.started and work in self.graph.nodes:
                spent = time.monotonic() - self.started[work]
                self.seconds.setdefault(group(self.graph.nodes[work]), []).append(spent)

    def count(self, *kinds: str) -> int:
        """Count the nodes that ended so."""
        return sum(1 for kind in self.ended.values() if kind in kinds)

    def left_s(self) -> float | None:
        """Estimate the seconds left: mean time by stage x what is left of it, over the runs going on at once.

        None before anything has finished.
        """
        every = [spent for spents in self.seconds.values() for spent in spents]
        if not every:
            return None
        total = 0.0
        for node in self.graph:
            if node.work in self.ended:
                continue
            spents = self.seconds.get(group(node), every)
            gated = 0.5 if node.gates else 1.0  # most gated nodes never open
            done = time.monotonic() - self.started[node.work] if node.work in self.running else 0.0
            total += gated * max(0.0, sum(spents) / len(spents) - done)
        return total / max(1, len(self.running))

    def line(self) -> str:
        """Give the state in one line."""
        over, all_nodes = len(self.ended), len(self.graph)
        left = self.left_s()
        parts = [f"{over}/{all_nodes} nodes", f"{self.count('finished')} computed", f"{self.count('reused')} reused"]
        if failed := self.count("failed"):
            parts.append(f"{failed} failed")
        parts.append("time left -" if left is None else f"about {show.duration(left)} left")
        return ", ".join(parts)


def group(node: Manifest) -> str:
    """Give what runs are alike for an estimate: kind and stage or test."""
    use = node.uses[0] if node.uses else {}
    return f"{node.kind.value}/{use.get('test', use.get('stage', use.get('dataset', '')))}"


def title(node: Manifest) -> str:
    """Give a node's short name for a progress line."""
    use = node.uses[0] if node.uses else {}
    labels = {**use.get("row", {}), **use.get("configuration", {})}
    words = [str(use.get("test", use.get("stage", use.get("dataset", node.kind.value)))), *labels.values()]
    return " ".join([*words, *(f"r{use[key]}" for key in ("replicate",) if key in use)])


@contextmanager
def display(graph: Graph, *, quiet: bool) -> Iterator[Observe]:
    """Give an observer that shows progress: bars on a terminal, a line every ten seconds in a log."""
    tally = Tally(graph)
    if quiet:
        yield tally.note
    elif sys.stderr.isatty():
        with _bars(tally) as observe:
            yield observe
    else:
        yield _lines(tally)


def _lines(tally: Tally) -> Observe:
    last = [time.monotonic()]

    def observe(event: dict[str, Any]) -> None:
        tally.note(event)
        if event["event"] == "failed":
            node = tally.graph.nodes.get(event["work"])
            name = event["work"][:16] if node is None else title(node)
            print(f"failed: {name}: {event.get('reason', '')} (exit {event.get('code')})", file=sys.stderr)
        if time.monotonic() - last[0] >= LOG_EVERY_S:
            last[0] = time.monotonic()
            print(tally.line(), file=sys.stderr, flush=True)

    return observe


@contextmanager
def _bars(tally: Tally) -> Iterator[Observe]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description:<44.44}"), BarColumn(bar_width=30), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5) as progress:
        whole = progress.add_task("study", total=max(1, len(tally.graph)), said="")
        tasks: dict[str, Any] = {}

        def observe(event: dict[str, Any]) -> None:
            tally.note(event)
            work = event.get("work", "")
            if event["event"] == "started" and work in tally.graph.nodes:
                tasks[work] = progress.add_task("  " + title(tally.graph.nodes[work]), total=None, said="")
            elif event["event"] == "progress" and work in tasks:
                said = f"epoch {event['epoch']}/{event['epochs']}" if event.get("epochs") else ""
                progress.update(tasks[work], completed=event.get("step", 0), total=event.get("steps"), said=said)
            elif event["event"] in ENDED and work in tasks:
                progress.remove_task(tasks.pop(work))
            if event["event"] == "failed":
                progress.console.print(f"failed: {event.get('reason', '')} (exit {event.get('code')})", markup=False)
            progress.update(whole, completed=len(tally.ended), said=tally.line())

        yield observe


def summary(found: Any, graph: Graph) -> str:
    """Give the lines at the end of a run."""
    out = [f"{len(found.computed)} nodes computed, {len(found.reused)} done before, {len(found.closed)} not selected"]
    for work, failure in found.failed.items():
        node = graph.nodes.get(work)
        name = work[:16] if node is None else f"{title(node)} [{work[:16]}]"
        out.append(f"failed: {name}: {failure.reason} (exit {failure.code})")
    if found.skipped:
        out.append(f"{len(found.skipped)} skipped, since what they need failed")
    if found.pending:
        out.append(f"{len(found.pending)} not finished: the same command goes on where it stopped")
    return "\n".join(out)


def code(found: Any) -> int:
    """Give the exit code of a run: 0 when everything is done."""
    return int(found.code or ExitCode.DONE)


def code_of_task(found: Any) -> int:
    """Give the exit code of runs that an engine started as one task.

    What may go well when it is tried again counts first, so that the engine does try again; then, as long as one
    run has ended well, those that wait for it can go on, and what failed is told by the ranking.
    """
    again = sorted(failure.code for failure in found.failed.values() if failure.code >= 128 or failure.code == 73)
    if found.signal is not None or again:
        return int(again[-1] if found.signal is None else found.code)
    if found.pending:
        return int(ExitCode.YIELDED)
    return int(ExitCode.DONE) if found.done else code(found)
