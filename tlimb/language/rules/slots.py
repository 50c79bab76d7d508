"""Slots of `from` beside `encoder`: stages whose trained networks an auxiliary objective reads."""

from collections.abc import Iterator

from tlimb.language.model import Stage
from tlimb.language.rules.facts import Facts, listed, rule
from tlimb.language.tree import Tree
from tlimb.problems import Problem


@rule
def slots(facts: Facts) -> Iterator[Problem]:
    """Each slot is read by somebody, what is read is there, and it is a stage.

    Which slots a class of somebody else reads is known from its source. Only where the source is not found, or
    computes them, any slot may be given to it.
    """
    for name, stage in facts.study.stages.items():
        if facts.broken("stages", name):
            continue
        given = {slot: leaves for slot, leaves in facts.slots(stage).items() if slot != "encoder"}
        read = dict(_read(facts, stage))
        for slot, leaves in given.items():
            yield from _given(facts, stage, slot, leaves, slot in read)
        for slot, (what, tree) in read.items():
            if slot not in given:
                message = f"`{what}` learns from a `{slot}`, and `{name}` has none"
                help_ = (
                    f"write   from: {{encoder: STAGE, {slot}: STAGE}}",
                    f"or without a parent   from: {{{slot}: STAGE}}",
                )
                yield Problem("slot", message, tree.pointer, help=help_)


def _read(facts: Facts, stage: Stage) -> Iterator[tuple[str, tuple[str, Tree]]]:
    for what, tree in facts.components(facts.field(stage, "auxiliary")):
        listing = facts.listing("auxiliary", what)
        for slot in () if listing is None else listing.facts.get("slots", ()):
            yield str(slot), (what, tree)


def _untold(facts: Facts, what: str) -> bool:
    """Say whether only running the code would tell which slots an auxiliary objective reads."""
    listing = facts.listing("auxiliary", what)
    return listing is None or (listing.foreign and "slots" not in listing.facts)


def _given(facts: Facts, stage: Stage, slot: str, leaves: list[Tree], read: bool) -> Iterator[Problem]:
    where = f"{stage.origins['from']}/{slot}"
    if not read and not any(_untold(facts, what) for what, _ in facts.components(facts.field(stage, "auxiliary"))):
        readers = [one.name for one in facts.catalogue.all("auxiliary") if slot in one.facts.get("slots", ())]
        message = f"nothing in `{stage.name}` reads the slot `{slot}`"
        help_ = (
            f"add   auxiliary: {{{readers[0]}: {{}}}}" if readers else f"delete it; slots are encoder, {_known(facts)}"
        )
        yield Problem("slot", message, where, on_key=True, help=help_)
    for leaf in leaves:
        if leaf.value in facts.study.pretrained:
            message = (
                f"the slot `{slot}` needs a stage: a file of weights like `{leaf.value}` has no heads and no passport"
            )
            yield Problem("slot", message, leaf.pointer, help="train a stage from it, and name that stage")


def _known(facts: Facts) -> str:
    found = {str(slot) for one in facts.catalogue.all("auxiliary") for slot in one.facts.get("slots", ())}
    return listed(sorted(found))
