"""What has become of the nodes of a running study, and how long the rest will take, with what that is known from."""

import time
from collections.abc import Callable
from typing import Any

from attrs import Factory, define, field, frozen

from tlimb.manifest import Graph, Kind, Manifest, Select

ENDED = frozenset({"reused", "finished", "failed", "skipped", "closed", "yielded"})
ENOUGH = 0.05
"""Share of a run that must be done before its pace says something: the first batches are slower."""


@frozen
class Estimate:
    """Seconds left, and what they were taken from, such as `3 finished runs`."""

    seconds: float
    source: str


@define(eq=False)
class Tally:
    """Counts events, and estimates the time left from how long runs of the same stage took.

    Attributes:
        graph: the plan.
        now: the clock, seconds.
        ended: work -> how it ended.
        started: work -> when it started.
        running: work -> its last progress; empty before the first.
        elsewhere: works that another run on this store computes -> its host.
        seconds: stage or test -> how long its finished runs took.

        checked: stage -> how long its runs take by the pace of their checks.
        checking: kinds of training whose check goes on.
        stopping: the run was asked to stop.
    """

    graph: Graph
    now: Callable[[], float] = time.monotonic
    ended: dict[str, str] = Factory(dict)
    started: dict[str, float] = Factory(dict)
    running: dict[str, dict[str, Any]] = Factory(dict)
    elsewhere: dict[str, str] = Factory(dict)
    seconds: dict[str, list[float]] = Factory(dict)

    checked: dict[str, list[float]] = Factory(dict)
    checking: int = 0
    stopping: bool = False
    _most: int = field(default=1, init=False)

    def note(self, event: dict[str, Any]) -> None:
        """Take an event into account."""
        work, kind = event.get("work", ""), event["event"]
        if kind == "started":
            self.checking = 0
            self.started[work] = self.now()
            self.running[work] = {}
            self.elsewhere.pop(work, None)
            self._most = max(self._most, len(self.running))
        elif kind == "progress":
            self.running[work] = event
        elif kind == "elsewhere":
            self.elsewhere[work] = str(event["host"])
        elif kind == "checking":
            self.checking = int(event["kinds"])
        elif kind == "checked":
            self.checking -= 1
            self._pace(event)
        elif kind == "stopping":
            self.stopping = True
        elif kind in ENDED:
            self.ended[work] = kind
            self.running.pop(work, None)
            self.elsewhere.pop(work, None)
            if kind == "finished" and work in self.started and work in self.graph.nodes:
                spent = self.now() - self.started[work]
                self.seconds.setdefault(group(self.graph.nodes[work]), []).append(spent)

    def count(self, *kinds: str) -> int:
        """Count the nodes that ended so."""
        return sum(1 for kind in self.ended.values() if kind in kinds)

    def _pace(self, event: dict[str, Any]) -> None:
        """Take from a check how long a run of its kind takes, where its manifest says how many batches it has."""
        if event.get("run_s") is None or event["work"] not in self.graph.nodes:
            return
        self.checked.setdefault(group(self.graph.nodes[event["work"]]), []).append(float(event["run_s"]))

    def estimate(self) -> Estimate | None:
        """Estimate what is left: time of a run of each stage x what is left of it, over the runs going on at once.

        A stage's time is the mean of its finished runs, else what its running ones come to at their pace, else what the
        checks of two batches promise. None while
        trainings are to do of which nothing is known.
        """
        paces = self._paces()
        total, used = 0.0, set[str]()
        for node in self.graph:
            if node.work in self.ended:
                continue
            name = group(node)
            known = self.seconds.get(name) or paces.get(name) or self.checked.get(name)
            if not known:
                if node.kind is Kind.FIT and not node.gates:
                    return None
                continue
            used.add(name)
            spent = self.now() - self.started[node.work] if node.work in self.running else 0.0
            total += self._chance(node) * max(0.0, sum(known) / len(known) - spent)
        if not used:
            return None
        finished = sum(len(self.seconds[name]) for name in used if name in self.seconds)
        running = sum(len(paces[name]) for name in used - set(self.seconds) if name in paces)
        checks = sum(len(self.checked[name]) for name in used - set(self.seconds) - set(paces))
        counts = ((finished, "finished run"), (running, "running run"), (checks, "check"))
        parts = [f"{count} {what}{'s' * (count != 1)}" for count, what in counts if count]
        return Estimate(total / self._most, " and ".join(parts))

    def _paces(self) -> dict[str, list[float]]:
        """Give how long the running ones will have taken in all, by stage, where they say."""
        found: dict[str, list[float]] = {}
        for work, event in self.running.items():
            share = float(event.get("step", 0)) / float(event.get("steps") or 1)
            if work in self.graph.nodes and share >= ENOUGH:
                name = group(self.graph.nodes[work])
                found.setdefault(name, []).append((self.now() - self.started[work]) / share)
        return found

    def _chance(self, node: Manifest) -> float:
        """Give the chance that a gated node runs: one of its selection's candidates does."""
        selects = [self.graph.nodes[gate.select] for gate in node.gates if gate.select in self.graph.nodes]
        if not selects:
            return 1.0
        return min(1.0, sum(1.0 / max(1, len(select.as_a(Select).candidates)) for select in selects))


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
