"""Options that name the classes of a label one by one: all that are trained on, and no others."""

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Stage, Study
from tlimb.language.suggest import closest
from tlimb.language.values import Component, Record, escape
from tlimb.manifest import UNLABELLED, Fit, Manifest
from tlimb.plan.cohort import Cohorts
from tlimb.plan.expand import Expansion
from tlimb.plan.reach import Reach
from tlimb.problems import Problem, Related


@frozen
class _Written:
    """A mapping of classes as one objective of a stage has it."""

    stage: Stage
    option: str
    target: str
    record: Record


def weighted(study: Study, expansion: Expansion, catalogue: Catalogue, cohorts: Cohorts) -> list[Problem]:
    """Check each mapping by classes, such as `class_weights: {AD: 3, HC: 1}`, against its label.

    A class that no cohort of the stage has is an error, and so is one that is trained on and not in the mapping. Of a
    private label no mapping may be written: classes stand in manifests as the options that name them.
    """
    trained = _trained(expansion)
    problems: dict[Problem, None] = {}
    for one in _written(study, catalogue):
        names = [name for name in Reach(study).datasets(one.stage, without=UNLABELLED) if cohorts.known(name)]
        having = [cohort for cohort in map(cohorts.cohort, names) if one.target in cohort.labels]
        if any(one.target in cohort.private for cohort in having):
            message = f"`{one.target}` is private, and `{one.option}` would write its classes into manifests"
            help_ = f"write   {one.option}: balanced" if one.option == "class_weights" else "leave it out"
            problems[Problem("private-shown", message, one.record.pointer, help=help_)] = None
            continue
        known = dict.fromkeys(name for cohort in having for name in cohort.labels[one.target].classes)
        related = tuple(Related(study.datasets[name].pointer, "the dataset", on_key=True) for name in names[:1])
        problems |= dict.fromkeys(_unknown(one, tuple(known), related))
        problems |= dict.fromkeys(_missing(one, trained.get((one.stage.name, one.target), {}), related))
    return list(problems)


def _written(study: Study, catalogue: Catalogue) -> Iterator[_Written]:
    reach = Reach(study)
    for stage in study.stages.values():
        for objective in reach.objectives(stage):
            target = objective.options.get("target")
            for option in _keyed(catalogue, objective) if isinstance(target, str) else ():
                for value in reach.follow(objective.options.get(option)):
                    if isinstance(value, Record):
                        yield _Written(stage, option, str(target), value)


def _keyed(catalogue: Catalogue, objective: Component) -> tuple[str, ...]:
    listing = catalogue.get("objective", objective.name)
    options = {} if listing is None else listing.options
    return tuple(name for name, option in options.items() if option.schema.get("keys") == "classes")


def _trained(expansion: Expansion) -> Mapping[tuple[str, str], Mapping[str, None]]:
    """Give (stage, label) -> the classes that some training of the stage has, in order."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for node, fit in expansion.graph.distinct(Fit, "heads", also=_stages):
        for stage in _stages(node):
            for facts in (head.facts for head in fit.heads):
                if facts.label is not None:
                    found.setdefault((stage, facts.label), {}).update(dict.fromkeys(facts.classes))
    return found


def _stages(node: Manifest) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(use["stage"]) for use in node.uses))


def _unknown(one: _Written, known: Sequence[str], related: tuple[Related, ...]) -> Iterator[Problem]:
    for name in one.record.fields:
        if name not in known:
            meant = closest(name, known)
            yield Problem(
                "classes-differ",
                f"`{one.option}` has `{name}`, which is no class of `{one.target}`",
                f"{one.record.pointer}/{escape(name)}",
                on_key=True,
                related=related,
                help=f"did you mean `{meant}`?" if meant else f"its classes are {', '.join(known)}",
            )


def _missing(one: _Written, trained: Mapping[str, None], related: tuple[Related, ...]) -> Iterator[Problem]:
    lacking = [name for name in trained if name not in one.record.fields]
    if lacking:
        yield Problem(
            "classes-differ",
            f"`{one.option}` has nothing for {', '.join(f'`{name}`' for name in lacking)} of `{one.target}`, which "
            f"`{one.stage.name}` trains on",
            one.record.pointer,
            related=related,
            help=f"add   {', '.join(f'{name}: 1' for name in lacking)}",
        )
