"""What commands print: problems, tables, durations."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from typer import BadParameter

from tlimb.language.source import Source
from tlimb.problems import Problem, Severity

if TYPE_CHECKING:
    from tlimb.store.upkeep import Verified


def problems(found: Iterable[Problem], source: Source | None = None) -> None:
    """Print problems to standard error, with the lines of the spec where they are known."""
    listed = list(found)
    if not listed:
        return
    from tlimb.problems.text import render

    texts = {} if source is None else {str(source.path): source.text}
    for problem in listed:
        place = problem.place
        if place is not None and place.file not in texts:
            texts[place.file] = _read(place.file)
    print(render(listed, texts, color=colors(sys.stderr)).rstrip(), file=sys.stderr)


FORMATS = ("text", "json", "sarif", "github")
"""How problems are written: for people, one JSON object a line, one SARIF log, GitHub annotations."""


class Presenter:
    """Writes the problems of one command in the form that was asked for.

    A SARIF log is one document, so there it is written at the end, also when nothing was found.
    """

    def __init__(self, form: str, stream: TextIO) -> None:
        """Take the form, one of FORMATS, and where forms for programs are written.

        Raises:
            BadParameter: there is no such form.
        """
        if form not in FORMATS:
            raise BadParameter(f"{form!r} is no format; {', '.join(FORMATS)}")
        self.form = form
        self._stream = stream
        self._kept: list[Problem] = []

    @property
    def for_people(self) -> bool:
        """Say whether lines for people may be printed besides."""
        return self.form == "text"

    def add(self, found: Iterable[Problem], source: Source | None = None) -> None:
        """Take problems; all but SARIF writes them at once."""
        listed = list(found)
        if self.for_people:
            problems(listed, source)
        elif self.form == "sarif":
            self._kept += listed
        else:
            from tlimb.problems import machine
            from tlimb.problems.sarif import repository

            write = machine.json_lines if self.form == "json" else machine.github
            base = Path.cwd() if self.form == "json" else repository(Path.cwd())
            self._stream.write(write(listed, base))

    def close(self) -> None:
        """Write what was kept for the end."""
        if self.form == "sarif":
            import json
            from importlib.metadata import metadata

            from tlimb.problems import sarif
            from tlimb.version import __version__

            urls = dict(text.split(", ", 1) for text in metadata("tlimb").get_all("Project-URL") or ())
            log = sarif.log(self._kept, __version__, sarif.repository(Path.cwd()), urls.get("Repository"))
            self._stream.write(json.dumps(log, ensure_ascii=False, indent=1) + "\n")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def summary(found: Sequence[Problem]) -> str:
    """Give a count such as `2 errors, 1 warning`."""
    counts = [(kind, sum(1 for problem in found if problem.severity is kind)) for kind in Severity]
    return ", ".join(
        f"{n} {kind.value}{'s' if n != 1 and kind is not Severity.INFO else ''}" for kind, n in counts if n
    )


def colors(stream: object) -> bool:
    """Say whether colours are wanted: on a terminal, unless NO_COLOR holds anything; FORCE_COLOR asks for them."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or bool(getattr(stream, "isatty", lambda: False)())


def os_error(error: OSError) -> None:
    """Print an error of the system without a traceback."""
    where = "" if error.filename is None else f" ({error.filename})"
    print(f"error[cannot-write]: {error.strerror or error}{where}", file=sys.stderr)


def difference(before: str, after: str, path: Path) -> None:
    """Print how two texts of a file differ, as `diff -u` does."""
    from difflib import unified_diff

    lines = unified_diff(before.splitlines(), after.splitlines(), f"{path} (as it is)", f"{path} (new)", lineterm="")
    tones = {"+": "32", "-": "31", "@": "36"} if colors(sys.stdout) else {}
    for line in lines:
        tone = tones.get(line[:1])
        print(line if tone is None else f"\x1b[{tone}m{line}\x1b[0m")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Give an aligned table: text to the left, numbers to the right, columns two spaces apart."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(header, *cells, strict=True)]
    right = [
        all(isinstance(row[i], int | float | Quantity) or row[i] in ("", "-") for row in rows)
        for i in range(len(header))
    ]

    def line(values: Sequence[str]) -> str:
        padded = [v.rjust(w) if r else v.ljust(w) for v, w, r in zip(values, widths, right, strict=True)]
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), line(["-" * width for width in widths]), *(line(row) for row in cells)])


class Quantity(str):
    """A number that is written for people, such as `11,171,266` or `53 MB`; tables put it to the right."""

    __slots__ = ()


def grouped(number: int) -> Quantity:
    """Write a whole number with its digits in groups: `11,171,266`."""
    return Quantity(f"{number:,}")


def rounded(number: float, unit: str = "") -> Quantity:
    """Write a number with two or three digits and a decimal prefix: `53 MB`, `1.2 G`."""
    for prefix in ("", "k", "M", "G", "T"):
        if number < 999.5 or prefix == "T":
            digits = 0 if number >= 9.95 or not prefix else 1
            return Quantity(f"{number:.{digits}f} {prefix}{unit}".rstrip())
        number /= 1000
    raise AssertionError


def width() -> int:
    """Give the letters that fit on a line of the terminal, at most 120."""
    return min(120, shutil.get_terminal_size((100, 24)).columns)


def columns(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Give columns two spaces apart; empty ones are left out, and the last is wrapped to the terminal."""
    used = [i for i in range(len(header)) if any(row[i] for row in rows)]
    table = [tuple(row[i] for i in used) for row in (header, *rows)]
    widths = [min(40, max(len(row[i]) for row in table)) for i in range(len(used) - 1)]
    room = max(30, width() - sum(widths) - 2 * len(widths) - 2)
    for row in table:
        cells = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, (*widths, room), strict=True)]
        for line in range(max(map(len, cells))):
            parts = [cell[line] if line < len(cell) else "" for cell in cells]
            padded = [part.ljust(width) for part, width in zip(parts, widths, strict=False)]
            yield "  ".join([*padded, parts[-1]]).rstrip()


def verified(found: "Verified") -> str:
    """Give what a verification of the store has shown, one line and one more for each damaged thing."""
    whole = f"{found.results} results and {found.volumes} cached volumes whole"
    if not found.damaged:
        return whole
    counts = f"{len(found.damaged_results)} results and {len(found.damaged_volumes)} cached volumes corrupt"
    listed = (f"  result {work}" for work in found.damaged_results), (f"  volume {k}" for k in found.damaged_volumes)
    return "\n".join([f"{whole}; {counts} (set aside in quarantine/, made again by the next run)", *chain(*listed)])


def size(count: float) -> str:
    """Give a number of bytes for people: `507 B`, `5.9 kB`, `2.8 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Give a duration for people: `42 s`, `3 min 10 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
