"""Checks that need tables and file lists, and the lines about people that every plan begins with."""

from collections.abc import Iterator
from itertools import combinations

from tlimb.cohorts import columns
from tlimb.cohorts.leaks import comparable
from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Study
from tlimb.language.values import Component, walk
from tlimb.manifest import Json
from tlimb.plan.cohort import Cohorts
from tlimb.plan.data import Use
from tlimb.plan.expand import Expander, Expansion
from tlimb.plan.reach import Reach
from tlimb.plan.stages import UNLABELLED
from tlimb.problems import Problem, TlimbError

SMALL_VALIDATION = 20
"""Validation parts with fewer people choose by chance; the plan warns."""


def default_metrics(study: Study, catalogue: Catalogue) -> list[str]:
    """Give the metrics of the tested stages' objectives, in order."""
    stages = dict.fromkeys(name for test in study.tests.values() for name in test.of)
    found: dict[str, None] = {}
    reach = Reach(study)
    for name in stages or study.stages:
        for objective in reach.objectives(study.stages[name]) if name in study.stages else ():
            listing = catalogue.get("objective", objective.name)
            found |= dict.fromkeys(() if listing is None else listing.facts.get("metrics", ()))
    return list(found)


def data(study: Study, catalogue: Catalogue, cohorts: Cohorts) -> list[Problem]:
    """Check that every target is there and of the right type, in every dataset that a stage may read."""
    problems: list[Problem] = []
    reach = Reach(study)
    for stage in study.stages.values():
        names = reach.datasets(stage, without=UNLABELLED)
        for objective in reach.objectives(stage):
            target = objective.options.get("target")
            listing = catalogue.get("objective", objective.name)
            if not isinstance(target, str) or listing is None:
                continue
            for name in names:
                found = _target(cohorts, name, target, str(listing.facts.get("kind", "")), objective)
                problems += [one for one in found if one not in problems]
    return problems


def _target(cohorts: Cohorts, name: str, target: str, kind: str, objective: Component) -> Iterator[Problem]:
    cohort = cohorts.cohort(name)
    pointer = objective.at("target")
    facts = cohort.labels.get(target)
    if facts is None:
        yield columns.missing_label(cohort, target, pointer)
        return
    if wrong := columns.wrong_kind(cohort, target, kind, pointer, f"`{objective.name}`"):
        yield wrong
    if kind == "class" and len(facts.classes) < 2:
        yield Problem("target-type", f"`{target}` of `{name}` has one class only: nothing to learn", pointer)


def selection(study: Study, expansion: Expansion) -> list[Problem]:
    """Check that what selects has people to select on."""
    problems: list[Problem] = []
    nodes = expansion.graph.nodes
    for select in expansion.selects:
        role = nodes[select].hashed["role"]
        for work in nodes[select].parents:
            views = nodes[work].hashed["views"].get(role, {})
            if views.get("val") is None:
                stage = nodes[work].uses[0]["stage"]
                message = f"configurations of `{stage}` are chosen on validation, but its data have no part `val`"
                problem = Problem(
                    "selection-missing",
                    message,
                    f"/stages/{stage}",
                    on_key=True,
                    help="give the split a `val`, such as   holdout: {train: rest, val: 0.2, test: 0.2}",
                )
                if problem not in problems:
                    problems.append(problem)
    return problems


def too_large(study: Study, stage: str, limit: int, expander: Expander) -> Problem:
    """Say by which dimensions a stage has more runs than allowed; nothing is enumerated for it."""
    sizes: dict[str, int] = {}
    for ancestor in expander.stages.reach.ancestors(stage) if stage in study.stages else ():
        for node in expander.stages.reach.nodes(ancestor):
            alternatives = getattr(node, "alternatives", None)
            if alternatives is not None and not (expander.stages.space.random and hasattr(node, "law")):
                sizes[node.place] = len(alternatives)
    if expander.stages.space.random:
        sizes = {"search.count": expander.stages.space.count}
    if len(expander.stages.seeds) > 1:
        sizes["replicates"] = len(expander.stages.seeds)
    product = 1
    for size in sizes.values():
        product *= size
    factors = " x ".join(f"{size} ({place})" for place, size in sizes.items())
    return Problem(
        "plan-too-large",
        f"`{stage}` has more than {limit:,} runs" + (f": {factors} = {product:,}" if sizes else ""),
        f"/stages/{stage}" if stage in study.stages else "/stages",
        on_key=True,
        help=(
            f"plan it all the same with `--limit {max(product, limit + 1)}`",
            "or search at random: {random: {count: 30}}",
        ),
    )


def people(study: Study, cohorts: Cohorts) -> Iterator[str]:
    """Give one line for each dataset that is read: people, images, and how they are divided."""
    for name, use in sorted(cohorts.used().items()):
        sizes = []
        for part in ("train", "val", "test"):
            try:
                rows = cohorts.rows(Use(name, use.fold, use.inner, use.replicate, use.subset, use.resplit), part)
            except TlimbError:
                rows = None
            if rows is not None and study.datasets[name].split is not None:
                persons = len({row.participant for row in rows})
                sizes.append(f"{part} {persons}")
                if part == "val" and 0 < persons < SMALL_VALIDATION:
                    sizes[-1] += " (few: a choice on so few people is mostly chance)"
        folds = cohorts.folds(name)
        kept = cohorts.kept(name)
        said = f", {len(folds)} folds" if folds else ""
        divided = f": {', '.join(sizes)}" if sizes else ""
        yield (
            f"dataset {name}: {len({row.participant for row in kept})} participants, {len(kept)} images{said}"
            f"{divided}{' (first fold)' if folds else ''}"
        )
    yield from comparisons(cohorts)


def comparisons(cohorts: Cohorts) -> Iterator[str]:
    """Say for each pair of cohorts how people who are in both would be recognised."""
    for first, second in combinations(cohorts.indexes(), 2):
        how = comparable(first, second)
        said = f"people of {first.name} and {second.name} are compared {how}"
        if how == "not comparable":
            said = (
                f"warning: people of {first.name} and {second.name} cannot be compared; the leak guard is blind there"
            )
        yield said


def assumed(study: Study, catalogue: Catalogue) -> Iterator[tuple[str, str, Json]]:
    """Give the defaults that change bits and that nobody wrote, once a component."""
    seen: set[tuple[str, str]] = set()
    kinds = ("data", "architecture", "optimizer", "objective")
    for stage in study.stages.values():
        for kind in kinds:
            for value in walk(getattr(stage, kind)):
                if not isinstance(value, Component):
                    continue
                listing = catalogue.get(kind, value.name)
                for option, default in ({} if listing is None else listing.defaults).items():
                    if option not in value.options and (value.name, option) not in seen:
                        seen.add((value.name, option))
                        yield value.name, option, default
