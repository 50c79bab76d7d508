"""A ranking as data; `text` writes it down."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from tlimb.manifest.fields import HEX, entry
from tlimb.report.results import Absent
from tlimb.report.statistics import Summary

DIRECTIONS = ["max", "min"]
FORMAT = 1
"""Version of the form of a ranking in JSON."""


@frozen
class Cell:
    """One metric of one row."""

    value: Summary | None = entry("Over distinct trainings; null when there is none or one of them is not finite.")
    difference: Summary | None = entry(
        "Difference to the row it is compared with, paired by repetition and fold; null without one.",
        default=None,
        always=True,
    )


@frozen
class Row:
    """One row of the final table: a tested stage under one assignment of what is compared."""

    rank: int | None = entry("Place in its test, from 1; null for a row that cannot be ranked.", minimum=1)
    test: str = entry("Name of the test.")
    stage: str = entry("Name of the tested stage.")
    labels: tuple[tuple[str, str], ...] = entry("What is compared: pairs of a place in the spec and a label.")
    configurations: int = entry("Number of configurations that were searched.", minimum=1)
    chosen: tuple[tuple[str, int], ...] = entry(
        "Pairs of the label of a chosen configuration and the number of folds that chose it, over all repetitions"
        " where each has a split of its own."
    )
    selection: float | None = entry("Mean validation value by which it was chosen; null without a selection.")
    planned: int = entry("Repetitions times folds.", minimum=0)
    done: int = entry("How many of them have a value.", minimum=0)
    works: tuple[str, ...] = entry("Works of the tests that the values come from.", items={"pattern": HEX})
    cells: Mapping[str, Cell] = entry("Metric by column.")
    against: str | None = entry("Stage of the row that differences are taken against; null without one.")
    people: int = entry("Distinct participants tested.", minimum=0)
    families: int = entry("Groups of related people among them; as many as people where nobody is related.", minimum=0)
    images: int = entry("Distinct images tested.", minimum=0)
    states: tuple[tuple[str, int], ...] = entry("Why runs are absent: pairs of a state and a number.")

    @property
    def name(self) -> str:
        """Return stage and labels as one short text."""
        return " ".join([self.stage, *(label for _, label in self.labels)])


@frozen
class Group:
    """One row of the table, for the test people with one value of a label."""

    test: str = entry("Name of the test.")
    row: str = entry("Stage and labels of the row, as the table names it.")
    label: str = entry("The label whose values are the groups.")
    value: str = entry("The value of this group, as text.")
    people: int = entry("Distinct participants in it.", minimum=0)
    images: int = entry("Their distinct images.", minimum=0)
    cells: Mapping[str, Summary | None] = entry(
        "Metric by column, over the distinct trainings that were tested on somebody of the group; null where the"
        " metric is undefined in one of them."
    )


@frozen
class Missing:
    """A run that should have a value and has none."""

    test: str = entry("Name of the test.")
    row: str = entry("Stage and labels of the row.")
    replicate: int = entry("Its repetition, from 0.", minimum=0)
    fold: str = entry("Its fold; empty for none.")
    absent: Absent = entry("Why it has none.")


@frozen
class Table:
    """A study's ranking: the rows of the final table, what is missing, and what a reader must know."""

    study: str = entry("Name of the study.")
    columns: Mapping[str, str] = entry(
        "Metrics, `metric` or `head/metric`, with the direction that is better.", items={"enum": DIRECTIONS}
    )
    rows: tuple[Row, ...] = entry("Best first within each test.")
    missing: tuple[Missing, ...] = entry("Runs without a value.")
    planned: int = entry("Runs that the table needs.", minimum=0)
    done: int = entry("Runs that have a value.", minimum=0)
    environments: Mapping[str, tuple[str, ...]] = entry(
        "What differs between the environments of the runs: name -> values found."
    )
    notes: tuple[str, ...] = entry("What a reader must know, one sentence each.")
    groups: tuple[Group, ...] = entry(
        "The rows again for each group of test people, where `report.by` asks for it.", default=()
    )
    partial: bool = entry(
        "Whether some run may still get a value: it is pending, failed or skipped, but has not diverged.",
        computed=lambda table: any(one.absent.state != "diverged" for one in table.missing),
    )
    tlimb: int = entry("Version of this form.", computed=lambda _: FORMAT, enum=[FORMAT])


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
