"""Checks that need tables and file lists, and the lines about people that every plan begins with."""

from collections.abc import Iterator
from itertools import combinations

from attrs import evolve

from tlimb.cohorts import columns, narrow, view
from tlimb.cohorts.leaks import comparable
from tlimb.cohorts.parts import unknown_labels
from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Stage, Study
from tlimb.language.values import Component, Record, walk
from tlimb.manifest import UNLABELLED, Fit, Json, Select
from tlimb.plan import images
from tlimb.plan.cohort import Cohorts
from tlimb.plan.data import Use
from tlimb.plan.expand import Expander, Expansion
from tlimb.plan.groups import grouped
from tlimb.plan.pieces import plain
from tlimb.plan.reach import Reach
from tlimb.plan.stages import Run
from tlimb.problems import Problem, Related, Severity, TlimbError

SMALL_VALIDATION = 20
"""Validation parts with fewer people choose by chance; the plan warns."""


NAMES = ("target-missing", "unknown-label")
"""Codes of names that tables lack; with these alone, targets can still be checked."""


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


def indexed(study: Study, cohorts: Cohorts) -> list[Problem]:
    """Index every dataset that is read, and check the labels that it names: all datasets, not the first wrong one."""
    problems: dict[Problem, None] = {}
    reach = Reach(study)
    read = {name: None for stage in study.stages.values() for name in reach.datasets(stage)}
    read |= {name: None for test in study.tests.values() for name in reach.words(test.dataset)}
    for name in read:
        if name not in study.datasets:
            continue
        dataset = study.datasets[name]
        try:
            cohort = cohorts.cohort(name)
        except TlimbError as error:
            problems |= dict.fromkeys(error.problems)
            continue
        split = dataset.split
        if split is not None:
            options = {key: value for key, value in plain(split)[split.name].items() if value is not None}
            pointer = f"{dataset.origins.get('split', dataset.pointer)}/{split.name}"
            problems |= dict.fromkeys(unknown_labels(cohort, options, pointer))
        problems |= dict.fromkeys(narrow.unknown_names(cohort, dataset.only, cohorts.pointer_of_only(dataset)))
    return [*problems, *grouped(study, cohorts)]


def data(study: Study, catalogue: Catalogue, cohorts: Cohorts) -> list[Problem]:
    """Check that every target is there and of the right type, in every dataset that a stage may read."""
    problems = indexed(study, cohorts)
    if any(problem.severity is Severity.ERROR and problem.code not in NAMES for problem in problems):
        return problems
    reach = Reach(study)
    for stage in study.stages.values():
        names = reach.datasets(stage, without=UNLABELLED)
        for objective in reach.objectives(stage):
            target = objective.options.get("target")
            listing = catalogue.get("objective", objective.name)
            if not isinstance(target, str) or listing is None:
                continue
            for name in names:
                if not cohorts.known(name):
                    continue
                kind = str(listing.facts.get("kind", ""))
                # What learns from images and reads a label beside them, such as who is of like age, compares numbers.
                kind = "number" if kind == "image" else kind
                found = _target(cohorts, name, target, kind, objective)
                related = (Related(study.datasets[name].pointer, "the dataset", on_key=True),)
                found = (evolve(one, related=related) for one in found)
                problems += [one for one in found if one not in problems]
            if listing.facts.get("kind") == "class" and not problems:
                problems += _pooled(study, cohorts, stage, target, objective)
    return problems


def _pooled(study: Study, cohorts: Cohorts, stage: Stage, target: str, objective: Component) -> Iterator[Problem]:
    """Refuse pooled datasets whose classes have no name in common: F and M here, 0 and 1 there."""
    for pool in walk(stage.dataset):
        names = [name for name in pool if isinstance(name, str)] if isinstance(pool, tuple) else []
        having = [(name, cohorts.cohort(name)) for name in names if name in study.datasets]
        classes = {name: cohort.labels[target].classes for name, cohort in having if target in cohort.labels}
        first = next(iter(classes), "")
        for name, found in classes.items():
            if not found or set(found) & set(classes[first]) or name == first:
                continue
            hidden = any(target in cohort.private for _, cohort in having)
            said = "no class in common"
            if not hidden:
                said = f"{{{', '.join(classes[first][:5])}}} and {{{', '.join(found[:5])}}}"
            yield Problem(
                "classes-differ",
                f"`{target}` of `{first}` and `{name}`, which `{stage.name}` pools: {said}",
                objective.at("target"),
                related=(
                    Related(study.datasets[first].pointer, "one dataset", on_key=True),
                    Related(study.datasets[name].pointer, "the other", on_key=True),
                ),
                help=f"recode one of them:   labels: {{{target}: {{map: {{THEIRS: OURS}}}}}}",
            )


