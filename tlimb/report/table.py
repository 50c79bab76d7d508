"""A ranking as data; `text` writes it down."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from tlimb.report.results import Absent
from tlimb.report.statistics import Summary


@frozen
class Cell:
    """One metric of one row.

    Attributes:
        value: over distinct trainings; None when there is none or one of them is not finite.
        difference: to the row it is compared with, paired by repetition and fold; None without one.
    """

    value: Summary | None
    difference: Summary | None = None


@frozen
class Row:
    """One row of the final table: a tested stage under one assignment of what is compared.

    Attributes:
        rank: place in its test, from 1; None for a row that cannot be ranked.
        test: name of the test.
        stage: name of the tested stage.
        labels: what is compared, (place in the spec, label).
        configurations: how many were searched.
        chosen: label of the chosen configuration -> number of folds that chose it, over all
            repetitions where each has a split of its own.
        selection: mean validation value by which it was chosen; None without a selection.
        planned: repetitions times folds.
        done: how many of them have a value.
        works: predict nodes that the values come from.
        cells: column -> metric.
        against: stage of the row that differences are taken against; None without one.
        people: distinct participants tested.
        families: groups of related people among them; as many as people where nobody is related.
        images: distinct images tested.
        states: why runs are absent, state -> number.
    """

    rank: int | None
    test: str
    stage: str
    labels: tuple[tuple[str, str], ...]
    configurations: int
    chosen: tuple[tuple[str, int], ...]
    selection: float | None
    planned: int
    done: int
    works: tuple[str, ...]
    cells: Mapping[str, Cell]
    against: str | None
    people: int
    families: int
    images: int
    states: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        """Give stage and labels as one short text."""
        return " ".join([self.stage, *(label for _, label in self.labels)])


@frozen
class Group:
    """One row of the table, for the test people with one value of a label.

    Attributes:
        test: name of the test.
        row: stage and labels of the row, as the table names it.
        label: the label whose values are the groups.
        value: the value of this group, as text.
        people: distinct participants in it.
        images: their distinct images.
        cells: column -> over the distinct trainings that were tested on somebody of the group; None where the metric is
            undefined in one of them.
    """

    test: str
    row: str
    label: str
    value: str
    people: int
    images: int
    cells: Mapping[str, Summary | None]


@frozen
class Missing:
    """A run that should have a value and has none."""

    test: str
    row: str
    replicate: int
    fold: str
    absent: Absent


@frozen
class Table:
    """A study's ranking.

    Attributes:
        study: name of the study.
        columns: metrics in order, `metric` or `head/metric`, with their direction (`max` or `min`).
        rows: best first within each test.
        missing: runs without a value.
        planned: runs that the table needs.
        done: runs that have a value.
        environments: what differs between the environments of the runs: name -> values found.
        notes: what a reader must know, one sentence each.
        groups: the rows again for each group of test people, where `report.by` asks for it.
    """

    study: str
    columns: Mapping[str, str]
    rows: tuple[Row, ...]
    missing: tuple[Missing, ...]
    planned: int
    done: int
    environments: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    groups: tuple[Group, ...] = ()

    @property
    def partial(self) -> bool:
        """Say whether some run may still get a value: pending, failed or skipped, but not diverged."""
        return any(one.absent.state != "diverged" for one in self.missing)


def short(place: str) -> str:
    """Give the last part of a place in the spec, as people call it."""
    return place.rstrip("/").split("/")[-1]


def plain(value: Any) -> Any:
    """Turn attrs values into JSON values, tuples into lists."""
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    return value
