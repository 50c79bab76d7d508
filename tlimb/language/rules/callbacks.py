"""Lightning callbacks of stages, and observers and loggers of `execution`: what can be told without importing them."""

from collections.abc import Iterator

from tlimb.language.reading import node_word
from tlimb.language.rules.facts import Facts, rule
from tlimb.language.tree import Tree
from tlimb.problems import Problem, Related


@rule
def stops_by_clock(facts: Facts) -> Iterator[Problem]:
    """No result hangs on how fast a machine is, so nothing stops a training when some time has passed."""
    trees = [facts.field(stage, "callbacks") for stage in facts.study.stages.values()]
    told: set[str] = set()
    for tree in (*trees, _execution(facts, "observers")):
        for name, where in facts.components(tree):
            listing = facts.listing("callback", name)
            option = None if listing is None else listing.facts.get("clock")
            body = where.get(name)
            written = None if option is None or body is None else body.get(str(option))
            if written is None or written.pointer in told or not _something(written):
                continue
            told.add(written.pointer)
            message = f"`{name}` stops a training when some time has passed: its result would hang on the machine"
            help_ = (
                f"take `{option}` out",
                "to stop and go on later:   tlimb run --deadline SECONDS",
                "to train less:   trainer: {epochs: ..}",
            )
            yield Problem("stops-by-clock", message, written.pointer, on_key=True, help=help_)


def _something(tree: Tree) -> bool:
    return tree.kind != "scalar" or tree.value not in (None, "none")


@rule
def callbacks_without_training(facts: Facts) -> Iterator[Problem]:
    """A scenario that trains nothing calls no callback; those of `defaults` are for the stages that train."""
    for name, stage in facts.study.stages.items():
        origin = stage.origins.get("callbacks", "/defaults")
        scenarios = facts.scenarios(stage)
        if origin.startswith("/defaults") or any(facts.trains(scenario) for scenario, _ in scenarios):
            continue
        if not any(True for _ in facts.components(facts.field(stage, "callbacks"))):
            continue
        own = origin.startswith(f"/stages/{name}/")
        scenario, tree = scenarios[0]
        yield Problem(
            "combination",
            f"no callback can take part in `{name}`: `{scenario}` trains nothing",
            origin if own else f"/stages/{name}/like",
            on_key=True,
            related=() if tree is None else (Related(tree.pointer, "the scenario"),),
            help="delete `callbacks`" if own else "write   callbacks: none",
        )


@rule
def onlookers_are_fixed(facts: Facts) -> Iterator[Problem]:
    """What looks on is no part of the work, so there is nothing to search or compare in it."""
    for key in ("observers", "loggers"):
        tree = _execution(facts, key)
        pending = [] if tree is None else [*tree.children()]
        while pending:
            one = pending.pop()
            word = node_word(one)
            if word is None:
                pending += one.children()
                continue
            message = f"`{key}` cannot be searched or compared: they change no result"
            yield Problem("not-searchable", message, one.pointer, help="write one value")


def _execution(facts: Facts, key: str) -> Tree | None:
    tree = facts.source.root.get("execution")
    return None if tree is None or tree.kind != "mapping" else tree.get(key)
