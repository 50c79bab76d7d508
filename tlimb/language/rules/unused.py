"""What is written and read by nobody: allowed, but seldom meant."""

from collections.abc import Iterable, Iterator

from tlimb.language.reading import node_word
from tlimb.language.rules.facts import Facts, rule
from tlimb.problems import Problem, Severity


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
