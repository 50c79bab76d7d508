"""A person at an editor: a text, a cursor, snippets with places to fill, and a record of what was offered."""

import re
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from language_server import LanguageServer

_STOP = re.compile(r"\$(\d+)|\$\{(\d+)(?::((?:[^\\}]|\\.)*))?\}")


@frozen
class Step:
    """One thing that was done.

    Attributes:
        before: the line up to the cursor.
        offered: labels, empty where a text was typed.
        done: what was picked or typed.
    """

    before: str
    offered: tuple[str, ...]
    done: str


@define
class Typist:
    """Types a file with the help of a language server.

    Attributes:
        server: what completes.
        path: the file.
        text: what is written so far.
        at: where the cursor is.
        stops: places of the last snippet that are still to fill: start and length of what stands there.
        steps: what was done.
    """

    server: LanguageServer
    path: Path
    text: str = ""
    at: int = 0
    stops: list[tuple[int, int]] = field(factory=list)
    steps: list[Step] = field(factory=list)

    def offers(self) -> dict[str, dict[str, Any]]:
        """Give what is offered at the cursor by label; of two with one label the value."""
        line = self.text.count("\n", 0, self.at)
        column = self.at - self.text.rfind("\n", 0, self.at) - 1
        found = self.server.offers(self.path, self.text, line, column)
        return {item["label"]: item for item in sorted(found, key=lambda item: item["kind"] == 12)}

    def pick(self, label: str) -> None:
        """Take a completion.

        Raises:
            KeyError: it is not offered.
        """
        offered = self.offers()
        shown = tuple(name for name in offered if not name.startswith(("[", "- (")))
        self.steps.append(Step(self._line(), shown, label))
        edit = offered[label]["textEdit"]
        start, end = (self._offset(edit["range"][side]) for side in ("start", "end"))
        self._insert(start, end, edit["newText"])

    def type(self, text: str) -> None:
        """Type what nobody else can know: a name, a number, a path."""
        self.steps.append(Step(self._line(), (), text))
        start, length = self.stops.pop(0) if self.stops and self.stops[0][0] == self.at else (self.at, 0)
        self._replace(start, start + length, text)

    def tab(self) -> None:
        """Go to the next place of the snippet; what stands in the present one stays."""
        if self.stops and self.stops[0][0] == self.at:
            self.stops.pop(0)
        self.at = self.stops[0][0] if self.stops else self.at

    def line(self, indent: int) -> None:
        """Begin a line below everything written, so many spaces in."""
        self.stops.clear()
        self.text = self.text.rstrip() + "\n" + " " * indent
        self.at = len(self.text)

    def below(self, words: str, indent: int) -> None:
        """Begin a line below the one that holds these words, so many spaces in."""
        self.stops.clear()
        end = self.text.find("\n", self.text.index(words))
        self.at = end if end >= 0 else len(self.text)
        self._replace(self.at, self.at, "\n" + " " * indent)

    def enter(self, indent: int) -> None:
        """Begin a line at the cursor, so many spaces in."""
        self.stops.clear()
        kept = self.text[: self.at].rstrip(" ")
        self.text = kept + "\n" + " " * indent + self.text[self.at :]
        self.at = len(kept) + 1 + indent

    def back(self) -> None:
        """Go back to the end of the line before, over the spaces that a snippet has put in."""
        self.stops.clear()
        kept = self.text[: self.at].rstrip()
        self.text = kept + " " + self.text[self.at :]
        self.at = len(kept) + 1

    def _insert(self, start: int, end: int, snippet: str) -> None:
        begun = self.text[self.text.rfind("\n", 0, start) + 1 : start]
        indent = begun[: len(begun) - len(begun.lstrip())]
        plain, stops, last = "", [], 0
        snippet = snippet.replace("\n", "\n" + indent)
        for stop in _STOP.finditer(snippet):
            plain += snippet[last : stop.start()]
            filled = re.sub(r"\\(.)", r"\1", stop[3] or "")
            stops.append((int(stop[1] or stop[2]), len(plain), len(filled)))
            plain += filled
            last = stop.end()
        plain += snippet[last:]
        self._replace(start, end, plain)
        self.stops = [(start + place, length) for _, place, length in sorted(stops)] + self.stops
        self.at = self.stops[0][0] if stops else start + len(plain)

    def _replace(self, start: int, end: int, text: str) -> None:
        moved = len(text) - (end - start)
        self.stops = [(place + moved if place >= end else place, length) for place, length in self.stops]
        self.text = self.text[:start] + text + self.text[end:]
        self.at = start + len(text)

    def _line(self) -> str:
        return self.text[self.text.rfind("\n", 0, self.at) + 1 : self.at]

    def _offset(self, position: dict[str, int]) -> int:
        lines = self.text.split("\n")
        return sum(len(line) + 1 for line in lines[: position["line"]]) + position["character"]
