"""A spec as it is laid out on the page: keys, values as they are spelled, and the comments beside them.

The tree of checks and lowering knows what a spec means; this one knows how it looks. Scalars keep their
spelling, anchors and aliases stay what they are, and every comment hangs on the entry that it speaks of, so entries
can be moved, renamed and laid out anew without losing one.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from attrs import define, field

Position = tuple[int, int]
"""Line and column, both from 0."""
_BLOCK_TEXT = ("|", ">")


@define(eq=False)
class Entry:
    """A key with its value, or an item of a list.

    Attributes:
        value: what stands there.
        key: the key as it is spelled; None for an item of a list.
        name: the key as text; empty for an item of a list.
        lead: comment lines above it; an empty string is an empty line.
        tail: comments beside it, with the column they begin in.
        start: where it begins.
    """

    value: "Node"
    key: str | None = None
    name: str = ""
    lead: list[str] = field(factory=list)
    tail: list[tuple[int, str]] = field(factory=list)
    start: Position = (0, 0)


@define(eq=False)
class Node:
    """One value.

    Attributes:
        kind: `scalar` (an alias is one too), `mapping` or `sequence`.
        text: a scalar as it is spelled.
        anchor: name of its anchor; empty for none.
        entries: of a mapping or list, in the order of the file.
        foot: comment lines below the last entry.
        flow: it was written in braces or brackets.
        start: where it begins.
        end: where it ends; None for a block, which ends with its last entry.
        pointer: JSON pointer of the value it was made from; empty where that does not matter.
    """

    kind: Literal["scalar", "mapping", "sequence"]
    text: str = ""
    anchor: str = ""
    entries: list[Entry] = field(factory=list)
    foot: list[str] = field(factory=list)
    flow: bool = False
    start: Position = (0, 0)
    end: Position | None = None
    pointer: str = ""

    def entry(self, name: str) -> Entry | None:
        """Give the entry of a key, None when there is none."""
        return next((one for one in self.entries if one.name == name), None)

    def walk(self) -> "Iterator[tuple[Node, Entry]]":
        """Go through all entries in the order of the file, outer ones first, each with the node it is in."""
        for entry in self.entries:
            yield self, entry
            yield from entry.value.walk()


@define
class Page:
    """A whole document.

    Attributes:
        root: its value.
        texts: stretches of the text (first and last character) that are scalars, in which no comment begins.
        anchored: some value has an anchor.
    """

    root: Node
    texts: list[tuple[int, int]]
    anchored: bool


def page(text: str) -> Page:
    """Read a document that is known to be readable; comments are not attached yet."""
    from ruamel.yaml import YAML

    builder = _Builder(text, iter(YAML(typ="safe", pure=True).parse(text)))
    return Page(builder.document(), builder.texts, builder.anchored)


class _Builder:
    """Builds nodes from ruamel's events."""

    def __init__(self, text: str, events: Iterator[Any]) -> None:
        self.text = text
        self.texts: list[tuple[int, int]] = []
        self.anchored = False
        self._events = events
        self._lines = text.split("\n")

    def document(self) -> Node:
        for event in self._events:
            if type(event).__name__ == "DocumentStartEvent":
                return self._node(next(self._events))
        raise AssertionError("a readable spec has a document")

    def _node(self, event: Any) -> Node:
        name = type(event).__name__
        start = (event.start_mark.line, event.start_mark.column)
        if name == "AliasEvent":
            return Node("scalar", f"*{event.anchor}", start=start, end=_end(event))
        anchor = event.anchor or ""
        self.anchored = self.anchored or bool(anchor)
        if name == "ScalarEvent":
            return self._scalar(event, anchor, start)
        kind: Literal["mapping", "sequence"] = "mapping" if name == "MappingStartEvent" else "sequence"
        node = Node(kind, anchor=anchor, flow=bool(event.flow_style), start=start)
        for inner in self._events:
            if type(inner).__name__ in ("MappingEndEvent", "SequenceEndEvent"):
                node.end = _end(inner) if node.flow else None
                break
            node.entries.append(self._entry(inner, kind))
        if node.entries and not node.flow and anchor:
            # A block with an anchor begins at the anchor; its column is that of its first key.
            first = node.entries[0].start
            node.start = first if kind == "mapping" else (first[0], self._lines[first[0]].index("-"))
        return node

    def _entry(self, event: Any, kind: str) -> Entry:
        if kind == "sequence":
            value = self._node(event)
            return Entry(value, start=value.start)
        key = self._node(event)
        spelled = f"&{key.anchor} {key.text}" if key.anchor else key.text
        return Entry(self._node(next(self._events)), spelled, str(event.value), start=key.start)

    def _scalar(self, event: Any, anchor: str, start: Position) -> Node:
        first, last = event.start_mark.index, event.end_mark.index
        if event.style in _BLOCK_TEXT:
            last = self._end_of_block(event.start_mark.line)
        begun = first
        if anchor:
            begun += len(re.match(r"&\S+\s*", self.text[first:])[0])  # type: ignore[index]
        spelled = self.text[begun:last]
        if event.style in _BLOCK_TEXT:
            header = re.match(r"[^\n]*?(?=\s#|\n|$)", spelled)
            end = begun + (len(header[0]) if header else 0)
            self.texts.append((begun, end))
            newline = self.text.find("\n", begun)
            self.texts.append((newline if newline >= 0 else last, last))
        else:
            self.texts.append((begun, last))
        line, column = start[0] + self.text.count("\n", first, last), last - (self.text.rfind("\n", 0, last) + 1)
        if event.style in _BLOCK_TEXT or "\n" in spelled:
            # A text over several lines says the same on one line in quotes.
            spelled = json.dumps(event.value, ensure_ascii=False)
        return Node("scalar", spelled, anchor, start=start, end=(line, column))

    def _end_of_block(self, header: int) -> int:
        """Give the first character behind a block text: its lines are indented as deep as the first one."""
        depth, last = None, header
        for number in range(header + 1, len(self._lines)):
            line = self._lines[number]
            indent = len(line) - len(line.lstrip(" "))
            if not line.strip():
                continue
            depth = indent if depth is None else depth
            if indent < depth or depth == 0:
                break
            last = number
        return sum(len(line) + 1 for line in self._lines[:last]) + len(self._lines[last])


def _end(event: Any) -> Position:
    return event.end_mark.line, event.end_mark.column
