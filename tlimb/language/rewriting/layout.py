"""Lay a spec out: what stands on one line in braces, what becomes a block, and where comments go.

What is written as a block stays one. What is written in braces or brackets stays so if it holds only plain values
and lists of them, has no comment inside and fits on the line; else it becomes a block too.
"""

import re

from tlimb.language.rewriting.sheet import Entry, Node

WIDTH = 100
"""Widest line with braces or brackets, its comment not counted."""
_STEP = 2
_FLOW_SAFE = re.compile(r"(?!-\s|-$|[?:]\s)[^,\[\]{}\n:]+(:[^,\[\]{}\n:\s]+)*")


def render(root: Node) -> str:
    """Write a document; it ends with one newline."""
    if root.kind == "mapping" and root.entries:
        first = root.entries[0]
        first.lead = _trimmed(first.lead)
        lines = _block(root, 0)
    else:
        lines = [_prefixed(root, _flow(root) or "{}"), *root.foot]
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


def _block(node: Node, indent: int) -> list[str]:
    """Give the lines of a mapping or list as a block."""
    lines: list[str] = []
    for position, entry in enumerate(node.entries):
        lead = _lead(entry, indent)
        lines += _comments(_trimmed(lead) if position == 0 and indent else lead, indent)
        lines += _entry(entry, indent)
    return [*lines, *_comments(node.foot, indent)]


def _lead(entry: Entry, indent: int) -> list[str]:
    """Give what stands above an entry; of several comments beside it, all but the first go there too."""
    dashed = entry.key is None and not _inline(entry, indent) and not entry.value.anchor
    # Behind the dash of an item stands its first key: what is beside the dash or above that key goes above it.
    extra = [text for _, text in (entry.tail if dashed else entry.tail[1:])]
    if dashed:
        extra += [line for line in _lead(entry.value.entries[0], indent + _STEP) if line]
    lead = [*entry.lead]
    while extra and any(lead) and lead[-1] == "":
        lead.pop()
    return lead + extra


def _entry(entry: Entry, indent: int) -> list[str]:
    value = entry.value
    opening = " " * indent + ("-" if entry.key is None else f"{entry.key}:")
    if _inline(entry, indent):
        return [_beside(f"{opening} {_prefixed(value, _flow(value))}".rstrip(), entry), *_comments(value.foot, indent)]
    inner = indent + _STEP
    if value.anchor:
        return [_beside(f"{opening} &{value.anchor}", entry), *_block(value, inner)]
    if entry.key is not None:
        return [_beside(opening, entry), *_block(value, inner)]
    first, *rest = value.entries
    lines = _entry(first, inner)
    lines[0] = f"{opening} {lines[0].lstrip()}"
    for other in rest:
        lines += [*_comments(_lead(other, inner), inner), *_entry(other, inner)]
    return [*lines, *_comments(value.foot, inner)]


def _inline(entry: Entry, indent: int) -> bool:
    """Say whether the value of an entry stands on the entry's line."""
    value = entry.value
    column = indent + (1 if entry.key is None else len(entry.key) + 1) + 1
    return value.kind == "scalar" or not value.entries or _fits(value, column)


def _beside(line: str, entry: Entry) -> str:
    if not entry.tail:
        return line
    column, text = entry.tail[0]
    return line + " " * max(2, column - len(line)) + text


def _comments(lines: list[str], indent: int) -> list[str]:
    return [" " * indent + line if line else "" for line in lines]


def _trimmed(lead: list[str]) -> list[str]:
    first = next((i for i, line in enumerate(lead) if line), len(lead))
    return lead[first:]


def _prefixed(node: Node, text: str) -> str:
    return f"&{node.anchor} {text}".rstrip() if node.anchor else text


def _flows(node: Node) -> bool:
    """Say whether a value may stand on one line in braces or brackets."""
    if node.kind == "scalar":
        return True
    if not node.flow or any(line for line in node.foot) or any(entry.tail or any(entry.lead) for entry in node.entries):
        return False
    return all(_plain(entry.value) or _list(entry.value) for entry in node.entries)


def _plain(node: Node) -> bool:
    """Say whether a value is a scalar that means the same inside braces, or empty brackets."""
    return _safe(node.text) if node.kind == "scalar" else not node.entries and not node.foot


def _list(node: Node) -> bool:
    return node.kind == "sequence" and _flows(node)


def _safe(text: str) -> bool:
    """Say whether a scalar means the same inside braces."""
    return text[:1] in ("'", '"') or _FLOW_SAFE.fullmatch(text) is not None


def _fits(node: Node, column: int) -> bool:
    if not _flows(node):
        return False
    keys = [entry.key for entry in node.entries if entry.key is not None]
    return all(map(_safe, keys)) and column + len(_prefixed(node, _flow(node))) <= WIDTH


def _flow(node: Node) -> str:
    if node.kind == "scalar":
        return node.text
    inner = [_prefixed(entry.value, _flow(entry.value)) for entry in node.entries]
    if node.kind == "sequence":
        return "[" + ", ".join(inner) + "]"
    pairs = zip(node.entries, inner, strict=True)
    return "{" + ", ".join(f"{entry.key}: {text}" for entry, text in pairs) + "}"
