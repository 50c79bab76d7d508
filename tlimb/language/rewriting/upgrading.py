"""Bring a spec from an older version of the language to the present one, step by step, touching nothing else.

A step gives small edits of the text, each at the place of what it changes. Comments, spelling and layout of the
rest stay as they are, so the difference shows what the language changed and nothing more.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from attrs import frozen

from tlimb.language import versions
from tlimb.language.source import Source, parse
from tlimb.language.tree import Entry, Tree
from tlimb.problems import Problem, Span, TlimbError


@frozen
class Edit:
    """What replaces a stretch of the text."""

    span: Span
    text: str


Step = Callable[[Tree], Iterable[Edit]]
"""Gives the edits that bring a spec from one version to the next; the number under `tlimb` is changed for it."""

STEPS: Mapping[int, Step] = MappingProxyType({})
"""Version -> the step to the next one. Version 1 is the first, so there is none yet."""


def upgraded(source: Source, steps: Mapping[int, Step] = STEPS, current: int = versions.CURRENT) -> str:
    """Give the text of a spec in the present version.

    Args:
        source: the spec; one in the present version is given as it is.
        steps: version -> the step to the next one.
        current: the version to arrive at.

    Raises:
        TlimbError: it cannot be read, says no version, or is of a version that this tlimb does not know.
    """
    if source.unreadable or source.problems:
        raise TlimbError(source.problems)
    version = versions.written(source.root)
    if version is None:
        help_ = f"write   tlimb: {current}   if it is new, or the version it was written for"
        raise TlimbError(Problem("version-missing", "the study says no version of the language", "", help=help_))
    if version > current or any(number not in steps for number in range(version, current)):
        unknown = versions.check(source.root, str(source.path)) if version > current else None
        message = f"version {version} of the language was never released"
        raise TlimbError(unknown or Problem("unknown-version", message, "/tlimb", help=f"write   tlimb: {current}"))
    text = source.text
    for number in range(version, current):
        before = parse(text, source.path)
        number_tree = before.root.get("tlimb")
        assert number_tree is not None
        text = edited(text, [*steps[number](before.root), Edit(number_tree.span, str(number + 1))])
    return text


def renamed(entry: Entry, name: str) -> Edit:
    """Give the edit that renames a key."""
    return Edit(entry.key_span, name)


def replaced(tree: Tree, text: str) -> Edit:
    """Give the edit that writes a value anew; `text` is one line of YAML."""
    return Edit(tree.span, text)


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Apply edits, which must not overlap; what an alias repeats is edited once.

    Raises:
        ValueError: two edits overlap.
    """
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    placed = sorted(
        {
            (
                starts[edit.span.line - 1] + edit.span.column - 1,
                starts[edit.span.end_line - 1] + edit.span.end_column - 1,
                edit.text,
            )
            for edit in edits
        },
        reverse=True,
    )
    last = len(text)
    for begin, end, new in placed:
        if end > last:
            raise ValueError(f"two edits overlap at character {end}")
        text = text[:begin] + new + text[end:]
        last = begin
    return text
