"""Tests, selection and the table: what steers is never what is reported."""

from collections.abc import Iterator

from tlimb.language.model import Test
from tlimb.language.rules.facts import Facts, listed, rule
from tlimb.language.rules.stages import parts
from tlimb.language.values import Choice, Compare, Range
from tlimb.problems import Problem, Related, Severity


@rule
def selection_missing(facts: Facts) -> Iterator[Problem]:
    """Where a row has several configurations and a test waits for the best, something must say what best is."""
    if facts.source.root.get("select") is not None:
        return
    for name, test in facts.study.tests.items():
        if test.which == "all":
            continue
        for stage in test.of:
            if stage not in facts.study.stages:
                continue
            nodes = facts.nodes(stage).values()
            searched = [node for node in nodes if isinstance(node, Choice | Range)]
            if not searched:
                continue
            message = f"`{name}` waits for the best configuration of `{stage}`, but nothing says what best is"
            related = tuple(Related(node.pointer, "searched here") for node in searched[:3])
            help_ = (
                "at the top level:   select: {metric: METRIC}   (on validation)",
                "or test every configuration:   which: all",
            )
            yield Problem("selection-missing", message, test.pointer, on_key=True, related=related, help=help_)
            break


@rule
def no_validation(facts: Facts) -> Iterator[Problem]:
    """Searching needs validation people in every dataset that is trained on."""
    for name, stage in facts.study.stages.items():
        own = [node for node in facts.nodes(name).values() if isinstance(node, Choice | Range)]
        gated = [test for test in facts.tested[name] if facts.study.tests[test].which != "all"]
        if not own or not gated:
            continue
        select = facts.study.select
        role = "source" if select is not None and select.role is None and "target" in stage.datasets else None
        role = role or (select.role if select is not None else None)
        tree = facts.field(stage, "datasets" if stage.datasets else "dataset")
        if stage.datasets and role in stage.datasets and tree is not None:
            tree = tree.get(str(role))
        for leaf in facts.leaves(tree):
            dataset = facts.study.datasets.get(str(leaf.value))
            if dataset is None or facts.broken("datasets", dataset.name) or "val" in parts(facts, dataset.name):
                continue
            if dataset.split is not None and "inner" in dataset.split.options:
                continue
            if stage.datasets and leaf is not next(facts.leaves(tree)):
                continue
            message = f"`{dataset.name}` has no part `val` to select on"
            split = dataset.origins.get("split", dataset.pointer)
            related = (Related(split, "its split", on_key=True), Related(own[0].pointer, f"searched for `{name}`"))
            help_ = "add `val` to its split: people that are neither trained on nor tested"
            yield Problem("validation-missing", message, leaf.pointer, related=related, help=help_)


@rule
def test_selects(facts: Facts) -> Iterator[Problem]:
    """Target labels choose nothing, unless the study owns up to it."""
    select = facts.study.select
    if select is not None and select.role == "target" and not select.oracle:
        message = "`target` labels would choose the configuration: adaptation is meant to do without them"
        help_ = ("select on the source:   role: source", "or own up to it, in the report too:   oracle: true")
        yield Problem("test-selects", message, "/select/role", help=help_)
    for stage in facts.study.stages.values():
        monitor = facts.field(stage, "trainer/monitor")
        role = None if monitor is None else monitor.get("role")
        if role is not None and role.value == "target" and "source" in stage.datasets:
            message = f"`target` labels would decide when `{stage.name}` stops or what it keeps"
            yield Problem("test-selects", message, role.pointer, help="watch the source:   role: source")


@rule
def test_part(facts: Facts) -> Iterator[Problem]:
    """The part that a test looks at must be there."""
    for name, test in facts.study.tests.items():
        for dataset in _datasets(facts, test):
            if facts.broken("datasets", dataset) or test.part in ("all", *parts(facts, dataset)):
                continue
            tree = facts.source.at(f"/tests/{name}/dataset")
            where = test.pointer if tree is None else tree.pointer
            message = f"`{name}` looks at the part `{test.part}`, but `{dataset}` has none"
            related = (Related(facts.study.datasets[dataset].pointer, "the dataset", on_key=True),)
            help_ = f"add `{test.part}` to its split, or say which part:   part: {parts(facts, dataset)[-1]}"
            yield Problem("part-missing", message, where, on_key=tree is None, related=related, help=help_)


