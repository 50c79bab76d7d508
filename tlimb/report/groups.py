"""The same metrics for each group of test people, such as each site: whether a mean hides where a network fails."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from attrs import evolve

from tlimb.report.notes import Column, Tested
from tlimb.report.results import Results, Scored
from tlimb.report.statistics import Summary, summarise
from tlimb.report.table import Group

UNDEFINED = "- in results by {}: the metric is undefined there, as auroc is where all are of one class"
LACKING = "results by {} are left out: the private folder was written by another study; plan this one again there"


def groups(
    scored: Sequence[Tested], columns: Sequence[Column], by: Iterable[str], results: Results
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Give results for each group, in the order of tests, labels, values and rows, and what must be said of them.

    Args:
        scored: the rows with their predictions, best first.
        columns: all metrics.
        by: labels whose values are the groups; people without a value are in no group.
        results: where the views are, which hold the values.
    """
    found: list[Group] = []
    lacking: dict[str, None] = {}
    for label in by:
        for test in dict.fromkeys(one.arm.test for one in scored):
            made: list[Group] = []
            for one in scored:
                if one.arm.test != test:
                    continue
                known = _values(one, label, results)
                if known is None:
                    lacking[label] = None
                else:
                    made += _of_row(one, label, known, columns)
            order = {value: place for place, value in enumerate(_ordered({group.value for group in made}))}
            found += sorted(made, key=lambda group: order[group.value])
    unknown = dict.fromkeys(label for _, label, _ in _undefined(found))
    said = (*map(LACKING.format, lacking), *map(UNDEFINED.format, unknown))
    return tuple(found), said


def _undefined(found: Iterable[Group]) -> Iterator[tuple[str, str, str]]:
    """Give row, label and metric where some groups have a value and others have none."""
    having: dict[tuple[str, str, str], set[bool]] = {}
    for group in found:
        for name, value in group.cells.items():
            having.setdefault((group.row, group.label, name), set()).add(value is not None)
    yield from (key for key, both in having.items() if len(both) > 1)


Known = Mapping[tuple[str, ...], tuple[str, Sequence[str | None]]]
"""Works of a training -> digest of the view that it was tested on, and the label of each of its rows, by position."""


def _values(one: Tested, label: str, results: Results) -> Known | None:
    known: dict[tuple[str, ...], tuple[str, Sequence[str | None]]] = {}
    for slot, _ in one.slots.values():
        digest = results.tested(slot.works[0])
        rows = results.view(digest)
        if any(label not in row.get("by", {}) for row in rows):
            return None
        known[slot.works] = (digest, [row["by"][label] for row in rows])
    return known


def _of_row(one: Tested, label: str, known: Known, columns: Sequence[Column]) -> Iterator[Group]:
    for value in _ordered({value for _, values in known.values() for value in values if value is not None}):
        cells: dict[str, Summary | None] = {}
        people: set[str] = set()
        images: set[tuple[str, int]] = set()
        for column in columns:
            numbers = []
            for works, scored in one.trainings(column).items():
                view, values = known[works]
                part = _only(scored, [values[place] == value for place in scored.rows])
                if len(part.targets):
                    numbers.append(float(column.metric.compute(part.targets, part.predictions)))
                    people |= set(part.people)
                    images |= {(view, place) for place in part.rows}
            cells[column.name] = summarise(numbers)
        yield Group(one.arm.test, one.name, label, value, len(people), len(images), cells)


def _only(scored: Scored, kept: Sequence[bool]) -> Scored:
    places = np.flatnonzero(np.asarray(kept, dtype=bool))
    return evolve(
        scored,
        targets=scored.targets[places],
        predictions=scored.predictions[places],
        people=tuple(scored.people[place] for place in places),
        families=tuple(scored.families[place] for place in places),
        rows=tuple(scored.rows[place] for place in places),
    )


def _ordered(values: Iterable[str]) -> list[str]:
    """Sort numbers by size and text by letters."""

    def key(value: str) -> tuple[bool, float, str]:
        try:
            return (False, float(value), value)
        except ValueError:
            return (True, 0.0, value)

    return sorted(values, key=key)
