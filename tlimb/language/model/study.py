"""The study: the block that holds all others."""

from collections.abc import Mapping

from attrs import frozen

from tlimb.language.model.datasets import Dataset
from tlimb.language.model.evaluation import Constraints, Replicates, Report, Select, Test
from tlimb.language.model.execution import Execution
from tlimb.language.model.keys import hidden, key
from tlimb.language.model.training import Pretrained, Stage
from tlimb.language.values import Component, Value


@frozen(kw_only=True, eq=False, repr=False)
class Study:
    """One study: cohorts, stages, tests, search, report."""

    tlimb: int = key("Version of the language.", type="integer", enum=[1])
    name: str = key(
        "Name of the study; by default the file's name.",
        default="",
        type="string",
        pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    )
    seed: int = key("Seed of splits and repetitions.", default=0, type="integer", minimum=0)
    replicates: Replicates = key(
        "Repetitions that are averaged: a number, or a block.",
        default=Replicates,
        type="block",
        of=Replicates,
        short="count",
    )
    roots: Mapping[str, str] = key(
        "Named folders that paths start from.", default=dict, type="map", of={"type": "string"}
    )
    code: tuple[str, ...] = key(
        "Folders with the study's own components.", default=(), type="list", of={"type": "string"}
    )
    params: Mapping[str, Value] = key(
        "Named values, used with {param: name}.", default=dict, type="map", of={"param": True}
    )
    constraints: Constraints = key(
        "Restrictions on combinations of params.", default=Constraints, type="block", of=Constraints
    )
    datasets: Mapping[str, Dataset] = key("Cohorts.", type="map", of=Dataset)
    pretrained: Mapping[str, Pretrained] = key("Weights from files.", default=dict, type="map", of=Pretrained)
    stages: Mapping[str, Stage] = key("Training steps.", type="map", of=Stage)
    tests: Mapping[str, Test] = key("Evaluations.", default=dict, type="map", of=Test)
    search: Component | None = key(
        "How the search space is walked: `grid` (default) or `random`.",
        default=None,
        type="component",
        kind="search",
    )
    select: Select | None = key(
        "What steers: the validation value by which a configuration is chosen.",
        default=None,
        type="block",
        of=Select,
    )
    report: Report = key("What is printed.", default=Report, type="block", of=Report)
    execution: Execution = key(
        "Where and how runs are executed; nothing in here changes bits.",
        default=Execution,
        type="block",
        of=Execution,
    )
    folder: str = hidden("")
    # `defaults` has the keys of a stage except like, from and where; it is merged into every stage.
