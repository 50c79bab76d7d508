"""Turn ruamel's event stream into a tree with spans, within bounds.

Nothing is built by a YAML constructor, so no tag can make an object, no merge key can hide a value, and
every repetition of a key is seen. The number of nodes (aliases expanded) and the depth are bounded while
reading, before anything walks the tree.
"""

from collections.abc import Iterator
from typing import Any

from tlimb.language.scalars import NumberError, resolve
from tlimb.language.tree import Entry, Tree
from tlimb.language.values import escape
from tlimb.problems import Place, Problem, Related, Span

MOST_NODES = 20_000
MOST_DEPTH = 32


class UnreadableError(Exception):
    """Reading cannot go on; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem."""
        self.problem = problem
        super().__init__(problem.message)


class Loader:
    """Builds the tree of one document; `problems` collects what does not stop the reading."""

    def __init__(self, text: str, file: str) -> None:
        """Prepare for one text; `file` is the name shown in problems."""
        self.problems: list[Problem] = []
        self._file = file
        self._text = text
        self._events: Iterator[Any] = iter(())
        self._anchors: dict[str, tuple[Tree, int, int]] = {}
        self._open: set[str] = set()
        self._nodes = 0

    def load(self) -> Tree | None:
        """Give the root, or None for an empty document.

        Raises:
            UnreadableError: syntax error, a second document, or a bound was passed.
        """
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            self._events = iter(YAML(typ="safe", pure=True).parse(self._text))
            return self._document()
        except MarkedYAMLError as error:
            raise UnreadableError(self._syntax(error)) from None
        except (YAMLError, ValueError, OverflowError) as error:
            message = str(error).splitlines()[0][:200]
            raise UnreadableError(self._problem("yaml-syntax", message, Span(1, 1, 1, 1))) from None

    def _document(self) -> Tree | None:
        root: Tree | None = None
        documents = 0
        for event in self._events:
            name = type(event).__name__
            if name == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise UnreadableError(
                        self._problem(
                            "several-documents",
                            "a second document begins here; a spec is one document",
                            _span(event),
                            help="write one file a study",
                        )
                    )
                if event.tags or (event.version and tuple(event.version) != (1, 2)):
                    message = "directives are not allowed; a spec is YAML 1.2"
                    self._report("directive", message, _span(event), help="delete the lines that begin with %")
                root = self._node(next(self._events), "", 0)[0]
        return None if root is not None and root.empty else root

    def _node(self, event: Any, pointer: str, depth: int) -> tuple[Tree, int, int]:
        """Build one node; give it with its number of nodes and its height."""
        name = type(event).__name__
        if name == "AliasEvent":
            return self._alias(event, pointer, depth)
        self._count(1, event)
        self._deep(depth, event)
        if event.tag is not None:
            self._tag(event)
        anchor = event.anchor
        if anchor is not None:
            self._open.add(anchor)
        if name == "ScalarEvent":
            built = (self._scalar(event, pointer), 1, 0)
        elif name == "SequenceStartEvent":
            built = self._sequence(event, pointer, depth)
        else:
            built = self._mapping(event, pointer, depth)
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = built
        return built

    def _scalar(self, event: Any, pointer: str) -> Tree:
        span = _span(event)
        if event.style in ("|", ">"):
            span = self._block_text(span)
        quoted = event.style is not None
        value: Any = event.value
        if quoted and any("\ud800" <= letter <= "\udfff" for letter in value):
            message = "half of a surrogate pair is no character"
            self._report("character", message, span, help="delete it, or write the whole character")
            value = value.encode("utf-8", "replace").decode()
        if not quoted:
            try:
                value = resolve(event.value)
            except NumberError as error:
                self._report("number", str(error), span, help="write a finite number of at most 63 bits")
                value = 0
        return Tree("scalar", value, event.value, quoted, (), (), span, pointer)

    def _block_text(self, span: Span) -> Span:
        """Let the span of a block text end after its last character instead of on the next line."""
        lines = self._text.split("\n")
        last = min(span.end_line - 1, len(lines))
        while last > span.line and not lines[last - 1].strip():
            last -= 1
        return Span(span.line, span.column, last, len(lines[last - 1]) + 1)

    def _sequence(self, event: Any, pointer: str, depth: int) -> tuple[Tree, int, int]:
        items: list[Tree] = []
        nodes, height = 1, 0
        for inner in self._events:
            if type(inner).__name__ == "SequenceEndEvent":
                span = _closed(event, inner, [item.alias or item.span for item in items])
                return Tree("sequence", None, "", False, (), tuple(items), span, pointer), nodes, height
            item, size, tall = self._node(inner, f"{pointer}/{len(items)}", depth + 1)
            items.append(item)
            nodes, height = nodes + size, max(height, tall + 1)
        raise AssertionError("the parser ended inside a sequence")

    def _mapping(self, event: Any, pointer: str, depth: int) -> tuple[Tree, int, int]:
        entries: dict[str, Entry] = {}
        spans: list[Span] = []
        nodes, height = 1, 0
        for inner in self._events:
            if type(inner).__name__ == "MappingEndEvent":
                span = _closed(event, inner, spans)
                return (
                    Tree("mapping", None, "", False, tuple(entries.values()), (), span, pointer),
                    nodes,
                    height,
                )
            key, key_span = self._key(inner, depth + 1)
            value, size, tall = self._node(next(self._events), f"{pointer}/{escape(key or '')}", depth + 1)
            spans += [key_span, value.alias or value.span]
            nodes, height = nodes + size + 1, max(height, tall + 1)
            if key is None:
                continue
            if key in entries:
                self._duplicate(key, key_span, entries[key])
            else:
                entries[key] = Entry(key, key_span, value)
        raise AssertionError("the parser ended inside a mapping")

    def _key(self, event: Any, depth: int) -> tuple[str | None, Span]:
        """Read a key; give None for one that cannot be used, which is reported."""
        span = _span(event)
        if type(event).__name__ == "ScalarEvent":
            self._count(1, event)
            if event.tag is not None:
                self._tag(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (self._scalar(event, ""), 1, 0)
            if event.style is None and event.value == "<<":
                self._report(
                    "merge-key",
                    "`<<` is not allowed",
                    span,
                    help="stages and datasets start from another one by `like`, all stages from `defaults`",
                )
                return None, span
            if event.style is None and event.value == "":
                self._report("key", "a key is missing before the colon", span, help="write one word before the colon")
                return None, span
            return str(event.value), span
        skipped = self._node(event, "", depth)[0]
        span = skipped.alias or skipped.span
        self._report("key", "a key must be plain text", span, help="write one word before the colon")
        return None, span

    def _tag(self, event: Any) -> None:
        message = f"`{_clip(event.tag)}` is a tag; tags are not allowed"
        self._report("tag", message, _span(event), help="delete the word with `!` and keep the value")

    def _duplicate(self, key: str, span: Span, first: Entry) -> None:
        related = Related("", "first written here", place=Place(self._file, first.key_span))
        message = f"key `{_clip(key)}` is written twice in one mapping"
        self._report("duplicate-key", message, span, help="delete one of the two", related=(related,))

    def _alias(self, event: Any, pointer: str, depth: int) -> tuple[Tree, int, int]:
        span, name = _span(event), event.anchor
        if name in self._open or name not in self._anchors:
            self._count(1, event)
            if name in self._open:
                message = f"`*{_clip(name)}` stands inside its own anchor"
            else:
                message = f"no anchor is called `{_clip(name)}` before this alias"
            self._report("alias", message, span, help="write the value itself, or name it once in `params`")
            return Tree("scalar", None, "", False, (), (), span, pointer, span), 1, 0
        target, nodes, height = self._anchors[name]
        self._count(nodes, event)
        self._deep(depth + height, event)
        return target.moved(pointer, span), nodes, height

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            message = f"the spec has more than {MOST_NODES:,} values, aliases expanded"
            help_ = "vary values with `choice` or `compare` instead of copying them"
            raise UnreadableError(self._problem("too-large", message, _span(event), help=help_))

    def _deep(self, depth: int, event: Any) -> None:
        if depth > MOST_DEPTH:
            message = f"values are nested more than {MOST_DEPTH} levels deep"
            help_ = "look for a bracket that is never closed, or an indentation that only grows"
            raise UnreadableError(self._problem("too-deep", message, _span(event), help=help_))

    def _syntax(self, error: Any) -> Problem:
        mark = error.problem_mark or error.context_mark
        span = Span(1, 1, 1, 1) if mark is None else _point(mark)
        message = (error.problem or error.context or "not valid YAML").replace("'\\t'", "a tab")
        related: tuple[Related, ...] = ()
        if error.context and error.context_mark is not None and _point(error.context_mark) != span:
            related = (Related("", error.context, place=Place(self._file, _point(error.context_mark))),)
        help_: tuple[str, ...] = ()
        if "a tab" in message:
            help_ = ("indent with spaces",)
        elif "${" in self._text.split("\n")[span.line - 1]:
            help_ = ("nothing is filled in for ${..}: name the value in `params`, and write {param: NAME} here",)
        elif "mapping values are not allowed" in message:
            help_ = ("put quotes around a text with a colon, and begin each key on its own line",)
        return self._problem("yaml-syntax", _clip(message), span, help=help_, related=related)

    def _problem(self, code: str, message: str, span: Span, **more: Any) -> Problem:
        return Problem(code, message, place=Place(self._file, span), **more)

    def _report(self, code: str, message: str, span: Span, **more: Any) -> None:
        self.problems.append(self._problem(code, message, span, **more))


def _point(mark: Any) -> Span:
    return Span(mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _closed(start: Any, end: Any, inner: list[Span]) -> Span:
    """Give the span of a collection; a block collection ends where its last content does."""
    opened = _span(start)
    if start.flow_style:
        closed = _span(end)
        return Span(opened.line, opened.column, closed.end_line, closed.end_column)
    last = max(inner, key=lambda span: (span.end_line, span.end_column), default=opened)
    return Span(opened.line, opened.column, last.end_line, last.end_column)


def _clip(text: Any) -> str:
    shown = str(text)
    return shown if len(shown) <= 200 else shown[:200] + ".."
