"""Options of one component that exclude each other, where their values stand in the spec as plain numbers.

What an option must be beside another one stands in its schema: `below` (the name of a greater option), `multiple_of`
(an option that divides it), `divides` ([from, to]: it cuts the way between two options into 2 parts or more), `odd`
(true, or the option that must be set where it is even), and `needs` (an option that is above 0 where this is set).
The components refuse the same when they are made; here it is told at its place, without making any.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from math import isfinite
from typing import Any

from attrs import frozen

from tlimb.language.catalogue import Listing
from tlimb.language.model import Stage
from tlimb.language.reading import RANGES, node_word
from tlimb.language.rules.facts import Facts, rule
from tlimb.language.tree import Tree
from tlimb.problems import Problem, Related

KINDS = ("data", "architecture", "head", "auxiliary", "weighting", "sampler", "scenario", "optimizer", "scheduler")
LISTS = ("preprocess", "augment")


@frozen
class _Value:
    """One value that an option can have.

    Attributes:
        value: the number or truth value.
        tree: where it is written; None for the default.
    """

    value: Any
    tree: Tree | None


Told = tuple[str, str] | None
"""Message and help; None where all is well."""


@rule
def options_that_differ(facts: Facts) -> Iterator[Problem]:
    """Options fit one another: a lower limit lies below the upper one, a width falls into heads."""
    said: set[tuple[str | None, str]] = set()
    for stage in facts.study.stages.values():
        for kind, name, tree in _components(facts, stage):
            listing = facts.listing(kind, name)
            for problem in () if listing is None else _problems(facts, listing, tree):
                if (problem.pointer, problem.message) not in said:
                    said.add((problem.pointer, problem.message))
                    yield problem


def _components(facts: Facts, stage: Stage) -> Iterator[tuple[str, str, Tree]]:
    """Give all components of a stage, those in lists of others too: kind, name, and where each is written."""
    for kind in KINDS:
        for name, tree in facts.components(facts.field(stage, kind)):
            yield kind, name, tree
            body = tree.get(name)
            if body is None or kind != "data":
                continue
            for inner in LISTS:
                yield from ((inner, step, where) for step, where in facts.components(body.get(inner)))
    for found in facts.heads(stage).values():
        yield from (("objective", name, tree) for name, tree in found)


def _problems(facts: Facts, listing: Listing, tree: Tree) -> Iterator[Problem]:
    for option, described in listing.options.items():
        for others, test in _tests(option, described.schema):
            values = [_values(facts, listing, tree, name) for name in (option, *others)]
            if all(values):
                yield from _told(values, test)


def _tests(option: str, schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Callable[[Sequence[Any]], Told]]]:
    """Give what is asked of an option: the other options, and what to say of the values of all."""
    for fact, test in (("below", _below), ("multiple_of", _multiple), ("needs", _needs)):
        if fact in schema:
            yield (str(schema[fact]),), partial(test, option, str(schema[fact]))
    if "divides" in schema:
        ends = tuple(schema["divides"])
        yield ends, partial(_divides, option, ends)
    if schema.get("odd"):
        others = (schema["odd"],) if isinstance(schema["odd"], str) else ()
        yield others, partial(_odd, option, others)


def _below(option: str, other: str, values: Sequence[Any]) -> Told:
    low, high = values
    if low < high:
        return None
    return f"`{option}` must be below `{other}: {high:g}`; this is {low:g}", f"exchange them, or change `{other}`"


def _multiple(option: str, other: str, values: Sequence[Any]) -> Told:
    width, parts = values
    if parts < 1 or width % parts == 0:
        return None
    near = [n for n in (width // parts * parts, (width // parts + 1) * parts) if n]
    return (
        f"`{option}` must be a multiple of `{other}: {parts:g}`; this is {width:g}",
        f"write   {option}: {' or '.join(f'{n:g}' for n in near)}",
    )


def _divides(option: str, ends: tuple[str, ...], values: Sequence[Any]) -> Told:
    width, low, high = values
    if low >= high:
        return None  # `below` tells it
    count = max(2, round((high - low) / width)) if width > 0 else 2
    if abs(count * width - (high - low)) <= 1e-6 * width:
        return None
    return (
        f"`{option}` must divide `{ends[0]}: {low:g}` to `{ends[1]}: {high:g}` into 2 parts or more; this is {width:g}",
        f"write   {ends[1]}: {low + count * width:g}   or   {option}: {(high - low) / count:g}",
    )


def _odd(option: str, others: tuple[str, ...], values: Sequence[Any]) -> Told:
    if values[0] % 2 or (others and values[1]):
        return None
    unless = f" unless `{others[0]}` is set" if others else ""
    near = [n for n in (values[0] - 1, values[0] + 1) if n > 0]
    said = f"write   {option}: {' or '.join(f'{n:g}' for n in near)}"
    return f"`{option}` must be odd{unless}; this is {values[0]:g}", said


def _needs(option: str, other: str, values: Sequence[Any]) -> Told:
    if not values[0] or values[1] > 0:
        return None
    return f"`{option}` needs a `{other}` above 0; this is {values[1]:g}", f"write   {option}: false   or a `{other}`"


def _values(facts: Facts, listing: Listing, tree: Tree, name: str) -> list[_Value]:
    """Give the plain values that an option can have; none where it is a range or no number."""
    body = tree.get(listing.name)
    written = None if body is None else body.get(name)
    option = listing.options.get(name)
    if option is None:
        return []
    if written is None:
        found = [] if option.required else [_Value(option.default, None)]
    elif node_word(written) in RANGES:
        return []
    else:
        found = [_Value(leaf.value, leaf) for leaf in facts.leaves(written)]
    return found if all(isinstance(one.value, int | float) and isfinite(one.value) for one in found) else []


def _told(values: Sequence[Sequence[_Value]], test: Callable[[Sequence[Any]], Told]) -> Iterator[Problem]:
    """Report the values that fit no value of the others; a choice of which some fit is left to the run."""
    told = [(one, test([value.value for value in one])) for one in product(*values)]
    for position, found in enumerate(values):
        wrong = False
        for value in found:
            mine = [(one, said) for one, said in told if one[position] is value]
            if value.tree is None or not all(said for _, said in mine):
                continue
            wrong = True
            one, said = mine[0]
            message, help_ = said or ("", "")
            others = [other.tree for other in one if other.tree is not None and other is not value]
            related = tuple(Related(other.pointer, "does not fit this") for other in others)
            yield Problem("out-of-range", message, value.tree.pointer, help=help_, related=related)
        if wrong:
            return