@rule
def leak_declared(facts: Facts) -> Iterator[Problem]:
    """Nobody is tested on people whose part the tested stage, or an ancestor, was trained on by declaration."""
    for name, test in facts.study.tests.items():
        if test.part not in ("all", "train", "val"):
            continue
        for dataset in _datasets(facts, test):
            for stage in test.of:
                found = _trains_on(facts, stage, dataset)
                if found is None:
                    continue
                trained, tree_pointer = found
                error = test.part == "all" or parts(facts, dataset) == ("all",)
                # People of `val` change no weight, but early stopping and selection go by them.
                how = "validated" if test.part == "val" and not error else "trained"
                message = f"part `{test.part}` of `{dataset}` is tested in `{name}`, but `{trained}` is {how} on it"
                tree = facts.source.at(f"/tests/{name}/part") or facts.source.at(f"/tests/{name}/dataset")
                yield Problem(
                    "leak-declared",
                    message,
                    test.pointer if tree is None else tree.pointer,
                    on_key=tree is None,
                    severity=Severity.ERROR if error else Severity.WARNING,
                    related=(Related(tree_pointer, f"{how} on here"),),
                    help="test the part `test`",
                )
                break


def _trains_on(facts: Facts, stage: str, dataset: str) -> tuple[str, str] | None:
    tested = facts.study.datasets.get(dataset)
    if tested is None or stage not in facts.study.stages:
        return None
    for name in facts.ancestors(stage):
        for other in facts.datasets_of(facts.study.stages[name]):
            trained = facts.study.datasets[other]
            portions = trained.portion, tested.portion
            if trained.files_place != tested.files_place or (all(portions) and len(set(portions)) == 2):
                continue
            key = "datasets" if facts.study.stages[name].datasets else "dataset"
            return name, facts.study.stages[name].origins[key]
    return None


def _datasets(facts: Facts, test: Test) -> list[str]:
    """Give the datasets that a test can look at: its own, else the single ones of its stages."""
    tree = facts.source.at(f"/tests/{test.name}/dataset")
    if tree is not None:
        return [str(leaf.value) for leaf in facts.leaves(tree)]
    found = [facts.datasets_of(facts.study.stages[name]) for name in test.of if name in facts.study.stages]
    return list(dict.fromkeys(names[0] for names in found if len(names) == 1))


@rule
def test_dataset_missing(facts: Facts) -> Iterator[Problem]:
    """A test of a stage with several datasets must say which one it looks at."""
    for name, test in facts.study.tests.items():
        if facts.source.at(f"/tests/{name}/dataset") is not None:
            continue
        for stage in test.of:
            found = facts.study.stages.get(stage)
            tree = None if found is None else facts.field(found, "dataset")
            if found is not None and (found.datasets or (tree is not None and tree.kind == "sequence")):
                message = f"`{name}` does not say on which dataset; `{stage}` reads {listed(facts.datasets_of(found))}"
                yield Problem("test-dataset-missing", message, test.pointer, on_key=True, help="write   dataset: NAME")


@rule
def test_unread(facts: Facts) -> Iterator[Problem]:
    """People who are kept for a test that never comes are wasted."""
    if not facts.study.tests:
        return
    read = {
        facts.study.datasets[name].split_place
        for test in facts.study.tests.values()
        for name in _datasets(facts, test)
        if name in facts.study.datasets and test.part in ("test", "all")
    }
    done: set[str] = set()
    for name, dataset in facts.study.datasets.items():
        used = any(name in facts.datasets_of(stage) for stage in facts.study.stages.values())
        split = dataset.split_place
        if not used or "test" not in parts(facts, name) or split in read or split in done:
            continue
        if dataset.split is None or dataset.split.name == "column":
            continue
        done.add(split)
        message = f"the part `test` of `{name}` is in no test"
        help_ = f"add a test:   tests: {{held_out: {{of: STAGE, dataset: {name}}}}}"
        yield Problem("test-unread", message, dataset.split.pointer, on_key=True, severity=Severity.WARNING, help=help_)


@rule
def nothing_predicted(facts: Facts) -> Iterator[Problem]:
    """A stage that learns from images alone predicts nothing that could be tested."""
    for name in facts.study.tests:
        of = facts.source.at(f"/tests/{name}/of")
        for leaf in facts.leaves(of):
            stage = facts.study.stages.get(str(leaf.value))
            found = [] if stage is None else [one for head in facts.heads(stage).values() for one in head]
            listings = [facts.listing("objective", objective) for objective, _ in found]
            if not found or any(one is None or one.facts.get("kind") != "image" for one in listings):
                continue
            message = f"`{leaf.value}` learns from images alone, so it predicts nothing that `{name}` could test"
            related = (Related(found[0][1].pointer, "what it learns"),)
            help_ = f"test a stage that starts from it:   from: {leaf.value}   with an objective of its own"
            yield Problem("nothing-predicted", message, leaf.pointer, related=related, help=help_)


