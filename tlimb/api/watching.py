"""What became of a study's runs so far, from the store alone: whichever engine runs them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from attrs import frozen

from tlimb.manifest import Graph, Kind, Manifest
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.project import Project
from tlimb.report.status import STATES, Counts, Left, Run, Status, Step
from tlimb.store import Store
from tlimb.store.claims import claimed


@frozen
class State:
    """One run.

    Attributes:
        work: its work.
        state: one of `tlimb.report.status.STATES`.
        said: host that computes it, or why it did not end well; empty for none.
        seconds: how long its last attempt took; None where that is not known.
    """

    work: str
    state: str
    said: str = ""
    seconds: float | None = None


def status(graph: Graph, place: Project) -> Status:
    """Return what became of every run of a plan, counted by step, and how much computing is left."""
    found = states(graph, place)
    names = {node.work: step_of(node) for node in graph}
    kinds = {names[node.work]: node.kind for node in graph}
    counts = Counter((names[one.work], one.state) for one in found)
    left = left_s(graph, found, names)
    runs = (
        Run(
            work=one.work,
            step=names[one.work],
            state=one.state,
            host=one.said if one.state == "running" else None,
            reason=None if one.state == "running" else one.said or None,
            seconds=one.seconds,
        )
        for one in found
    )
    return Status(
        steps=tuple(
            Step(name, kind, sum(counts[name, state] for state in STATES), Counts(*(counts[name, s] for s in STATES)))
            for name, kind in kinds.items()
        ),
        left=None if left is None else Left(*left),
        runs=tuple(runs),
    )


def step_of(node: Manifest) -> str:
    """Return the name of the runs that are counted together: kind and test, stage or dataset."""
    use = node.uses[0] if node.uses else {}
    return f"{node.kind.value} {use.get('test', use.get('stage', use.get('dataset', '')))}".strip()


def states(graph: Graph, place: Project) -> list[State]:
    """Give the state of every run of a plan, in the order of the plan; nothing is verified, so it is quick."""
    store = Store(place.store)
    running = claimed(store, store.server_time()) if store.base.is_dir() else {}
    found: dict[str, State] = {}
    for node in graph:
        found[node.work] = _state(node, store, running, found)
    return list(found.values())


def _state(node: Manifest, store: Store, running: Mapping[str, str], before: Mapping[str, State]) -> State:
    result = store.glance(node.work)
    last = store.record(node.work).last
    if result is not None:
        return State(node.work, result.status, result.why, last.seconds)
    if node.work in running:
        return State(node.work, "running", running[node.work])
    if _closed(node, store):
        return State(node.work, "not selected")
    lost = _lost(node, store, before)
    if lost:
        return State(node.work, "skipped", lost)
    if last.yielded or (last.killed and last.reason is not None):
        return State(node.work, "yielded", last.reason or "", last.seconds)
    if last.ends_as:
        return State(node.work, "failed", f"{last.reason or ''} (exit {last.ends_as})", last.seconds)
    return State(node.work, "queued")


_NOBODY = State("", "")


def _lost(node: Manifest, store: Store, before: Mapping[str, State]) -> str:
    """Say why a run will never start; empty while it may."""
    # A diverged candidate, or one that descends from a diverged run, cannot win, but it stops no selection.
    ends = ("failed", "skipped") if node.kind is Kind.SELECT else ("failed", "skipped", "diverged")
    states = {one: {before.get(work, _NOBODY).state for work in above} for one, above in node.lineage.items()}
    hopeless = {one for one, found in states.items() if "diverged" in found}
    parents = [parent for parent in node.parents if parent not in hopeless]
    lost = [before[parent] for parent in parents if before.get(parent, _NOBODY).state in ends]
    if not lost and node.gates:
        gates = [before.get(gate.select, _NOBODY) for gate in node.gates]
        if all(gate.state in ends or (gate.state == "done" and _undecided(gate.work, store)) for gate in gates):
            lost = gates
    if not lost:
        return ""
    first = lost[0]
    ended = "could choose none" if first.state == "done" else first.state
    return first.said if first.state == "skipped" else f"{first.work[:16]} {ended}"


def _undecided(select: str, store: Store) -> bool:
    result = store.glance(select)
    return result is not None and result.chosen is None


def _closed(node: Manifest, store: Store) -> bool:
    chosen = [(gate, store.chosen(gate.select)) for gate in node.gates]
    return bool(chosen) and all(choice is not None and choice != gate.candidate for gate, choice in chosen)


def left_s(graph: Graph, found: list[State], name: Mapping[str, str]) -> tuple[float, int] | None:
    """Estimate the seconds of work left, from the mean time of finished runs of the same step, and give their number.

    Args:
        graph: the plan.
        found: the states of its runs.
        name: step of each work.

    Returns:
        None before anything has finished.
    """
    spent: dict[str, list[float]] = {}
    for one in found:
        if one.state == "done" and one.seconds is not None:
            spent.setdefault(name[one.work], []).append(one.seconds)
    every = [seconds for times in spent.values() for seconds in times]
    if not every:
        return None
    waiting = [one.work for one in found if one.state in ("queued", "running", "yielded") and not _gated(graph, one)]
    return sum(mean(spent.get(name[work], every)) for work in waiting), len(every)


def _gated(graph: Graph, one: State) -> bool:
    return one.state == "queued" and bool(graph.nodes[one.work].gates)


def named(prefix: str, graph: Graph, packs: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Give the work that begins with these digits, or the works of the pack that does, which an engine names.

    Raises:
        TlimbError: nothing of the plan, or several, begin with them.
    """
    found: list[tuple[str, ...]] = [(work,) for work in graph.nodes if work.startswith(prefix)]
    found += [tuple(works) for pack, works in packs.items() if pack.startswith(prefix)]
    if len(found) != 1:
        message = f"{len(found) or 'no'} runs of this plan begin with `{prefix}`"
        raise TlimbError(Problem("unknown-run", message, help="their digits stand in `tlimb status`"), ExitCode.USAGE)
    return found[0]


def log_of(work: str, place: Project) -> Path | None:
    """Give the file with what a run printed; None where it has printed nothing here."""
    candidates = (place.private / "tracebacks" / f"{work}.txt", place.private / "logs" / f"{work}.log")
    return next((path for path in candidates if path.is_file() and path.stat().st_size), None)


def last_line(path: Path | None) -> str:
    """Give the last line of a log that says something; empty for none."""
    if path is None:
        return ""
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")
