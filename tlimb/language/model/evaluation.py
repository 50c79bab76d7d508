"""Blocks that say what is tested, repeated, selected and reported."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from tlimb.language.model.keys import hidden, key
from tlimb.language.values import Component, Value


@frozen(kw_only=True, eq=False, repr=False)
class Test:
    """A named evaluation; runs for the selected configuration of each row unless `which: all`."""

    of: tuple[str, ...] = key("Stages whose results are tested.", type="list", of={"names": "stages"}, short=True)
    dataset: Value = key(
        "Dataset to test on; by default the stage's own.",
        default=None,
        varies=True,
        type="name",
        names="datasets",
    )
    part: str = key("Part of that dataset.", default="test", type="string", enum=["test", "val", "train", "all"])
    which: str = key(
        "`selected`: only the selected configuration; `all`: every one, for tables of a whole grid.",
        default="selected",
        type="string",
        enum=["selected", "all"],
    )
    name: str = hidden("")
    pointer: str = hidden("")


@frozen(kw_only=True, eq=False, repr=False)
class Replicates:
    """Repetitions that are averaged, never chosen."""

    count: int = key("Number of repetitions.", default=1, type="integer", minimum=1)
    seeds: tuple[int, ...] = key(
        "Run seeds, given outright instead of a count.", default=(), type="list", of={"type": "integer"}
    )
    once: tuple[str, ...] = key("Stages that are not repeated.", default=(), type="list", of={"names": "stages"})
    resplit: bool = key(
        "Draw the split anew for each repetition; each then selects for itself.", default=False, type="boolean"
    )


@frozen(kw_only=True, eq=False, repr=False)
class Constraints:
    """Restrictions on combinations of params."""

    distinct: tuple[tuple[str, ...], ...] = key(
        "Params that must not take equal values in one configuration.",
        default=(),
        type="list",
        of={"type": "list", "of": {"names": "params"}, "least": 2},
    )
    exclude: tuple[Mapping[str, Any], ...] = key(
        "Combinations of params to leave out.", default=(), type="list", of={"where": True, "names": "params"}
    )


@frozen(kw_only=True, eq=False, repr=False)
class Select:
    """What steers: the validation value by which a configuration is chosen in each row."""

    metric: str = key("Metric on validation.", type="string", names="metrics")
    head: str | None = key("Head; needed when there are several.", default=None, type="string", names="heads")
    role: str | None = key(
        "Role whose validation part is read; `source` where there is a target.",
        default=None,
        type="string",
        names="roles",
    )
    across_folds: bool = key(
        "Select one configuration over all folds; test people then take part in choosing.",
        default=False,
        type="boolean",
    )
    oracle: bool = key(
        "Allow selection with target labels; printed beside every number.", default=False, type="boolean"
    )


@frozen(kw_only=True, eq=False, repr=False)
class Report:
    """What is printed."""

    metrics: tuple[Component, ...] = key(
        "Metrics of the final table; by default those of the objectives.",
        default=(),
        type="list",
        of={"kind": "metric"},
    )
    against: Any = key(
        "Row that differences are taken against: a stage, or {param: label}.",
        default=None,
        type=["string", "object"],
        of={"type": "map", "of": {"type": ["boolean", "number", "string"]}, "names": "params", "least": 1},
        names="stages",
    )
    by: tuple[str, ...] = key(
        "Labels by which results are also given per group.",
        default=(),
        type="list",
        of={"type": "string", "names": "labels"},
    )
