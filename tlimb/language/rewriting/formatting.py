"""The stable form of a spec: keys in the order of the reference, one rule for blocks and braces, comments kept."""

from collections import Counter

from tlimb.language.grammar import Grammar
from tlimb.language.rewriting.layout import render
from tlimb.language.rewriting.notes import attach, comments
from tlimb.language.rewriting.sheet import Node, Page, page
from tlimb.language.shapes import NODE_WORDS, Shape
from tlimb.language.source import Source, parse
from tlimb.language.tree import Tree
from tlimb.problems import Problem, TlimbError


def formatted(source: Source, grammar: Grammar) -> str:
    """Give the text of a spec in its stable form: the same study and the same comments.

    Keys that the language orders (of blocks and of components) are put in the order of the reference. Names that
    the user gives keep their order, and so does everything in a file with anchors, because an anchor must stand
    before its aliases.

    Raises:
        TlimbError: the file is no readable YAML, or cannot be laid out without losing something.
    """
    if source.unreadable or source.problems:
        raise TlimbError(source.problems)
    sheet = page(source.text)
    before = attach(source.text, sheet)
    if not sheet.anchored:
        _order(sheet, grammar)
    text = render(sheet.root)
    again = parse(text, source.path)
    kept = not again.unreadable and not again.problems and _same(source.root, again.root)
    if not kept or Counter(one.text for one in before) != Counter(one.text for one in comments(text, page(text))):
        message = f"{source.path} cannot be laid out anew without losing something; it is left as it is"
        raise TlimbError(
            Problem("not-kept", message, "", help="simplify unusual YAML, such as texts over several lines")
        )
    return text


def _order(sheet: Page, grammar: Grammar) -> None:
    entries = sheet.root.entries
    header: list[str] = []
    if entries and entries[0].name != "tlimb":
        # The opening comment of a file stays at its top; what follows an empty line speaks of the first key.
        lead = entries[0].lead
        cut = max((i + 1 for i, line in enumerate(lead) if not line), default=0) or len(lead)
        header, entries[0].lead = lead[:cut], lead[cut:]
    _visit(sheet.root, grammar.study, grammar)
    if header:
        sheet.root.entries[0].lead = [*header, *sheet.root.entries[0].lead]


def _visit(node: Node, shape: Shape | None, grammar: Grammar) -> None:
    """Order the keys of a node and of all that lies in it."""
    if shape is None or node.kind == "scalar":
        return
    if node.kind == "sequence":
        for entry in node.entries:
            _visit(entry.value, shape if shape.anything else shape.items, grammar)
        return
    names = [entry.name for entry in node.entries]
    if shape.nodes and any(name in NODE_WORDS for name in names):
        _sort(node, (*NODE_WORDS, "key"))
        for entry in node.entries:
            _alternatives(entry.value, shape, grammar)
    elif shape.kind:
        for entry in node.entries:
            _visit(entry.value, grammar.component(shape.kind, entry.name), grammar)
    elif shape.keys is not None:
        _sort(node, tuple(shape.keys))
        for entry in node.entries:
            _visit(entry.value, shape.keys.get(entry.name), grammar)
    elif shape.values is not None:
        for entry in node.entries:
            _visit(entry.value, shape.values, grammar)


def _alternatives(node: Node, shape: Shape, grammar: Grammar) -> None:
    if node.kind != "scalar":
        for entry in node.entries:
            _visit(entry.value, shape, grammar)


def _sort(node: Node, order: tuple[str, ...]) -> None:
    """Put known keys in order; unknown ones follow as they are written."""
    rank = {name: number for number, name in enumerate(order)}
    node.entries.sort(key=lambda entry: rank.get(entry.name, len(rank)))


def _same(one: Tree, other: Tree) -> bool:
    """Say whether two trees say the same: values with their spelling, keys in any order."""
    if one.kind != other.kind:
        return False
    if one.kind == "scalar":
        spelled = one.raw == other.raw and one.quoted == other.quoted
        return spelled or (other.quoted and isinstance(one.value, str) and one.value == other.value)
    if one.kind == "sequence":
        return len(one.items) == len(other.items) and all(map(_same, one.items, other.items))
    theirs = {entry.key: entry.value for entry in other.entries}
    return len(theirs) == len(one.entries) and all(
        entry.key in theirs and _same(entry.value, theirs[entry.key]) for entry in one.entries
    )
