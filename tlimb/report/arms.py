"""Which predict nodes make up which row of the table, read off the graph and what was selected."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from tlimb.manifest import Gate, Graph, Kind, Manifest
from tlimb.report.results import Absent, Results

Labels = tuple[tuple[str, str], ...]


@frozen
class Evaluation:
    """One use of a predict node.

    Attributes:
        gate: the selection that must choose it; None when it always runs.
        fold: position in each fold axis; empty without folds.
    """

    work: str
    test: str
    stage: str
    row: Labels
    configuration: Labels
    replicate: int
    fold: tuple[str, ...]
    gate: Gate | None


@frozen
class Slot:
    """One repetition and fold of a row: the predict nodes that give its value, or why there are none.

    Attributes:
        select: the selection that its configuration comes from; None where nothing was searched.
    """

    replicate: int
    fold: tuple[str, ...]
    works: tuple[str, ...]
    configuration: Labels
    absent: Absent | None
    select: str | None = None


@frozen
class Arm:
    """A row of the table before any metric is computed."""

    test: str
    stage: str
    row: Labels
    configurations: int
    slots: tuple[Slot, ...]
    selects: tuple[str, ...]


def arms(graph: Graph, results: Results) -> list[Arm]:
    """Give the rows in the order in which the plan names them."""
    groups: dict[tuple[str, str, Labels], list[Evaluation]] = defaultdict(list)
    for one in _split_grids(list(evaluations(graph))):
        groups[one.test, one.stage, one.row].append(one)
    return [_arm(key, members, results) for key, members in groups.items()]


def evaluations(graph: Graph) -> Iterator[Evaluation]:
    """Go through the uses of all predict nodes that belong to a test."""
    for node in graph:
        if node.kind is not Kind.PREDICT:
            continue
        for use in node.uses:
            if "test" in use:
                yield Evaluation(
                    node.work,
                    str(use["test"]),
                    str(use["stage"]),
                    _labels(use.get("row")),
                    _labels(use.get("configuration")),
                    int(use.get("replicate") or 0),
                    _fold(use.get("fold")),
                    _gate(graph, node, use),
                )


def _labels(value: Any) -> Labels:
    return tuple(sorted((str(place), str(label)) for place, label in (value or {}).items()))


def _fold(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(one) for one in value) if isinstance(value, list | tuple) else (str(value),)


def _gate(graph: Graph, node: Manifest, use: Mapping[str, Any]) -> Gate | None:
    """Find the gate of one use among those of all uses of a node: its selection serves the same row and fold.

    A selection of one repetition serves that one alone; one of all repetitions is noted under the first of them.
    """

    def serves(gate: Gate, keys: tuple[str, ...]) -> bool:
        select = graph.nodes.get(gate.select)
        return select is not None and any(all(other.get(key) == use.get(key) for key in keys) for other in select.uses)

    row = ("test", "stage", "row")
    for keys in ((*row, "fold", "replicate"), (*row, "fold"), row):
        for gate in node.gates:
            if serves(gate, keys):
                return gate
    return node.gates[0] if len(node.gates) == 1 and len(node.uses) == 1 else None


def _split_grids(found: list[Evaluation]) -> list[Evaluation]:
    """Make every configuration a row of its own where all of them are tested."""
    grids: dict[tuple[str, str, Labels], set[Labels]] = defaultdict(set)
    for one in found:
        if one.gate is None:
            grids[one.test, one.stage, one.row].add(one.configuration)
    return [
        evolve(one, row=tuple(sorted({*one.row, *one.configuration})))
        if one.gate is None and len(grids[one.test, one.stage, one.row]) > 1
        else one
        for one in found
    ]


def _arm(key: tuple[str, str, Labels], members: list[Evaluation], results: Results) -> Arm:
    slots: dict[tuple[int, tuple[str, ...]], list[Evaluation]] = defaultdict(list)
    for one in members:
        slots[one.replicate, one.fold].append(one)
    selects = dict.fromkeys(one.gate.select for one in members if one.gate is not None)
    return Arm(
        *key,
        configurations=len({one.configuration for one in members}),
        slots=tuple(_slot(place, slots[place], results) for place in sorted(slots)),
        selects=tuple(selects),
    )


def _slot(place: tuple[int, tuple[str, ...]], members: list[Evaluation], results: Results) -> Slot:
    live = []
    for one in members:
        chosen = None if one.gate is None else results.chosen(one.gate.select)
        if one.gate is None or chosen == one.gate.candidate:
            live.append(one)
    if not live:
        gate = next(one.gate for one in members if one.gate is not None)
        return Slot(*place, works=(), configuration=(), absent=_undecided(gate, results))
    works = tuple(sorted({one.work for one in live}))
    absent = next((found for work in works if (found := results.absent(work)) is not None), None)
    select = None if live[0].gate is None else live[0].gate.select
    return Slot(*place, works=works, configuration=live[0].configuration, absent=absent, select=select)


def _undecided(gate: Gate, results: Results) -> Absent:
    result = results.result(gate.select)
    if result is not None:
        return Absent("diverged", "no candidate has a finite validation value", gate.select)
    found = results.absent(gate.select)
    if found is None or found.state == "pending":
        return Absent("pending", "waits for selection", gate.select)
    return found
