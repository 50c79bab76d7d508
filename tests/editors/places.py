"""Every mapping of a spec with the keys that may still be written in it, by the grammar and not by the schema."""

from collections.abc import Iterator

from attrs import evolve, frozen

from tlimb.language.grammar import Grammar
from tlimb.language.shapes import Shape
from tlimb.language.source import Source
from tlimb.language.tree import Tree

KEYED = {"choice", "uniform", "log_uniform", "int_uniform"}
"""Search entries that may have a `key` beside them."""


@frozen
class Place:
    """A place where one more key is begun.

    Attributes:
        pointer: of the mapping.
        text: the spec with room for the key.
        line: where the cursor stands, from 0.
        column: where the cursor stands, from 0.
        keys: what may be written there.
    """

    pointer: str
    text: str
    line: int
    column: int
    keys: frozenset[str]


def places(source: Source, grammar: Grammar) -> Iterator[Place]:
    """Give a place for every mapping of a spec whose keys the language knows."""
    for tree, keys in _mappings(source.root, grammar.study, grammar):
        text, line, column = room(source.text, tree)
        yield Place(tree.pointer, text, line, column, frozenset(keys - {entry.key for entry in tree.entries}))


def room(text: str, tree: Tree) -> tuple[str, int, int]:
    """Begin one more key at the end of a mapping; give the text with line and column of the cursor.

    On a line of its own nothing is typed yet. Between braces one letter is: the server completes there only then.
    """
    lines = text.split("\n")
    first, last = tree.span.line - 1, tree.span.end_line - 1
    if lines[first][tree.span.column - 1 :].startswith("{"):
        end = tree.span.end_column - 2
        begun = ", x" if tree.entries else "x"
        lines[last] = lines[last][:end] + begun + lines[last][end:]
        return "\n".join(lines), last, end + len(begun)
    indent = tree.entries[0].key_span.column - 1
    lines.insert(last + 1, " " * indent)
    return "\n".join(lines), last + 1, indent


def _mappings(tree: Tree, shape: Shape, grammar: Grammar) -> Iterator[tuple[Tree, set[str]]]:
    if tree.kind == "sequence":
        for item in tree.items:
            yield from _mappings(item, shape.items or shape, grammar)
        return
    if tree.kind == "scalar" or shape.anything:
        return
    word = next((entry for entry in tree.entries if entry.key in shape.nodes), None)
    if word is not None or shape.kind or shape.keys is not None:
        beside = {"key"} if word is not None and word.key in KEYED and shape.values is None else set()
        yield tree, beside if word is not None or shape.kind else set(shape.keys or {})
    if word is not None:
        for alternative in word.value.children():
            yield from _mappings(alternative, evolve(shape, none=True) if shape.kind else shape, grammar)
        return
    for entry in tree.entries:
        inner = (
            grammar.component(shape.kind, entry.key) if shape.kind else (shape.keys or {}).get(entry.key, shape.values)
        )
        if inner is not None:
            yield from _mappings(entry.value, inner, grammar)
