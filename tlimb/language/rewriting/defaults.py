"""Write the defaults of a study out, each marked, so that nothing is left to know.

Labels of alternatives name rows and draws, and automatic ones are made of the options that are written. A comparison
therefore gets its labels written, and the alternatives of a `choice`, which cannot have any, tell their defaults
in a comment.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen

from tlimb.language.describing import said
from tlimb.language.grammar import Grammar
from tlimb.language.model import Stage, Study
from tlimb.language.rewriting import spelling
from tlimb.language.rewriting.sheet import Entry, Node
from tlimb.language.shapes import NODE_WORDS, UNSET, Shape

MARK = "# default"
Labels = Callable[[str], tuple[tuple[str, str], ...]]


def fill(page: Node, grammar: Grammar, study: Study, labels: Labels, metrics: tuple[str, ...]) -> None:
    """Add every default that can be written to a page, in place.

    Args:
        page: the study after merging.
        grammar: the language.
        study: the same study, typed.
        labels: pointer of a comparison -> label and pointer of each of its alternatives.
        metrics: names of the metrics that are printed when the study names none.
    """
    filling = _Filling(grammar, labels)
    _whole(page, filling, study, metrics)
    filling.visit(page, grammar.study)


def _whole(page: Node, filling: "_Filling", study: Study, metrics: tuple[str, ...]) -> None:
    """Add what a study without the key means, where no block of the language says it."""
    keys = filling.grammar.study.keys or {}
    filling.add(page, "name", study.name, keys)
    filling.add(page, "replicates", 1, keys)
    filling.add(page, "search", "grid", keys)
    if metrics and study.tests:
        report = page.entry("report")
        if report is None:
            filling.add(page, "report", {}, keys)
            report = page.entry("report")
        assert report is not None
        report.tail = []
        filling.add(report.value, "metrics", list(metrics), keys["report"].keys or {})
    stages, shape = page.entry("stages"), keys["stages"].values
    for entry in stages.value.entries if stages is not None and shape is not None else ():
        _stage(entry.value, filling, study.stages[entry.name], (shape.keys if shape is not None else None) or {})


def _stage(node: Node, filling: "_Filling", stage: Stage, keys: Mapping[str, Shape]) -> None:
    filling.add(node, "scenario", "supervised", keys)
    if node.entry("objective") is not None:
        filling.add(node, "head", "linear", keys)
    heads = node.entry("heads")
    values = keys["heads"].values
    for entry in heads.value.entries if heads is not None and values is not None else ():
        filling.add(entry.value, "head", "linear", (values.keys if values is not None else None) or {})
    if isinstance(stage.from_, str):
        # Without a parent in every configuration, freezing and adapting are mistakes.
        for name in ("freeze", "adapt"):
            if node.entry(name) is None:
                filling.add(node, name, {}, keys)
                node.entry(name).tail = []  # type: ignore[union-attr]


@frozen
class _Filling:
    """One pass over a page."""

    grammar: Grammar
    labels: Labels

    def visit(self, node: Node, shape: Shape | None) -> None:
        """Fill a value and all that lies in it."""
        if shape is None or node.kind == "scalar":
            return
        if node.kind == "sequence":
            for entry in node.entries:
                self._component(entry, shape.items) if shape.items is not None else None
            return
        words = [entry for entry in node.entries if entry.name in NODE_WORDS]
        if words and shape.nodes:
            self._alternatives(node, words[0], shape)
        elif shape.kind:
            self._options(node, shape)
        elif shape.keys is not None:
            self._block(node, shape)
        elif shape.values is not None:
            for entry in node.entries:
                self._component(entry, shape.values)

    def _component(self, entry: Entry, shape: Shape) -> None:
        """Fill a value that may be a bare word: a component whose options all have defaults."""
        options = self._shape(shape, entry.value.text) if entry.value.kind == "scalar" else None
        if options is not None and any(_writable(inner) for inner in (options.keys or {}).values()):
            name = entry.value.text
            body = Node("mapping", flow=True)
            entry.value = Node("mapping", entries=[Entry(body, name, name)], flow=True)
            self._block(body, options)
        else:
            self.visit(entry.value, shape)

    def _shape(self, shape: Shape, name: str) -> Shape | None:
        return self.grammar.component(shape.kind, name) if shape.kind else None

    def _options(self, node: Node, shape: Shape) -> None:
        for entry in node.entries:
            options = self._shape(shape, entry.name)
            if options is None:
                continue
            if entry.value.kind == "scalar" and not entry.value.text:
                entry.value = Node("mapping", flow=True)
            self.visit(entry.value, options)

    def _block(self, node: Node, shape: Shape) -> None:
        keys = shape.keys or {}
        for entry in node.entries:
            if entry.name in keys:
                self._component(entry, keys[entry.name])
        for name, inner in keys.items():
            if name not in shape.required and _writable(inner):
                self.add(node, name, None if inner.default is UNSET else inner.default, keys)

    def add(self, node: Node, name: str, value: Any, keys: Any) -> None:
        """Add a key with its default at its place, unless it is written."""
        if node.kind != "mapping" or node.entry(name) is not None:
            return
        entry = Entry(spelling.node(value), name, name, tail=[(0, MARK)])
        self._component(entry, keys[name])
        order = {key: number for number, key in enumerate(keys)}
        node.entries.append(entry)
        node.entries.sort(key=lambda one: order.get(one.name, len(order)))

    def _alternatives(self, node: Node, word: Entry, shape: Shape) -> None:
        body = word.value
        if word.name == "compare":
            self._labelled(node, body, shape)
        elif word.name == "choice":
            for entry in body.entries if shape.kind else ():
                entry.lead += self._told(entry.value, shape)

    def _labelled(self, node: Node, body: Node, shape: Shape) -> None:
        if body.kind == "sequence" and shape.kind:
            known = self.labels(node.pointer)
            if len(known) != len(body.entries):
                return  # equal alternatives are one: which is meant is not told by its position
            for entry, (label, _) in zip(body.entries, known, strict=True):
                entry.key, entry.name = spelling.scalar(label), label
            body.kind = "mapping"
        for entry in body.entries:
            self._component(entry, evolve(shape, none=True))

    def _told(self, node: Node, shape: Shape) -> list[str]:
        """Tell the defaults of an alternative that must stay as it is written."""
        name = node.text if node.kind == "scalar" else node.entries[0].name if node.entries else ""
        options = self._shape(shape, name)
        body = node.entries[0].value if node.kind == "mapping" and node.entries else None
        missing = [
            f"{key}: {said(inner.default)}"
            for key, inner in ((options.keys or {}) if options is not None else {}).items()
            if _writable(inner) and (body is None or body.entry(key) is None)
        ]
        return [f"# defaults of {name}: {', '.join(missing)}"] if missing else []


def _writable(shape: Shape) -> bool:
    """Say whether the default of a place can be written there."""
    if shape.default is UNSET or shape.default is None:
        return shape.none
    return bool(shape.default != {})