def kept_heads(study: Study, expansion: Expansion) -> list[Problem]:
    """Check that a head that is kept from the parent means the same there."""
    problems: dict[tuple[str, str], Problem] = {}
    nodes = expansion.graph.nodes
    keeping = any(fit.adapt.heads == "keep" for _, fit in expansion.graph.distinct(Fit, "adapt"))
    for node, fit in expansion.graph.of(Fit) if keeping else ():
        parent = nodes.get(fit.encoder_parent or "") if fit.adapt.heads == "keep" else None
        if parent is None or not node.stage:
            continue
        stage, source = node.stage, parent.stage
        theirs = {head.name: head.facts for head in parent.as_a(Fit).heads}
        for head in fit.heads:
            facts = theirs.get(head.name)
            if facts is not None and facts.classes == head.facts.classes:
                continue
            message = f"the head `{head.name}` of `{source}` cannot be kept in `{stage}`: " + (
                "there is none of that name" if facts is None else "its classes are others"
            )
            pointer = study.stages[stage].origins.get("adapt/heads", study.stages[stage].pointer)
            related = (Related(f"/stages/{source}", "the parent", on_key=True),)
            help_ = "write   adapt: {heads: new}"
            problems[stage, head.name] = Problem("classes-differ", message, pointer, related=related, help=help_)
    return list(problems.values())


def taught_heads(study: Study, expansion: Expansion, catalogue: Catalogue) -> list[Problem]:
    """Check that a teacher of outputs has a head that its student has too."""
    problems: dict[tuple[str, str], Problem] = {}
    listing = catalogue.get("auxiliary", "distill")
    nodes = expansion.graph.nodes

    def of_outputs(fit: Fit) -> bool:
        cls = None if listing is None else listing.cls
        return any(one.path == cls and one.options["match"] == "outputs" for one in fit.auxiliary)

    taught = any(of_outputs(fit) for _, fit in expansion.graph.distinct(Fit, "auxiliary"))
    for node, fit in expansion.graph.of(Fit) if taught else ():
        teacher = nodes.get(fit.teachers.get("teacher", "")) if of_outputs(fit) else None
        theirs = [] if teacher is None else [head.name for head in teacher.as_a(Fit).heads]
        if teacher is None or set(theirs) & {head.name for head in fit.heads}:
            continue
        stage, source = node.stage, teacher.stage
        own = study.stages[stage]
        names = " and ".join(f"`{name}`" for name in theirs)
        problems[stage, source] = Problem(
            "heads-differ",
            f"`distill`: the teacher `{source}` has no head of `{stage}`, only {names}",
            own.origins.get("auxiliary", own.pointer),
            related=(Related(f"/stages/{source}", "the teacher", on_key=True),),
            help="write   distill: {match: features}   or give both a head of equal name",
        )
    return list(problems.values())


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


def unbuilt(study: Study) -> Iterator[Problem]:
    """Refuse what the language can say and no run can do yet, where it is written."""
    for dataset in study.datasets.values():
        inner = None if dataset.split is None else dataset.split.options.get("inner")
        if isinstance(inner, Record) and inner.fields.get("refit") is False:
            yield Problem(
                "not-built",
                "averaging the inner models (`refit: false`) is not there yet",
                dataset.origins.get("split", dataset.pointer),
                help="write `refit: true`: the winner is trained again on the whole outer training part",
            )


def populations(study: Study, expansion: Expansion, known: Catalogue) -> Iterator[Problem]:
    """Warn of weights that were trained on the population that is tested, or on one nobody has declared.

    The layout of public weights declares their cohorts; what the study writes is added to them.
    """
    said: set[tuple[str, str]] = set()
    for one in (one for evaluations in expansion.tests.values() for one in evaluations):
        for name in weights_of(one.run):
            entry = study.pretrained[name]
            layout = None if entry.layout is None else known.get("layout", entry.layout.name)
            theirs = () if layout is None else tuple(layout.facts.get("cohorts", ()))
            for dataset in one.datasets:
                told = _kin(name, dataset, study.datasets[dataset].cohort, (*entry.cohorts, *theirs))
                if told is None or (name, dataset) in said:
                    continue
                said.add((name, dataset))
                message, help_ = told
                declared = one.test.pointer + ("/dataset" if one.test.dataset is not None else "")
                yield Problem(
                    "leak-weights",
                    message,
                    f"{entry.pointer}/cohorts" if entry.cohorts else entry.pointer,
                    on_key=not entry.cohorts,
                    severity=Severity.WARNING,
                    related=(Related(declared, f"`{dataset}` is tested here", on_key=one.test.dataset is None),),
                    help=help_,
                )


