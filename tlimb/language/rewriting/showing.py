"""A study with everything merged: what each stage reads, said where it reads it, and on demand every default.

What is shown is a study again, and the same one: search entries that move keep their place by `key`, comparisons that
several stages read become a param, and labels of alternatives stay.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from tlimb.language import lower, merging, reading
from tlimb.language.grammar import Grammar
from tlimb.language.merging import Layer, Written
from tlimb.language.model import Study
from tlimb.language.rewriting import defaults
from tlimb.language.rewriting.layout import render
from tlimb.language.rewriting.sheet import Entry, Node
from tlimb.language.rewriting.spelling import scalar
from tlimb.language.source import Source
from tlimb.language.tree import Tree
from tlimb.language.values import Choice, Compare, Range, walk

_KEYED = ("choice", *reading.RANGES)


def shown(source: Source, grammar: Grammar, *, resolved: bool = False, metrics: tuple[str, ...] = ()) -> str:
    """Give the text of a sound study after merging.

    Args:
        source: the study, which has no mistakes of form.
        grammar: the language.
        resolved: write every default out, marked as such.
        metrics: names of the metrics that are printed when the study names none.
    """
    study = lower.lower(source)
    return render(_Showing(source, grammar, study).page(resolved, metrics))


class _Showing:
    """One study on its way to be shown."""

    def __init__(self, source: Source, grammar: Grammar, study: Study) -> None:
        self.source, self.grammar, self.study = source, grammar, study
        self.nodes = {found.pointer: found for found in _nodes(study)}
        self.layers = self._layers()
        uses = Counter(
            tree.pointer for layer in self.layers.values() for tree in _trees(layer) for tree in _comparisons(tree)
        )
        self.shared = {pointer for pointer, count in uses.items() if count > 1}
        self.params: dict[str, tuple[str, Node]] = {}

    def page(self, resolved: bool, metrics: tuple[str, ...]) -> Node:
        root = self.source.root
        stages = [self._stage(name) for name in self.layers]
        entries = [
            Entry(self._value(one.value, moved=False), scalar(one.key), one.key)
            for one in root.entries
            if one.key not in ("defaults", "stages")
        ]
        entries.append(Entry(Node("mapping", entries=stages), "stages", "stages"))
        if self.params:
            written = next((one for one in entries if one.name == "params"), None)
            if written is None:
                written = Entry(Node("mapping"), "params", "params")
                entries.append(written)
            written.value.flow = False
            written.value.entries += [Entry(node, name, name) for name, node in self.params.values()]
        order = {name: number for number, name in enumerate(self.grammar.study.keys or {})}
        page = Node("mapping", entries=sorted(entries, key=lambda entry: order.get(entry.name, len(order))))
        if resolved:
            defaults.fill(page, self.grammar, self.study, self._labels, metrics)
        for position, entry in enumerate(page.entries):
            if position and entry.value.kind != "scalar" and entry.value.entries:
                entry.lead.append("")
        return page

    # -- stages --

    def _layers(self) -> dict[str, Layer]:
        tree = self.source.root.get("stages")
        trees = {} if tree is None else {entry.key: entry.value for entry in tree.entries}
        below = self.source.root.get("defaults")
        shared = {} if below is None else merging.layer_of(below, "defaults")
        found = {}
        for name in trees:
            layer, _ = merging.inherited(name, trees, "stages")
            layer = merging.over(layer, shared)
            layer.pop("like", None)
            if self._inherits(name) and trees[name].get("architecture") is None:
                layer.pop("architecture", None)  # it comes with the parent's weights
            found[name] = layer
        return found

    def _inherits(self, name: str) -> bool:
        parent = self.study.stages[name].from_
        parent = parent.get("encoder") if isinstance(parent, Mapping) else parent
        return isinstance(parent, str) and parent in self.study.stages

    def _stage(self, name: str) -> Entry:
        shape = self.grammar.study.keys["stages"].values if self.grammar.study.keys else None
        order = tuple(shape.keys) if shape is not None and shape.keys else ()
        entries = self._layer(name, self.layers[name])
        entries.sort(key=lambda entry: order.index(entry.name) if entry.name in order else len(order))
        return Entry(Node("mapping", entries=entries), name, name)

    def _layer(self, name: str, layer: Layer) -> list[Entry]:
        entries = []
        for key, found in layer.items():
            if isinstance(found, dict):
                entries.append(Entry(Node("mapping", entries=self._layer(name, found)), key, key))
                continue
            origin = _origin(found)
            entry = Entry(self._value(found.tree, moved=origin != name), key, key)
            if origin != name:
                entry.tail.append((0, f"# from {origin}" if origin == "defaults" else f"# like {origin}"))
            entries.append(entry)
        return entries

    # -- values --

    def _value(self, tree: Tree, *, moved: bool) -> Node:
        """Give a value as it is spelled; a moved search entry says the place it was at."""
        if tree.kind == "scalar":
            return Node("scalar", _spelling(tree))
        word = reading.node_word(tree)
        if word == "compare" and tree.pointer in self.shared:
            return self._param(tree)
        if tree.kind == "sequence":
            return Node("sequence", entries=[Entry(self._value(one, moved=moved)) for one in tree.items], flow=True)
        entries = [Entry(self._value(one.value, moved=moved), scalar(one.key), one.key) for one in tree.entries]
        node = self.nodes.get(tree.pointer)
        if word in _KEYED and moved and node is not None and tree.get("key") is None:
            entries.append(Entry(Node("scalar", scalar(node.place)), "key", "key"))
        return Node("mapping", entries=entries, flow=True, pointer=tree.pointer)

    def _param(self, tree: Tree) -> Node:
        """Give a use of the param that a comparison of several stages becomes."""
        if tree.pointer not in self.params:
            taken = {*self.study.params, *(name for name, _ in self.params.values())}
            base = tree.pointer.rsplit("/", 1)[-1]
            base = base if base.isidentifier() and base == base.lower() else "compared"
            name = next(one for one in (base, *(f"{base}_{i}" for i in range(2, 999))) if one not in taken)
            self.params[tree.pointer] = (name, Node("scalar"))
            body = Node("mapping", flow=True, pointer=tree.pointer)
            body.entries = [Entry(self._value(one.value, moved=True), scalar(one.key), one.key) for one in tree.entries]
            self.params[tree.pointer] = (name, body)
        name = self.params[tree.pointer][0]
        return Node("mapping", entries=[Entry(Node("scalar", name), "param", "param")], flow=True)

    def _labels(self, pointer: str) -> tuple[tuple[str, str], ...]:
        """Give label and pointer of the alternatives of a comparison."""
        found = self.nodes.get(pointer)
        return tuple((one.label, one.pointer) for one in getattr(found, "alternatives", ()))


def _origin(found: Written) -> str:
    """Give the stage that a key was written in, or `defaults`."""
    parts = found.tree.pointer.split("/")
    return parts[2] if parts[1] == "stages" else parts[1]


def _spelling(tree: Tree) -> str:
    return scalar(tree.raw) if tree.quoted else tree.raw


def _trees(layer: Layer) -> Iterator[Tree]:
    for found in layer.values():
        if isinstance(found, dict):
            yield from _trees(found)
        else:
            yield found.tree


def _comparisons(tree: Tree) -> Iterator[Tree]:
    """Give the outermost comparisons in a value."""
    if reading.node_word(tree) == "compare":
        yield tree
        return
    for inner in tree.children():
        yield from _comparisons(inner)


def _nodes(found: Any) -> Iterator[Choice | Compare | Range]:
    """Go through all search entries and comparisons of a study."""
    if isinstance(found, Mapping):
        for inner in found.values():
            yield from _nodes(inner)
    elif isinstance(found, tuple):
        for inner in found:
            yield from _nodes(inner)
    elif attrs.has(type(found)) and type(found).__module__.startswith("tlimb.language.model."):
        for field in attrs.fields(type(found)):
            yield from _nodes(getattr(found, field.name))
    else:
        yield from (inner for inner in walk(found) if isinstance(inner, Choice | Compare | Range))
