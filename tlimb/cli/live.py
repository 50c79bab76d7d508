"""What a person sees while a study runs, and the lines at its end."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import Factory, define

from tlimb.cli import show
from tlimb.cli.tally import Tally, title
from tlimb.manifest import Graph
from tlimb.problems import ExitCode

Observe = Callable[[dict[str, Any]], None]
LOG_EVERY_S = 10.0
BAR = 10
"""Characters of a run's bar."""
MOST_RUNS = 12
"""Running runs that are shown, one line each."""
STOPPING = "stopping: every run saves where it is; Ctrl-C again ends them at once"
CRASHED = 139
"""Exit code after a segmentation fault, which comes again when the same is run again."""


@contextmanager
def display(graph: Graph, *, quiet: bool) -> Iterator[Observe]:
    """Give an observer that shows progress: lines that change on a terminal, one every ten seconds in a log."""
    tally = Tally(graph)
    if quiet:
        yield tally.note
    elif sys.stderr.isatty():
        with _live(tally) as observe:
            yield observe
    else:
        yield _lines(tally)


def state(tally: Tally) -> str:
    """Give the state of the whole in one line."""
    over, all_nodes = len(tally.ended), len(tally.graph)
    parts = [f"{over}/{all_nodes} nodes", f"{tally.count('finished')} computed", f"{tally.count('reused')} done before"]
    parts += [f"{count} {what}" for what in ("failed", "skipped") if (count := tally.count(what))]
    if tally.elsewhere:
        parts.append(f"{len(tally.elsewhere)} running elsewhere ({', '.join(sorted(set(tally.elsewhere.values())))})")
    return ", ".join(parts)


def left(tally: Tally) -> str:
    """Give the time left with its source, or a dash."""
    found = tally.estimate()
    return "time left: -" if found is None else f"about {show.duration(found.seconds)} left (from {found.source})"


def lines(tally: Tally, width: int) -> list[str]:
    """Give what stands on a terminal of so many columns: the whole, the time left, and one line for each run."""
    if tally.stopping:
        second = STOPPING
    elif tally.checking > 0:
        second = checking(tally)
    elif not tally.ended and not tally.running and not tally.elsewhere:
        second = "starting"
    else:
        second = left(tally)
    out = [*_wrapped(state(tally), width), *_wrapped(second, width)]
    for work, event in list(tally.running.items())[:MOST_RUNS]:
        node = tally.graph.nodes.get(work)
        done, steps = float(event.get("step", 0)), float(event.get("steps") or 0)
        filled = round(BAR * done / steps) if steps else 0
        epoch = f"{event['epoch']}/{event['epochs']}" if event.get("epochs", 0) and event["epochs"] > 1 else ""
        line = f"  {'━' * filled}{'·' * (BAR - filled)} {epoch:>7} {work[:16] if node is None else title(node)}"
        out.append(line if len(line) <= width else line[: width - 1] + "…")
    if len(tally.running) > MOST_RUNS:
        out.append(f"  and {len(tally.running) - MOST_RUNS} more")
    return out


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(20, width), subsequent_indent="  ")


def _lines(tally: Tally) -> Observe:
    last = [time.monotonic()]
    said = _Said(tally)

    def observe(event: dict[str, Any]) -> None:
        tally.note(event)
        if (text := said.about(event)) is not None:
            print(text, file=sys.stderr, flush=True)
        if time.monotonic() - last[0] >= LOG_EVERY_S:
            last[0] = time.monotonic()
            print(f"{state(tally)}, {left(tally)}", file=sys.stderr, flush=True)

    return observe


@define(eq=False)
class _Said:
    """What is said beside the state, each thing once: one check that fails ends many runs for one reason."""

    tally: Tally
    reasons: set[tuple[Any, Any]] = Factory(set)

    def about(self, event: dict[str, Any]) -> str | None:
        if event["event"] == "stopping":
            return STOPPING
        if event["event"] == "checking":
            return checking(self.tally)
        reason = event.get("code"), event.get("reason")
        if event["event"] != "failed" or reason in self.reasons:
            return None
        self.reasons.add(reason)
        node = self.tally.graph.nodes.get(event["work"])
        name = event["work"][:16] if node is None else title(node)
        return f"failed: {name}: {event.get('reason', '')} (exit {event.get('code')})"


def checking(tally: Tally) -> str:
    """Say that checks go on."""
    kinds = f"{tally.checking} kind{'s' * (tally.checking != 1)} of training"
    return f"checking: two batches of {kinds} first (--no-check leaves it out)"


@contextmanager
def _live(tally: Tally) -> Iterator[Observe]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True, highlight=False)

    def drawn() -> Group:
        # The terminal echoes ^C behind the last line; where that wraps, the lines cannot be taken back.
        shown = lines(tally, console.width - 4)
        return Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in shown))

    with Live(console=console, get_renderable=drawn, transient=True, refresh_per_second=4) as live:
        said = _Said(tally)

        def observe(event: dict[str, Any]) -> None:
            tally.note(event)
            text = said.about(event)
            if text is not None and event["event"] == "failed":
                console.print(text, markup=False)
            elif text is not None:
                live.refresh()

        yield observe


def summary(found: Any, graph: Graph) -> str:
    """Give the lines at the end of a run."""
    out = [f"{len(found.computed)} nodes computed, {len(found.reused)} done before, {len(found.closed)} not selected"]
    alike: dict[Any, list[str]] = {}
    for work, failure in found.failed.items():
        alike.setdefault(failure, []).append(work)
    for failure, works in alike.items():
        node = graph.nodes.get(works[0])
        name = works[0][:16] if node is None else f"{title(node)} [{works[0][:16]}]"
        more = f" and {len(works) - 1} more" if len(works) > 1 else ""
        out.append(f"failed: {name}{more}: {failure.reason} (exit {failure.code})")
    if found.skipped:
        out.append(f"{len(found.skipped)} skipped, since what they need failed")
    if found.pending:
        stopped = "" if found.signal is None else f"stopped by {signal.Signals(found.signal).name}: "
        out.append(f"{stopped}{len(found.pending)} not finished: the same command goes on where it stopped")
    return "\n".join(out)


def code(found: Any) -> int:
    """Give the exit code of a run: 0 when everything is done."""
    return int(found.code or ExitCode.DONE)


def code_of_task(found: Any) -> int:
    """Give the exit code of runs that an engine started as one task.

    What may go well when it is tried again counts first, so that the engine does try again; then, as long as one
    run has ended well, those that wait for it can go on, and what failed is told by the ranking.
    """
    if found.signal is not None:
        return int(found.code)
    codes = {failure.code for failure in found.failed.values()}
    again = sorted(code for code in codes if code == ExitCode.CANNOT_WRITE or (code >= 128 and code != CRASHED))
    if again:
        return int(again[-1])
    if found.pending:
        return int(ExitCode.YIELDED)
    return int(ExitCode.DONE) if found.done else code(found)
