"""A plan: the graph of a study, what is done of it, and what it means for people."""

from collections.abc import Callable, Mapping

from attrs import field, frozen

from tlimb.cohorts.rows import Row
from tlimb.language.model import Study
from tlimb.manifest import Graph, Json, Manifest
from tlimb.plan.expand import Expansion
from tlimb.problems import Problem


@frozen(eq=False)
class Plan:
    """What a study will do.

    Attributes:
        study: the typed study.
        expansion: nodes and counts.
        problems: what was found while planning: warnings only, or the plan would not exist.
        people: lines about cohorts and parts, for people.
        assumed: defaults that change bits and were not written, as (place, option, value).
        rows: the rows of each view, by its digest; they name people, so they are never written from here.
    """

    study: Study
    expansion: Expansion
    problems: tuple[Problem, ...] = ()
    people: tuple[str, ...] = ()
    assumed: tuple[tuple[str, str, Json], ...] = field(default=())
    rows: Mapping[str, tuple[Row, ...]] = field(factory=dict)

    @property
    def graph(self) -> Graph:
        """Give the graph of manifests."""
        return self.expansion.graph


@frozen
class StageLine:
    """One line of the overview.

    Attributes:
        name: stage, test, or kind of node.
        kind: `fit`, `refit`, `predict`, `select` or `prepare`.
        configurations: assignments before sharing.
        runs: distinct works.
        gated: how many of them wait for a selection.
        done: how many are in the store.
        closed: how many will not run, because their selection chose another configuration.
        other: how many of those were computed in another environment.
    """

    name: str
    kind: str
    configurations: int
    runs: int
    gated: int
    done: int
    closed: int = 0
    other: int = 0

    @property
    def left(self) -> int:
        """Give how many are still to compute, at most."""
        return self.runs - self.done - self.closed


def lines(
    plan: Plan,
    done: Callable[[str], bool],
    other: Callable[[str], bool],
    chosen: Callable[[str], int | None] = lambda _: None,
) -> list[StageLine]:
    """Give the overview, stage by stage.

    Args:
        plan: the plan.
        done: says whether a work is finished in the store.
        other: says whether it was finished in another environment than this one.
        chosen: gives what a select node chose; None when it has not run.
    """
    nodes = plan.graph.nodes

    def closed(work: str) -> bool:
        picks = [(gate, chosen(gate.select)) for gate in nodes[work].gates]
        return bool(picks) and all(pick is not None and pick != gate.candidate for gate, pick in picks)

    found = plan.expansion
    table: list[tuple[str, str, int, tuple[str, ...]]] = []
    if found.prepares:
        table.append(("volumes", "prepare", len(found.prepares), found.prepares))
    table += [(name, "fit", counts.configurations, counts.works) for name, counts in found.stages.items()]
    table += [(name, "refit", counts.configurations, counts.works) for name, counts in found.refits.items()]
    if found.selects:
        table.append(("selection", "select", len(found.selects), found.selects))
    by_test: dict[str, dict[str, None]] = {name: {} for name in found.tests}
    for node in plan.graph:
        if node.kind == "predict":
            for use in node.uses:
                by_test[use["test"]][node.work] = None
    for name, works in by_test.items():
        table.append((name, "predict", len(found.tests[name]), tuple(works)))
    return [
        StageLine(
            name,
            kind,
            configurations,
            len(works),
            sum(1 for work in works if nodes[work].gates),
            sum(1 for work in works if done(work)),
            sum(1 for work in works if not done(work) and closed(work)),
            sum(1 for work in works if done(work) and other(work)),
        )
        for name, kind, configurations, works in table
    ]


def find(plan: Plan, prefix: str) -> list[Manifest]:
    """Give the nodes whose work begins with the given digits."""
    return [node for node in plan.graph if node.work.startswith(prefix)]


def short_places(places: tuple[str, ...]) -> Mapping[str, str]:
    """Give each search place the shortest ending of its path that tells it apart from the others."""
    shorts: dict[str, str] = {}
    for place in places:
        parts = place.replace("[", "/").replace("]", "").split("/")
        for size in range(1, len(parts) + 1):
            text = ".".join(parts[-size:])
            clash = any(other != place and _ends(other, text) for other in places)
            if not clash:
                break
        shorts[place] = text
    return shorts


def _ends(place: str, text: str) -> bool:
    joined = ".".join(place.replace("[", "/").replace("]", "").split("/"))
    return joined == text or joined.endswith("." + text)