@rule
def metric_fits(facts: Facts) -> Iterator[Problem]:
    """The metric that selects must fit the head that it is computed of."""
    select = facts.study.select
    listing = None if select is None else facts.listing("metric", select.metric)
    kind = None if listing is None else listing.facts.get("kind")
    if select is None:
        return
    for name, stage in facts.study.stages.items():
        searched = any(isinstance(node, Choice | Range) for node in facts.nodes(name).values())
        gated = [test for test in facts.tested[name] if facts.study.tests[test].which != "all"]
        if not searched or not gated:
            continue
        heads = facts.heads(stage)
        if select.head is None and len(stage.heads) > 1:
            message = f"`{name}` has {len(heads)} heads; `select` does not say which one"
            help_ = f"add   head: {next(iter(heads))}   (or {listed(list(heads)[1:])})"
            yield Problem("head-needed", message, "/select", on_key=True, help=help_)
            return
        for head in (select.head,) if select.head else heads:
            for objective, tree in heads.get(head, ()):
                found = facts.listing("objective", objective)
                theirs = None if found is None else found.facts.get("kind")
                if kind is None or theirs is None or theirs == kind:
                    continue
                message = f"`{select.metric}` is a metric of {_of(kind)}, but `{name}` predicts {_of(theirs)}"
                fitting = [m.name for m in facts.catalogue.all("metric") if m.facts.get("kind") == theirs]
                related = (Related(tree.pointer, "its objective"),)
                help_ = f"metrics that fit: {listed(fitting)}"
                yield Problem("metric-fits", message, "/select/metric", related=related, help=help_)


def _of(kind: object) -> str:
    return {"number": "numbers", "class": "classes", "image": "nothing but images"}.get(str(kind), f"kind {kind}")


@rule
def monitor_fits(facts: Facts) -> Iterator[Problem]:
    """The watched metric must fit its head, and name it when there are several."""
    for name, stage in facts.study.stages.items():
        monitor = facts.field(stage, "trainer/monitor")
        metric = None if monitor is None else monitor.get("metric")
        if monitor is None or metric is None or metric.value == "loss":
            continue
        heads = facts.heads(stage)
        head = monitor.get("head")
        if head is None and len(stage.heads) > 1:
            message = f"`{name}` has {len(heads)} heads; `monitor` does not say which one"
            yield Problem("head-needed", message, monitor.pointer, on_key=True, help=f"add   head: {next(iter(heads))}")
            continue
        listing = facts.listing("metric", str(metric.value))
        kind = None if listing is None else listing.facts.get("kind")
        for one in (str(head.value),) if head is not None else heads:
            for objective, tree in heads.get(one, ()):
                found = facts.listing("objective", objective)
                theirs = None if found is None else found.facts.get("kind")
                if kind and theirs and theirs != kind:
                    message = f"`{metric.value}` is a metric of {_of(kind)}, but `{name}` predicts {_of(theirs)}"
                    related = (Related(tree.pointer, "its objective"),)
                    yield Problem("metric-fits", message, metric.pointer, related=related)


@rule
def replicates_unequal(facts: Facts) -> Iterator[Problem]:
    """Rows whose difference is taken are repeated equally often."""
    report, replicates = facts.study.report, facts.study.replicates
    against = report.against
    count = len(replicates.seeds) or replicates.count
    if not isinstance(against, str) or against not in facts.study.stages or count == 1:
        return
    times = {name: 1 if name in replicates.once else count for name, tests in facts.tested.items() if tests}
    base = 1 if against in replicates.once else count
    unequal = [name for name, found in times.items() if found != base]
    if unequal:
        message = (
            f"`{against}` is done {_times(base)}, {listed(unequal)} {_times(times[unequal[0]])}: no paired difference"
        )
        related = (Related("/report/against", "compared here"),)
        help_ = "take both into `once`, or neither"
        yield Problem("replicates-unequal", message, "/replicates/once", on_key=True, related=related, help=help_)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


@rule
def arms_unequal(facts: Facts) -> Iterator[Problem]:
    """A row with a larger search than the one it is compared with has an advantage."""
    against = facts.study.report.against
    if facts.random or not isinstance(against, str) or against not in facts.study.stages:
        return
    base = _budget(facts, against)
    for name in facts.study.stages:
        own = _budget(facts, name)
        if facts.tested[name] and name != against and own is not None and base is not None and own != base:
            message = f"each row of `{name}` searches {own} configurations, `{against}` {base}: not an equal budget"
            related = (Related(facts.study.stages[name].pointer, "the larger or smaller search", on_key=True),)
            yield Problem("budget-unequal", message, "/report/against", severity=Severity.WARNING, related=related)


def _budget(facts: Facts, stage: str) -> int | None:
    """Give the number of configurations of a row on a grid; None where it depends on the row or alternative."""
    count = 1
    for node in facts.nodes(stage).values():
        if isinstance(node, Choice):
            count *= len(node.alternatives)
        if isinstance(node, Range) or "[" in node.place:
            return None
        if isinstance(node, Compare) and any(
            isinstance(inner, Choice) for one in node.alternatives for inner in facts.follow([one.value])
        ):
            return None
    return count