def _kin(name: str, dataset: str, population: str | None, trained: tuple[str, ...]) -> tuple[str, str] | None:
    """Say that weights may know the people of a dataset, or that nobody can tell, and what to do; None for neither."""
    if not trained:
        message = f"unknown for `{name}`: the leak guard cannot compare its people with those of `{dataset}`"
        return message, "find out whom they were trained on, and write   cohorts: [NAME]"
    if population is None:
        listed = ", ".join(dict.fromkeys(trained))
        message = f"`{name}` was trained on {listed}; the leak guard cannot tell whether `{dataset}` is of that cohort"
        return message, f"say which cohort the people are of: write   cohort: NAME   in `{dataset}`"
    if _plain(population) in {_plain(one) for one in trained}:
        message = f"`{name}` was trained on cohort {population}, and `{dataset}` is of that cohort"
        return message, "test on people of another cohort, or start from other weights"
    return None


def _plain(population: str) -> str:
    """Write a population's name without what people write differently: case, spaces and signs."""
    return "".join(letter for letter in population.casefold() if letter.isalnum())


def weights_of(run: Run) -> set[str]:
    """Give the entries of `pretrained` that a run or an ancestor started from."""
    return {*run.weights.values()}.union(*(weights_of(parent) for parent in run.parents.values()))


def classes(expansion: Expansion, cohorts: Cohorts) -> list[Problem]:
    """Check that no test has a class that its model never saw in training."""
    problems: dict[tuple[str, str], Problem] = {}
    seen: set[tuple[str, int]] = set()
    for one in (one for evaluations in expansion.tests.values() for one in evaluations):
        heads = expansion.graph.nodes[one.run.work].as_a(Fit).heads
        key = (one.view, id(heads))
        if key in seen:
            continue
        seen.add(key)
        for head in heads:
            known, label = head.facts.classes, head.facts.label or ""
            found = {view.text(v) for v in cohorts.values(one.view, label)} if known else set()
            extra = sorted(found - set(known))
            if extra and (one.test.name, label) not in problems:
                hidden = any(label in cohort.private for cohort in cohorts.indexes())
                said = f"{len(extra)} classes" if hidden else ", ".join(f"`{name}`" for name in extra)
                problems[one.test.name, label] = Problem(
                    "classes-differ",
                    f"`{one.test.name}` tests {said} of `{label}`, which `{one.run.stage}` never saw in training",
                    one.test.pointer,
                    on_key=True,
                    help="recode them with `labels: {..: {map: ..}}`, leave them out with `only`, or train on them too",
                )
    return list(problems.values())


def selection(study: Study, expansion: Expansion) -> list[Problem]:
    """Check that what selects has people to select on."""
    problems: list[Problem] = []
    nodes = expansion.graph.nodes
    for select in expansion.selects:
        choice = nodes[select].as_a(Select)
        for work in choice.parent_works:
            if nodes[work].as_a(Fit).validation(choice.role) is None:
                stage = nodes[work].stage
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
    places: dict[str, str] = {}
    for ancestor in expander.stages.reach.ancestors(stage) if stage in study.stages else ():
        for node in expander.stages.reach.nodes(ancestor):
            alternatives = getattr(node, "alternatives", None)
            if alternatives is not None and not (expander.stages.space.random and hasattr(node, "law")):
                sizes[node.place], places[node.place] = len(alternatives), node.pointer
    if expander.stages.space.random:
        sizes, places = {"search.count": expander.stages.space.count}, {"search.count": "/search/random/count"}
    if len(expander.stages.seeds) > 1:
        sizes["replicates"], places["replicates"] = len(expander.stages.seeds), "/replicates"
    product = 1
    for size in sizes.values():
        product *= size
    factors = " x ".join(f"{size} ({place})" for place, size in sizes.items())
    return Problem(
        "plan-too-large",
        f"`{stage}` has more than {limit:,} runs" + (f": {factors} = {product:,}" if sizes else ""),
        places.get(max(sizes, key=sizes.__getitem__, default=""), f"/stages/{stage}"),
        on_key=True,
        related=tuple(Related(places[place], f"x {size}") for place, size in sizes.items() if place in places),
        help=(
            f"plan it all the same with `--limit {max(product, limit + 1)}`",
            "or search at random: {random: {count: 30}}",
        ),
    )


def people(study: Study, catalogue: Catalogue, cohorts: Cohorts) -> Iterator[str]:
    """Give for each dataset that is read its people, how they are divided, and what its images are."""
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
        yield from images.lines(study, catalogue, cohorts, name)
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
