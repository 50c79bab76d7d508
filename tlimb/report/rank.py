"""From a plan and its results to a ranking.

Values come from stored predictions, all rows of a test at once. A row counts its distinct trainings, is compared
with its reference in the same repetition and fold, and is ranked only when every finished run of it is finite.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import evolve

from tlimb.manifest import Graph
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.report.arms import Arm, arms
from tlimb.report.collapse import collapses
from tlimb.report.groups import groups
from tlimb.report.notes import Column, Tested, notes
from tlimb.report.request import Load, MetricLike, RankRequest, known_as, load_builtin, metric_name
from tlimb.report.results import Results, Scored
from tlimb.report.statistics import interval, summarise
from tlimb.report.table import Cell, Missing, Row, Table, short
from tlimb.store import Store
from tlimb.store.documents import SelectResult


def rank(graph: Graph, store: Store, private: Path, request: RankRequest, load: Load = load_builtin) -> Table:
    """Rank a study's rows from what is in the store; equal input gives an equal table.

    Args:
        graph: the plan.
        store: where results are; nothing is written, but damaged objects are put into quarantine.
        private: folder that holds `views/`, for the targets.
        request: metrics and comparisons.
        load: makes metrics; by default only tlimb's own.

    Raises:
        TlimbError: a view is missing from the private folder, or does not fit its predictions.
    """
    results = Results(graph, store, private)
    metrics = [(metric_name(component), known_as(component), load(component)) for component in request.metrics]
    scored = [_score(arm, results) for arm in arms(graph, results)]
    columns = _columns(scored, metrics)
    rows = [_row(one, _against(one, scored, request), columns, request, results) for one in scored]
    deciding = {
        test: _deciding([row for row in rows if row.test == test], columns, request)
        for test in dict.fromkeys(row.test for row in rows)
    }
    ranked = _ranked(rows, deciding)
    place = {(row.test, row.stage, row.labels): place for place, row in enumerate(ranked)}
    best_first = sorted(scored, key=lambda one: place[one.arm.test, one.arm.stage, one.arm.row])
    grouped, lacking = groups(best_first, columns, request.by, results)
    missing = tuple(
        Missing(one.arm.test, one.name, slot.replicate, "/".join(slot.fold), slot.absent)
        for one in scored
        for slot in one.arm.slots
        if slot.absent is not None
    )
    return Table(
        study=request.study,
        columns={column.name: column.metric.direction for column in columns},
        rows=ranked,
        missing=missing,
        planned=sum(row.planned for row in rows),
        done=sum(row.done for row in rows),
        environments=_environments(rows, results),
        notes=(*notes(scored, ranked, columns, deciding, request), *collapses(scored, results), *lacking),
        groups=grouped,
    )


def _score(arm: Arm, results: Results) -> Tested:
    slots = {}
    for slot in arm.slots:
        if slot.absent is None:
            try:
                slots[slot.replicate, slot.fold] = (slot, results.scored(slot.works))
            except FileNotFoundError:
                problem = Problem(
                    "view-missing",
                    "the private folder has not the rows that were tested, so there are no targets",
                    help="run `tlimb plan` with this private folder, or name the right one with --private",
                )
                raise TlimbError(problem, ExitCode.DATA) from None
            except ValueError as error:
                raise TlimbError(Problem("predictions-unfit", str(error)), ExitCode.DATA) from None
    return Tested(arm, slots)


def _columns(scored: Iterable[Tested], metrics: list[tuple[str, str, MetricLike]]) -> list[Column]:
    # Stages may name their heads alike and mean classes here and numbers there: two kinds, with columns of their own.
    kinds: dict[str, dict[str, None]] = {}
    for one in scored:
        for _, heads in one.slots.values():
            for head, found in heads.items():
                kinds.setdefault(head, {})[found.task.kind] = None
    return [
        Column(name if len(kinds) == 1 else f"{head}/{name}", head, metric, known_as)
        for head, known in kinds.items()
        for name, known_as, metric in metrics
        if metric.kind in known
    ]


def _against(one: Tested, others: list[Tested], request: RankRequest) -> Tested | None:
    """Find the one row that differences are taken against: equal in everything that both compare."""
    if request.against is None:
        return None
    own = dict(one.arm.row)
    wanted = dict(request.against) if isinstance(request.against, Mapping) else {}

    def fits(other: Tested) -> bool:
        if other.arm.test != one.arm.test or other is one:
            return False
        theirs = dict(other.arm.row)
        if not wanted:
            shared = own.keys() & theirs.keys()
            return other.arm.stage == request.against and all(own[key] == theirs[key] for key in shared)
        if other.arm.stage != one.arm.stage or own.keys() != theirs.keys():
            return False
        return all(theirs[key] == wanted.get(key, wanted.get(short(key), own[key])) for key in theirs)

    found = [other for other in others if fits(other)]
    return found[0] if len(found) == 1 and one.arm.stage != request.against else None


def _row(one: Tested, against: Tested | None, columns: list[Column], request: RankRequest, results: Results) -> Row:
    arm = one.arm
    everyone = [(scored, slot) for slot, heads in one.slots.values() for scored in heads.values()]
    selections = [found for work in arm.selects if isinstance(found := results.result(work), SelectResult)]
    values = [value for found in selections if (value := found.best) is not None]
    chosen = Counter(
        ", ".join(f"{short(place)}={label}" for place, label in slot.configuration)
        for slot in {(slot.fold, slot.select): slot for slot in arm.slots if slot.works}.values()
    )
    return Row(
        rank=None,
        test=arm.test,
        stage=arm.stage,
        labels=arm.row,
        configurations=arm.configurations,
        chosen=tuple(sorted(chosen.items())) if arm.selects else (),
        selection=math.fsum(values) / len(values) if values else None,
        planned=len(arm.slots),
        done=len(one.slots),
        works=tuple(sorted({work for slot, _ in one.slots.values() for work in slot.works})),
        cells={column.name: _cell(one, against, column, request) for column in columns},
        against=None if against is None else against.name,
        people=len({person for scored, _ in everyone for person in scored.people}),
        families=len({family for scored, _ in everyone for family in scored.families}),
        images=len({(results.tested(slot.works[0]), place) for scored, slot in everyone for place in scored.rows}),
        states=tuple(sorted(Counter(s.absent.state for s in arm.slots if s.absent is not None).items())),
    )


def _cell(one: Tested, against: Tested | None, column: Column, request: RankRequest) -> Cell:
    values = one.values(column)
    summary = summarise([values[works] for works in sorted(values)])
    if against is None:
        return Cell(summary)
    theirs = against.values(column)
    pairs: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[Scored, Scored]] = {}
    for place in sorted(one.slots.keys() & against.slots.keys()):
        (slot, heads), (other, other_heads) = one.slots[place], against.slots[place]
        ours, others = column.read(heads), column.read(other_heads)
        if ours is not None and others is not None:
            pairs[slot.works, other.works] = (ours, others)
    difference = summarise([values[a] - theirs[b] for a, b in pairs])
    if difference is not None:
        ends = interval(column.known_as, column.metric, tuple(pairs.values()), request.resamples, request.seed)
        difference = evolve(difference, low=ends[0], high=ends[1]) if ends else difference
    return Cell(summary, difference)


def _ranked(rows: list[Row], deciding: Mapping[str, Column | None]) -> tuple[Row, ...]:
    """Order the rows of each test, best first; rows without a finite value last.

    Rows of equal value share a rank, that of the first of them, and stand in the order of their digests.
    """
    found: list[Row] = []
    for test, column in deciding.items():

        def order(row: Row, column: Column | None = column) -> tuple[bool, float, str]:
            mean = _rankable(row, column)
            if column is None or mean is None:
                return (True, 0.0, _digest(row))
            return (False, -mean if column.metric.direction == "max" else mean, _digest(row))

        members = sorted((row for row in rows if row.test == test), key=order)
        values = [_rankable(row, column) for row in members]
        for row, value in zip(members, values, strict=True):
            found.append(evolve(row, rank=None if value is None else values.index(value) + 1))
    return tuple(found)


def _deciding(rows: list[Row], columns: list[Column], request: RankRequest) -> Column | None:
    """Give the column that a test is ranked by: the selecting metric where it is shown, else the first."""
    shown = [column for column in columns if any(row.cells[column.name].value for row in rows)]
    if request.select is not None:
        name, head = metric_name(request.select["metric"]), request.select.get("head")
        for column in shown:
            if column.name.split("/")[-1] == name and head in (None, column.head):
                return column
    return shown[0] if shown else None


def _rankable(row: Row, column: Column | None) -> float | None:
    if column is None or dict(row.states).get("diverged"):
        return None
    value = row.cells[column.name].value
    return None if value is None else value.mean


def _digest(row: Row) -> str:
    return hashlib.sha256("\n".join([*row.works, row.stage, repr(row.labels)]).encode()).hexdigest()


def _environments(rows: list[Row], results: Results) -> dict[str, tuple[str, ...]]:
    """Give what differs between the environments of the fits and predictions behind the table."""
    found: dict[str, set[str]] = {}
    for work in sorted({work for row in rows for work in row.works}):
        for member in (work, *results.graph.nodes[work].parents):
            for name, value in results.environment(member).items():
                found.setdefault(name, set()).add(str(value))
    return {name: tuple(sorted(values)) for name, values in sorted(found.items()) if len(values) > 1}
