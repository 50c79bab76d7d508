"""Trees of the loader to values: components, search nodes and their places.

The place of a node is the key of its search dimension: the path at which it is written, by names and tags and
never by list positions, so that reordering a list or adding an alternative moves no draw.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from tlimb.language.values import (
    Alternative,
    Choice,
    Compare,
    Component,
    Param,
    Range,
    Record,
    Value,
)

if TYPE_CHECKING:
    from tlimb.language.source import Tree

RANGES = ("uniform", "log_uniform", "int_uniform")
NODE_WORDS = ("choice", "compare", *RANGES, "param")


def node_word(tree: "Tree") -> str | None:
    """Give the node word of a mapping such as {choice: [..]}, or None for anything else."""
    if tree.kind != "mapping":
        return None
    words = [entry.key for entry in tree.entries if entry.key != "key"]
    return words[0] if len(words) == 1 and words[0] in NODE_WORDS else None


def scalar(tree: "Tree") -> Value:
    """Give a scalar's value; the plain word `none` is None."""
    return None if tree.value == "none" and not tree.quoted else tree.value


def value(tree: "Tree", place: str, *, component: bool = False) -> Value:
    """Read any value.

    Args:
        tree: where it is written.
        place: key of the dimension, should the value be a node.
        component: bare words and one-key mappings are components here.
    """
    word = node_word(tree)
    if word is not None:
        return _node(tree, word, place, component=component)
    if tree.kind == "sequence":
        return tuple(
            value(item, item_place, component=component)
            for item, item_place in zip(tree.items, _item_places(tree.items, place), strict=True)
        )
    if tree.kind == "scalar":
        return read_component(tree, place) if component else scalar(tree)
    if component:
        return read_component(tree, place)
    fields = {entry.key: value(entry.value, f"{place}/{entry.key}") for entry in tree.entries}
    return Record(fields, tree.pointer)


def read_component(tree: "Tree", place: str) -> Value:
    """Read a component written as a bare word or as a mapping with one key."""
    if tree.kind == "scalar":
        # No component is called none, so a quoted one (all of JSON is quoted) says the same.
        found = None if tree.value == "none" else tree.value
        return Component(found, {}, tree.pointer) if isinstance(found, str) else found
    if tree.kind != "mapping" or not tree.entries:
        return None
    entry = tree.entries[0]
    options = {}
    if entry.value.kind == "mapping":
        for option in entry.value.entries:
            options[option.key] = value(option.value, f"{place}/{entry.key}/{option.key}")
    return Component(entry.key, options, tree.pointer)


def _item_places(items: Iterable["Tree"], place: str) -> list[str]:
    """Give list items places that do not depend on their position, as far as names can tell them apart."""
    seen: dict[str, int] = {}
    places = []
    for item in items:
        count = seen.get(tag := node_word(item) or "", 0)
        seen[tag] = count + 1
        places.append(place if count == 0 else f"{place}#{count + 1}")
    return places


def _node(tree: "Tree", word: str, place: str, *, component: bool) -> Value:
    body = tree.get(word)
    assert body is not None
    if word == "param":
        name, _, field = str(body.value).partition(".")
        return Param(name, field or None, tree.pointer)
    own = tree.get("key")
    if own is not None and isinstance(own.value, str):
        place = own.value
    if word in RANGES:
        low, high = (*(_number(item.value) for item in body.items[:2]), 0.0, 0.0)[:2]
        return Range(place, word, low, high, tree.pointer)
    kind = Choice if word == "choice" else Compare
    return kind(place, _alternatives(body, place, component=component), tree.pointer)


def _number(raw: Value) -> float:
    return raw if isinstance(raw, int | float) and not isinstance(raw, bool) else 0.0


def _alternatives(body: "Tree", place: str, *, component: bool) -> tuple[Alternative, ...]:
    written: list[tuple[str | None, Tree]]
    if body.kind == "mapping":
        written = [(entry.key, entry.value) for entry in body.entries]
    else:
        written = [(None, item) for item in body.items]
    found: dict[str, Alternative] = {}
    data: dict[str, object] = {}
    for name, item in written:
        text = name if name is not None else label(value(item, place, component=component))
        said, count = text, 1
        while said in found and (name is not None or not _same(data[said], item.data())):
            count += 1
            said = f"{text} #{count}"  # another alternative of the same words: what differs varies itself
        if said not in found:  # equal alternatives are one
            found[said] = Alternative(said, value(item, f"{place}[{said}]", component=component), item.pointer)
            data[said] = item.data()
    return tuple(found.values())


def _same(one: object, other: object) -> bool:
    """Say whether two alternatives are equal: numbers by value, everything else as written."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return (type(one) is type(other) and one == other) or _numbers(one, other)


def _numbers(one: object, other: object) -> bool:
    both = isinstance(one, int | float) and isinstance(other, int | float)
    return both and not isinstance(one, bool) and not isinstance(other, bool) and one == other


def label(found: Value) -> str:
    """Give the automatic label of an alternative: its value, or a component's name and plain options."""
    if found is None:
        return "none"
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int | float):
        return number_text(found)
    if isinstance(found, Component):
        return _with_options(found.name, found.options)
    if isinstance(found, Param):
        return found.name if found.field is None else f"{found.name}.{found.field}"
    if isinstance(found, Record):
        name, inner = next(iter(found.fields.items()), ("", 0))
        if len(found.fields) == 1 and (inner is None or isinstance(inner, Record)):
            return _with_options(name, inner.fields if inner else {})  # a component, inside `params`
        return _with_options("", found.fields).strip()
    if isinstance(found, tuple):
        return "+".join(label(item) for item in found) if found else "none"
    return str(found)


def _with_options(name: str, options: Mapping[str, Value]) -> str:
    plain = [
        f"{key}={label(inner)}"
        for key, inner in sorted(options.items())  # labels key draws: the order of writing must not count
        if inner is None or isinstance(inner, bool | int | float | str | tuple | Component | Param)
    ]
    return " ".join([name, *plain])


def number_text(number: float) -> str:
    """Write a number so that equal numbers have equal text: 1e-3 and 0.001 are `0.001`, 2.0 is `2`."""
    if isinstance(number, int):
        return str(number)
    exact = Decimal(repr(number)).normalize()
    _, digits, exponent = exact.as_tuple()
    assert isinstance(exponent, int)
    size = len(digits) + exponent - 1
    return f"{exact:f}" if -5 <= size < 16 else f"{exact:E}".replace("E+", "e").replace("E-", "e-").lower()
