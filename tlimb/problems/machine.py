"""Problems for programs: one JSON object a line, and annotations of a GitHub workflow.

What a problem says is the same in every form; names of people and files are in none of them unless they were asked
for, because nobody puts them into a problem otherwise.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

from tlimb.problems import Place, Problem, Severity

Json = dict[str, Any]
_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def _says(doc: str, **bounds: int) -> Json:
    """Return what the JSON Schema holds of a key: its words and bounds. This room knows no class of manifests."""
    return {"doc": doc, "bounds": bounds}


@frozen
class RelatedLine:
    """A second place that explains a problem; lines and columns count from 1, ends are exclusive."""

    message: str = field(metadata=_says("What is there."))
    file: str | None = field(
        metadata=_says("File, relative to the current folder where it lies inside it; null where none is known.")
    )
    line: int | None = field(metadata=_says("First line; null where no place is known.", minimum=1))
    column: int | None = field(metadata=_says("First column, in characters; null where no place is known.", minimum=1))
    end_line: int | None = field(metadata=_says("Last line; null where no place is known.", minimum=1))
    end_column: int | None = field(
        metadata=_says("Column after the last one; null where no place is known.", minimum=1)
    )
    pointer: str = field(metadata=_says("JSON pointer to it in the spec."))


@frozen
class ProblemLine:
    """One mistake and what to do about it: a line of JSON; lines and columns count from 1, ends are exclusive."""

    code: str = field(metadata=_says("Stable name of this kind of mistake; `tlimb explain CODE` prints its page."))
    severity: Severity = field(metadata=_says("An error stops the command; a warning and an info do not."))
    message: str = field(metadata=_says("What is wrong."))
    help: tuple[str, ...] = field(metadata=_says("What to do, one text a suggestion."))
    note: tuple[str, ...] = field(metadata=_says("Facts that explain, one text each."))
    file: str | None = field(
        metadata=_says("File, relative to the current folder where it lies inside it; null where none is known.")
    )
    line: int | None = field(metadata=_says("First line; null where no place is known.", minimum=1))
    column: int | None = field(metadata=_says("First column, in characters; null where no place is known.", minimum=1))
    end_line: int | None = field(metadata=_says("Last line; null where no place is known.", minimum=1))
    end_column: int | None = field(
        metadata=_says("Column after the last one; null where no place is known.", minimum=1)
    )
    pointer: str | None = field(
        metadata=_says("JSON pointer to the mistake in the spec; null where no place is known.")
    )
    related: tuple[RelatedLine, ...] = field(metadata=_says("Other places that explain."))


def as_data(problem: Problem, base: Path | None = None) -> Json:
    """Return a problem as JSON data, as `schema/v1/problems.json` describes it.

    Args:
        problem: what to say.
        base: folder that file names are made relative to; None leaves them as they were given.
    """
    line = ProblemLine(
        code=problem.code,
        severity=problem.severity,
        message=problem.message,
        help=problem.help,
        note=problem.note,
        **_where(problem.place, base),
        pointer=problem.pointer,
        related=tuple(
            RelatedLine(message=one.message, **_where(one.place, base), pointer=one.pointer) for one in problem.related
        ),
    )
    return asdict(line)


def _where(place: Place | None, base: Path | None) -> Json:
    if place is None:
        return dict.fromkeys(("file", "line", "column", "end_line", "end_column"))
    span = place.span
    return {
        "file": relative(place.file, base),
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def relative(file: str, base: Path | None) -> str:
    """Give a file's name relative to a folder, with forward slashes; one outside the folder stays as it is."""
    if base is None:
        return Path(file).as_posix()
    path = Path(file).resolve()
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else Path(file).as_posix()


def json_lines(problems: Iterable[Problem], base: Path | None = None) -> str:
    """Write one JSON object a line."""
    return "".join(
        json.dumps(as_data(problem, base), ensure_ascii=False, separators=(",", ":")) + "\n" for problem in problems
    )


def github(problems: Iterable[Problem], base: Path | None = None) -> str:
    """Write one workflow command a problem, which GitHub shows beside the line of a pull request."""
    return "".join(_annotation(problem, base) + "\n" for problem in problems)


def _annotation(problem: Problem, base: Path | None) -> str:
    fields = {}
    if problem.place is not None:
        span = problem.place.span
        fields = {"file": relative(problem.place.file, base), "line": span.line, "endLine": span.end_line}
        if span.line == span.end_line:  # GitHub refuses columns that stand on several lines
            # the last column is inclusive there
            fields |= {"col": span.column, "endColumn": max(span.column, span.end_column - 1)}
    fields["title"] = f"tlimb {problem.code}"
    text = "\n".join([problem.message, *(f"help: {line}" for line in problem.help)])
    written = ",".join(f"{name}={_property(str(value))}" for name, value in fields.items())
    return f"::{_GITHUB[problem.severity]} {written}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
