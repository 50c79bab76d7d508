"""What is written and read by nobody: allowed, but seldom meant."""

from collections.abc import Iterable, Iterator

from tlimb.language.reading import node_word
from tlimb.language.rules.facts import Facts, rule
from tlimb.problems import Problem, Related, Severity


def _unused(section: str, names: Iterable[str], noun: str, help_: tuple[str, ...] = ()) -> Iterator[Problem]:
    for name in names:
        yield Problem(
            f"{noun}-unused",
            f"`{name}` is used nowhere",
            f"/{section}/{name}",
            on_key=True,
            severity=Severity.WARNING,
            help=help_,
        )


@rule
def param_unused(facts: Facts) -> Iterator[Problem]:
    """Params are there to be used."""
    used = set()
    for tree in facts.all_trees():
        if node_word(tree) == "param":
            used.add(str(tree.get("param").value).partition(".")[0])  # type: ignore[union-attr]
    names = [name for name in facts.section("params") if name not in used]
    yield from _unused("params", names, "param", ("write {param: NAME} where its value should stand",))


@rule
def dataset_unused(facts: Facts) -> Iterator[Problem]:
    """Datasets are trained on, tested on, or a base of others."""
    used = {name for stage in facts.study.stages.values() for name in facts.datasets_of(stage)}
    used |= {str(leaf.value) for test in facts.section("tests").values() for leaf in facts.leaves(test.get("dataset"))}
    used |= {dataset.like for dataset in facts.study.datasets.values() if dataset.like is not None}
    yield from _unused("datasets", (name for name in facts.section("datasets") if name not in used), "dataset")


@rule
def weights_unused(facts: Facts) -> Iterator[Problem]:
    """Weights are there to start from."""
    stages = facts.study.stages.values()
    used = {str(leaf.value) for stage in stages for leaves in facts.slots(stage).values() for leaf in leaves}
    yield from _unused("pretrained", (name for name in facts.section("pretrained") if name not in used), "weights")


@rule
def stage_unused(facts: Facts) -> Iterator[Problem]:
    """In a study with tests, a stage is tested, or another one starts from it."""
    stages = facts.study.stages
    if not facts.study.tests:
        return
    parents = {parent for name in stages for parent in facts.parents(name)}
    names = [name for name in stages if name not in parents and not facts.tested[name]]
    yield from _unused("stages", names, "stage", ("it is trained, but neither tested nor started from",))


@rule
def head_untested(facts: Facts) -> Iterator[Problem]:
    """A head that no reported metric looks at is trained for the others; somebody should know."""
    kinds = {
        listing.facts.get("kind")
        for metric in facts.study.report.metrics
        if (listing := facts.listing("metric", getattr(metric, "name", ""))) is not None
    }
    if not kinds or any("." in getattr(metric, "name", "") for metric in facts.study.report.metrics):
        return
    for name, stage in facts.study.stages.items():
        for head, objectives in facts.heads(stage).items() if len(stage.heads) > 1 and facts.tested[name] else ():
            listings = [facts.listing("objective", objective) for objective, _ in objectives]
            if any(one is None or one.facts.get("kind") in kinds for one in listings) or not listings:
                continue
            theirs = {one.facts.get("kind") for one in listings if one is not None}
            fitting = [metric.name for metric in facts.catalogue.all("metric") if metric.facts.get("kind") in theirs]
            message = f"the head `{head}` of `{name}` is trained, but no metric of the report is of its kind"
            yield Problem(
                "head-untested",
                message,
                stage.heads[head].pointer,
                on_key=True,
                severity=Severity.WARNING,
                related=(Related("/report/metrics", "the metrics"),),
                help=f"add one to `report.metrics`: {', '.join(fitting)}" if fitting else (),
            )


@rule
def inherited_unread(facts: Facts) -> Iterator[Problem]:
    """A scenario that trains nothing reads no optimizer, so one that is written for it does nothing."""
    for name, stage in facts.study.stages.items():
        scenarios = [(facts.listing("scenario", one), tree) for one, tree in facts.scenarios(stage)]
        if not scenarios or any(one is None or one.facts.get("trains", True) for one, _ in scenarios):
            continue
        tree = scenarios[0][1]
        for key in ("objective", "heads", "optimizer", "scheduler", "auxiliary", "sampler"):
            origin = stage.origins.get(key, "/defaults")
            if origin.startswith("/defaults") or facts.field(stage, key) is None:
                continue
            own = origin.startswith(f"/stages/{name}/")
            message = f"`{key}` is never read: `{scenarios[0][0].name}` trains nothing"  # type: ignore[union-attr]
            yield Problem(
                "inherited-unread",
                message if own else f"{message}, so what `{name}` inherits does nothing there",
                origin if own else f"/stages/{name}/like",
                on_key=True,
                severity=Severity.WARNING if own else Severity.INFO,
                related=() if tree is None else (Related(tree.pointer, "the scenario"),),
                help=f"delete `{key}`" if own else (),
            )
