"""How many trainings a study makes, as far as the spec alone tells it exactly."""

from collections.abc import Iterable, Iterator
from math import prod

from attrs import evolve

from tlimb.language.rules.facts import Facts, rule
from tlimb.language.values import Choice, Compare, Range
from tlimb.problems import Problem, Related, Severity

MOST_RUNS = 10_000
"""More runs than these are planned only when asked for."""
_TIMES = {2: "doubles", 3: "triples"}


def factors(facts: Facts, stage: str) -> dict[str, tuple[int, str]] | None:
    """Give what multiplies a stage: pointer -> (how many values, name); None where the spec alone does not tell.

    It does not where a value exists in some rows only, where a restriction takes rows away, or where only the data
    know the number of folds.
    """
    study = facts.study
    found: dict[str, tuple[int, str]] = {}
    nodes = facts.nodes(stage)
    if facts.source.root.get("constraints") is not None or any("[" in place for place in nodes):
        return None
    for name in facts.ancestors(stage):
        own = study.stages[name]
        folds = _folds(facts, name)
        if own.where or folds is None or any(len(leaves) > 1 for leaves in facts.slots(own).values()):
            return None
        found |= folds
    for place, node in nodes.items():
        if isinstance(node, Compare) or (isinstance(node, Choice) and not facts.random):
            found[node.pointer] = (len(node.alternatives), place.rpartition("/")[2])
        elif isinstance(node, Range) and not facts.random:
            return None
    return found | _draws(facts, stage) | _repeats(facts, stage)


def _folds(facts: Facts, stage: str) -> dict[str, tuple[int, str]] | None:
    found: dict[str, tuple[int, str]] = {}
    for dataset in facts.datasets_of(facts.study.stages[stage]):
        split = facts.study.datasets[dataset].split
        if split is None or split.name not in ("kfold", "leave_one_out"):
            continue
        folds = split.options.get("folds")
        if not isinstance(folds, int) or "inner" in split.options:
            return None
        found[f"{split.pointer}/kfold/folds"] = (folds, "folds")
    return found


def _draws(facts: Facts, stage: str) -> dict[str, tuple[int, str]]:
    count = None if facts.study.search is None else facts.study.search.options.get("count")
    searched = any(not isinstance(node, Compare) for node in facts.nodes(stage).values())
    return {"/search/random/count": (count, "draws")} if facts.random and isinstance(count, int) and searched else {}


def _repeats(facts: Facts, stage: str) -> dict[str, tuple[int, str]]:
    replicates = facts.study.replicates
    count = len(replicates.seeds) or replicates.count
    repeated = isinstance(count, int) and count > 1 and stage not in replicates.once
    return {"/replicates": (count, "replicates")} if repeated else {}


def trainings(facts: Facts, stages: Iterable[str]) -> int | None:
    """Give the number of trainings of some stages, None where the spec alone does not tell."""
    counted = [factors(facts, stage) for stage in stages]
    return (
        None if None in counted else sum(prod(n for n, _ in found.values()) for found in counted if found is not None)
    )


def _rows(facts: Facts, stages: Iterable[str]) -> int:
    tested = (stage for stage in stages if facts.tested[stage])
    compared = ((n for n in facts.nodes(stage).values() if isinstance(n, Compare)) for stage in tested)
    return sum(prod(len(node.alternatives) for node in nodes) for nodes in compared)


@rule
def plan_too_large(facts: Facts) -> Iterator[Problem]:
    """A study that would make very many trainings says so before any table is read."""
    for stage in facts.study.stages:
        found = factors(facts, stage) or {}
        total = prod(number for number, _ in found.values())
        if total <= MOST_RUNS:
            continue
        by_size = sorted(found.items(), key=lambda one: -one[1][0])
        product = " x ".join(f"{number} ({name})" for _, (number, name) in by_size)
        pointer = by_size[0][0]
        yield Problem(
            "plan-too-large",
            f"`{stage}` has {product} = {total:,} trainings",
            pointer,
            on_key=True,
            severity=Severity.WARNING,
            related=tuple(Related(where, f"x {number}") for where, (number, _) in by_size[1:]),
            help=(f"to plan it all the same:   tlimb plan --limit {total}", "or draw:   search: {random: {count: 30}}"),
        )
        return


def noted(facts: Facts, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Give the problems again; a list in place of a value learns what trying all of it would cost."""
    for problem in problems:
        cost = _cost(facts, problem) if problem.code == "list-as-value" else None
        yield problem if cost is None else evolve(problem, note=(*problem.note, cost))


def _cost(facts: Facts, problem: Problem) -> str | None:
    tree = facts.source.at(problem.pointer or "-")
    if tree is None or len(tree.items) < 2 or not any("choice" in line for line in problem.help):
        return None
    where = tree.pointer + "/"
    origins = {name: stage.origins.values() for name, stage in facts.study.stages.items()}
    readers = {name for name, found in origins.items() if any(where.startswith(f"{one}/") for one in found)}
    reading = [name for name in facts.study.stages if readers & set(facts.ancestors(name))]
    before = trainings(facts, reading)
    if not reading or not before:
        return None
    times = len(tree.items)
    word = _TIMES.get(times, f"multiplies by {times}")
    rows = _rows(facts, reading)
    after = f"; `compare` also {word} the rows ({rows} -> {times * rows})" if rows else ""
    return f"either {word} the trainings that read it ({' + '.join(reading)}: {before} -> {times * before}){after}"
