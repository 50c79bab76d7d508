"""A YAML document as a tree that knows where everything stands.

The tree is what all checks and the lowering read. Aliases are expanded: the nodes under an alias keep the
span at which they are written and get the pointer at which they are used.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

from attrs import evolve, field, frozen

from tlimb.language.values import escape
from tlimb.problems import Span

_FEW = 12
"""Up to so many keys are looked through; more are looked up."""
Scalar = None | bool | int | float | str


@frozen
class Tree:
    """One node of a document.

    Attributes:
        kind: `mapping`, `sequence` or `scalar`.
        value: the scalar's value by the YAML 1.2 core schema; None for a null and for other kinds.
        raw: a scalar's text without quotes, as it was before it became a value.
        quoted: the scalar is a quoted or block string, so it is text whatever it looks like.
        entries: a mapping's keys and values in the order of the file, without repetitions of a key.
        items: a sequence's items.
        span: where it is written; for an aliased node at the anchor.
        pointer: JSON pointer at which it is used.
        alias: where the alias stands that brought it here, None when it is written in place.
    """

    kind: Literal["mapping", "sequence", "scalar"]
    value: Scalar
    raw: str
    quoted: bool
    entries: tuple["Entry", ...]
    items: tuple["Tree", ...]
    span: Span
    pointer: str
    alias: Span | None = None

    def get(self, key: str) -> "Tree | None":
        """Give the value of a key, None when the key is absent or this is no mapping."""
        entry = self.entry(key)
        return None if entry is None else entry.value

    def entry(self, key: str) -> "Entry | None":
        """Give a key with its value, None when the key is absent or this is no mapping."""
        if len(self.entries) > _FEW:
            return self._by_key.get(key)
        return next((entry for entry in self.entries if entry.key == key), None)

    @cached_property
    def _by_key(self) -> "dict[str, Entry]":
        return {entry.key: entry for entry in self.entries}

    def data(self) -> Any:
        """Give plain Python: dict, list, None, bool, int, float or str."""
        if self.kind == "mapping":
            return {entry.key: entry.value.data() for entry in self.entries}
        if self.kind == "sequence":
            return [item.data() for item in self.items]
        return self.value

    @property
    def empty(self) -> bool:
        """Say whether nothing is written here, as after `lr:` at the end of a line."""
        return self.kind == "scalar" and not self.quoted and self.raw == ""

    def children(self) -> "Iterator[Tree]":
        """Give the values of a mapping or the items of a sequence."""
        for entry in self.entries:
            yield entry.value
        yield from self.items

    def moved(self, pointer: str, alias: Span | None) -> "Tree":
        """Give a copy that is used at another pointer, through an alias."""
        return evolve(
            self,
            pointer=pointer,
            alias=alias or self.alias,
            entries=tuple(
                evolve(entry, value=entry.value.moved(f"{pointer}/{escape(entry.key)}", None)) for entry in self.entries
            ),
            items=tuple(item.moved(f"{pointer}/{i}", None) for i, item in enumerate(self.items)),
        )


@frozen
class Entry:
    """A key of a mapping, where it stands, and its value."""

    key: str
    key_span: Span
    value: Tree = field(repr=False)


def empty_mapping() -> Tree:
    """Give the root of a document that could not be read."""
    return Tree("mapping", None, "", False, (), (), Span(1, 1, 1, 1), "")


def unescape(token: str) -> str:
    """Read one token of a JSON pointer as a key."""
    return token.replace("~1", "/").replace("~0", "~")
