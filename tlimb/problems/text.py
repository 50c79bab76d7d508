"""Problems as text for a terminal: one line that says what is wrong and where, the source line, what to do.

Columns count characters; what is printed under a line lines up for tabs and wide characters too.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from itertools import islice

from tlimb.problems import Place, Problem, Severity, Span

MOST_ERRORS = 50
MOST_TEXT = 200
MOST_LINE = 160
_TAB = 4
_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36"}
_HELP = "36"
_GUTTER = "34"


def render(problems: Iterable[Problem], sources: Mapping[str, str], color: bool = False) -> str:
    """Write problems as text, an empty line between two; at most 50, then how many more there are.

    Args:
        problems: what to show, in order.
        sources: file name as in the places -> text of that file; without it no source line is shown.
        color: mark with ANSI colours.
    """
    problems = list(problems)
    lines = {file: text.split("\n") for file, text in sources.items()}
    blocks = [_problem(problem, lines, color) for problem in islice(problems, MOST_ERRORS)]
    if len(problems) > MOST_ERRORS:
        blocks.append(f"and {len(problems) - MOST_ERRORS} more")
    return "\n\n".join(blocks) + ("\n" if blocks else "")


def _problem(problem: Problem, sources: Mapping[str, list[str]], color: bool) -> str:
    place = problem.place
    where = "" if place is None else f"{clean(place.file)}:{place.span.line}:{place.span.column}: "
    head = f"{problem.severity.value}[{problem.code}]"
    out = [f"{where}{_paint(head, '1;' + _COLOURS[problem.severity], color)}: {clean(problem.message)}"]
    marks = [(place, problem.label, "^")] if place is not None else []
    marks += [(related.place, related.message, "-") for related in problem.related if related.place is not None]
    shown = [mark for mark in marks if _line(mark[0], sources) is not None]
    width = max((len(str(mark[0].span.line)) for mark in shown), default=1)
    if shown:
        out.append(_paint(" " * width + " |", _GUTTER, color))
    previous: tuple[str, int] | None = None
    for mark, label, sign in shown:
        line = _line(mark, sources)
        here = (mark.file, mark.span.line)
        if previous is not None and mark.file != previous[0]:
            out.append(_paint(f"{' ' * width}::: {clean(mark.file)}", _GUTTER, color))
        text, under = _excerpt(line or "", mark.span, sign)
        if here != previous:
            out.append(_paint(f"{mark.span.line:>{width}} |", _GUTTER, color) + f" {text}".rstrip())
        tone = _COLOURS[problem.severity] if sign == "^" else _GUTTER
        note = f" {clean(label)}" if label else ""
        out.append(_paint(" " * width + " |", _GUTTER, color) + " " + _paint(f"{under}{note}", tone, color))
        previous = here
    out += [_advice("help", text, width, color) for text in problem.help]
    out += [_advice("note", text, width, color) for text in problem.note]
    return "\n".join(out)


def _advice(word: str, text: str, width: int, color: bool) -> str:
    """Give one piece of advice; a block to paste keeps its lines."""
    first, *more = text.split("\n")
    lines = [" " * width + f" = {_paint(word, _HELP, color)}: " + clean(first)]
    return "\n".join([*lines, *(" " * (width + 5 + len(word)) + clean(line) for line in more)])


def _line(place: Place, sources: Mapping[str, list[str]]) -> str | None:
    lines = sources.get(place.file)
    return lines[place.span.line - 1] if lines is not None and 1 <= place.span.line <= len(lines) else None


def _excerpt(line: str, span: Span, sign: str) -> tuple[str, str]:
    """Give a source line as it is printed and the marks under the span; long lines are cut around it."""
    start = min(span.column - 1, len(line))
    end = min(span.end_column - 1, len(line)) if span.end_line == span.line else len(line.rstrip())
    first = max(0, start - MOST_LINE // 2) if len(line) > MOST_LINE else 0
    last = first + MOST_LINE
    before, inside, after = line[first:start], line[start : min(end, last)], line[max(start, end) : last]
    lead = ".." if first else ""
    left = lead + _printed(before, len(lead))
    middle = _printed(inside, _width(left))
    right = _printed(after, _width(left + middle))
    tail = ".." if len(line) > last else ""
    under = " " * _width(left) + sign * max(1, _width(middle))
    return left + middle + right + tail, under


def _printed(text: str, column: int) -> str:
    """Give text as a terminal shows it: tabs as spaces, control characters as a dot."""
    out: list[str] = []
    for letter in text:
        shown = " " * (_TAB - column % _TAB) if letter == "\t" else _visible(letter)
        out.append(shown)
        column += _width(shown)
    return "".join(out)


def _visible(letter: str) -> str:
    return "\u00b7" if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") else letter


def _width(text: str) -> int:
    """Give the number of terminal cells of a text."""
    return sum(_cells(letter) for letter in text)


def _cells(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def clean(text: str) -> str:
    """Take control characters out of a text that came from a user, and cut it when it is very long."""
    text = "".join(_visible(letter) for letter in text.replace("\n", " ").replace("\t", " "))
    return text if len(text) <= 4 * MOST_TEXT else text[: 4 * MOST_TEXT - 2] + ".."


def _paint(text: str, code: str, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color and text.strip() else text
