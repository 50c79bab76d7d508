"""A spec as it is read: its text, its tree with spans, and what was wrong with it as YAML.

Everything that finds a mistake names a JSON pointer; this is where pointers become lines and columns.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import evolve, field, frozen

from tlimb.language.loader import Loader, UnreadableError
from tlimb.language.tree import Entry, Tree, empty_mapping, unescape
from tlimb.problems import ExitCode, Place, Problem, Related, Severity, Span, TlimbError

__all__ = ["Entry", "Source", "Tree", "parse", "read"]

MOST_BYTES = 256 * 1024
# Other line breaks than \n would let editors, parsers and this file count lines differently.
# All but these may stand in a spec; the few that may not are compiled in a tenth of the time.
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@frozen
class Source:
    """A spec that was read.

    Attributes:
        path: the file, as problems name it.
        text: its text, every line ended by one newline character.
        root: the tree; an empty mapping when the document could not be read.
        problems: what was wrong with it as YAML, with places.
        unreadable: the document could not be read, so `root` says nothing about it.
    """

    path: Path
    text: str = field(repr=False)
    root: Tree = field(repr=False)
    problems: tuple[Problem, ...] = ()
    unreadable: bool = False

    def at(self, pointer: str) -> Tree | None:
        """Give the node at a JSON pointer, None when there is none."""
        *_, (node, _, rest) = self._way(pointer)
        return None if rest else node

    def place(self, pointer: str, on_key: bool = False) -> Place:
        """Give the place of a pointer, or of its nearest ancestor that is written.

        The key is marked instead of the value when `on_key` asks for it, when nothing is written as the
        value, and when the ancestor is a mapping or list over several lines.
        """
        steps = list(self._way(pointer))
        node, entry, rest = steps[-1]
        if not steps[-1][2] and node.empty:
            on_key = True
        if rest and node.span.line != node.span.end_line:
            on_key = True
        if on_key and entry is not None:
            return Place(str(self.path), entry.key_span)
        if not pointer or (rest and len(steps) == 1):
            first = node.entries[0].key_span if node.entries else Span(1, 1, 1, 1)
            return Place(str(self.path), first)
        return Place(str(self.path), node.span)

    def uses(self, pointer: str) -> Span | None:
        """Give the alias that brings the node at a pointer there, None when it is written in place."""
        spans = [node.alias for node, _, _ in self._way(pointer) if node.alias is not None]
        return spans[-1] if spans else None

    def resolve(self, problems: Iterable[Problem]) -> list[Problem]:
        """Fill in all places, merge what several aliases repeat, and sort by position."""
        merged: dict[tuple[Place | None, str, str], Problem] = {}
        for problem in problems:
            placed = self._placed(problem)
            name = (placed.place, placed.code, placed.message)
            known = merged.get(name)
            if known is None:
                merged[name] = placed
            else:
                extra = tuple(r for r in placed.related if r not in known.related)
                merged[name] = evolve(known, related=known.related + extra)
        return sorted(merged.values(), key=_position)

    def _placed(self, problem: Problem) -> Problem:
        related = tuple(
            entry if entry.place is not None else evolve(entry, place=self.place(entry.pointer, entry.on_key))
            for entry in problem.related
        )
        place = problem.place
        if place is None and problem.pointer is not None:
            place = self.place(problem.pointer, problem.on_key)
            alias = self.uses(problem.pointer)
            if alias is not None:
                used = Related(problem.pointer, "used here", place=Place(str(self.path), alias))
                related = (*related, used)
        return evolve(problem, place=place, related=related)

    def _way(self, pointer: str) -> Iterator[tuple[Tree, Entry | None, bool]]:
        """Go from the root towards a pointer: each node, the key it stands under, whether more is missing."""
        tokens = [unescape(token) for token in pointer.split("/")[1:]]
        node, entry = self.root, None
        yield node, entry, False if not tokens else _step(node, tokens[0]) is None
        for i, token in enumerate(tokens):
            found = _step(node, token)
            if found is None:
                return
            node, own = found
            entry = own or entry
            missing = i + 1 < len(tokens) and _step(node, tokens[i + 1]) is None
            yield node, own, missing


def _step(node: Tree, token: str) -> tuple[Tree, Entry | None] | None:
    if node.kind == "mapping":
        entry = node.entry(token)
        return None if entry is None else (entry.value, entry)
    if node.kind == "sequence" and token.isdecimal() and int(token) < len(node.items):
        return node.items[int(token)], None
    return None


def _position(problem: Problem) -> tuple[str, int, int, int, str]:
    if problem.place is None:
        return ("", 0, 0, _ORDER[problem.severity], problem.message)
    span = problem.place.span
    return (problem.place.file, span.line, span.column, _ORDER[problem.severity], problem.message)


def read(path: Path) -> Source:
    """Read a spec from a file.

    Raises:
        TlimbError: the file is absent, a folder, or may not be read (exit code 64).
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        reason = {FileNotFoundError: "no such file", IsADirectoryError: "this is a folder, not a spec"}
        message = f"{path}: {reason.get(type(error), (error.strerror or 'cannot be read').lower())}"
        raise TlimbError(Problem("file-missing", message), ExitCode.USAGE) from None
    if len(content) > MOST_BYTES:
        return _unreadable(path, "", _too_large(path))
    for mark, name in ((codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16")):
        if content.startswith(mark):
            return _unreadable(path, "", _encoding(path, Span(1, 1, 1, 1), f"the file is {name}, not UTF-8"))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        shown = content.decode("utf-8", "replace")
        span = Span(line, column, line, column + 1)
        return _unreadable(path, shown, _encoding(path, span, "the file is not UTF-8 from here on"))
    return parse(text, path)


def parse(text: str, path: Path) -> Source:
    """Read a spec from its text; `path` is the name that problems show."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "replace")) > MOST_BYTES:
        return _unreadable(path, "", _too_large(path))
    refused = _REFUSED.search(text)
    if refused is not None:
        line = text.count("\n", 0, refused.start()) + 1
        column = refused.start() - (text.rfind("\n", 0, refused.start()) + 1) + 1
        message = f"character U+{ord(refused[0]):04X} is not allowed in a spec"
        place = Place(str(path), Span(line, column, line, column + 1))
        return _unreadable(path, text, Problem("character", message, place=place))
    loader = Loader(text, str(path))
    try:
        root = loader.load()
    except UnreadableError as error:
        return _unreadable(path, text, *loader.problems, error.problem)
    if root is None:
        place = Place(str(path), Span(1, 1, 1, 1))
        problem = Problem("empty-spec", "the spec is empty", place=place, help="begin with `tlimb: 1`")
        return _unreadable(path, text, *loader.problems, problem)
    return Source(path, text, root, tuple(loader.problems))


def _unreadable(path: Path, text: str, *problems: Problem) -> Source:
    return Source(path, text, empty_mapping(), problems, unreadable=True)


def _too_large(path: Path) -> Problem:
    place = Place(str(path), Span(1, 1, 1, 1))
    return Problem("too-large", f"the spec is larger than {MOST_BYTES // 1024} kB", place=place)


def _encoding(path: Path, span: Span, message: str) -> Problem:
    return Problem("encoding", message, place=Place(str(path), span), help="save the file as UTF-8")
