"""The values that may stand in a study where something can vary.

An option of a component or a field of a block holds a `Value`: a plain scalar, a tuple, a component, or one of
the nodes that say how it varies. Every node knows its `place`, the key of its search dimension: two readers of
one place get the same value in one configuration, two places vary independently. `pointer` is the JSON pointer
at which the value is written, which is how problems find their line.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

Value = Any
"""None (written `none`), bool, int, float, str, tuple of Values, Component, Record, Node or Param."""

NONE = None
"""How the word `none` is held after lowering."""


@frozen
class Component:
    """A component as the spec names it: the file's name or a class path, and the options written for it."""

    name: str
    options: Mapping[str, Value]
    pointer: str

    def at(self, option: str) -> str:
        """Give the JSON pointer of one of its options (or of the component when the option is not written)."""
        return f"{self.pointer}/{escape(self.name)}/{option}" if option in self.options else self.pointer


@frozen
class Record:
    """A row of a `params` record: named values that vary together."""

    fields: Mapping[str, Value]
    pointer: str


@frozen
class Alternative:
    """One value of a choice or comparison; `label` is its name in draws and in the table."""

    label: str
    value: Value
    pointer: str


@frozen
class Choice:
    """Searched alternatives: the best on validation is kept."""

    place: str
    alternatives: tuple[Alternative, ...]
    pointer: str


@frozen
class Compare:
    """Compared alternatives: every one is a row of the final table."""

    place: str
    alternatives: tuple[Alternative, ...]
    pointer: str


@frozen
class Range:
    """A searched interval; `law` is uniform, log_uniform or int_uniform, both ends included."""

    place: str
    law: str
    low: float
    high: float
    pointer: str


@frozen
class Param:
    """A use of a named value of `params`, or of one field of its record."""

    name: str
    field: str | None
    pointer: str


Node = Choice | Compare | Range


def escape(token: str) -> str:
    """Write a key as one token of a JSON pointer."""
    return token.replace("~", "~0").replace("/", "~1")


def walk(value: Value) -> Iterator[Value]:
    """Go through a value and everything inside it, outermost first; params are not followed."""
    yield value
    if isinstance(value, Component):
        for inner in value.options.values():
            yield from walk(inner)
    elif isinstance(value, Record):
        for inner in value.fields.values():
            yield from walk(inner)
    elif isinstance(value, Choice | Compare):
        for alternative in value.alternatives:
            yield from walk(alternative.value)
    elif isinstance(value, tuple):
        for inner in value:
            yield from walk(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from walk(inner)
