"""What tlimb says to people when something is wrong, as data.

A `Problem` knows what is wrong (`code`, `message`), where it stands in the spec (`pointer`, resolved to a
line and column by whoever holds the source) and what to do about it (`help`). Text is made from it in one
place, `tlimb.problems.text.render`, so every room can report a mistake without knowing how it will be shown.
"""

from collections.abc import Iterable
from enum import IntEnum, StrEnum

from attrs import field, frozen


class ExitCode(IntEnum):
    """Give the exit status of every tlimb command; the numbers are a contract with shells and schedulers."""

    DONE = 0
    FINDINGS = 1
    USAGE = 64
    DATA = 65
    BACKEND_MISSING = 69
    INTERNAL = 70
    CANNOT_WRITE = 73
    YIELDED = 75
    DIVERGED = 76
    POLICY = 77


class Severity(StrEnum):
    """Say how bad a problem is: an error stops the command, a warning and an info do not."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@frozen
class Span:
    """A stretch of source text, 1-based, columns counted in characters, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@frozen
class Place:
    """Where something stands: a file and a span in it."""

    file: str
    span: Span


@frozen
class Related:
    """A second place that explains a problem, such as the definition that a name refers to.

    `pointer` is a JSON pointer into the spec, `on_key` marks the key instead of the value.
    """

    pointer: str
    message: str
    on_key: bool = False
    place: Place | None = None


def _strings(value: Iterable[str] | str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _related(value: Iterable[Related]) -> tuple[Related, ...]:
    return tuple(value)


@frozen
class Problem:
    """One mistake, and what to do about it.

    Attributes:
        code: stable kebab-case name such as `unknown-key`.
        message: what is wrong, the offending value first, lower case, without a final dot.
        pointer: JSON pointer of the offending node in the spec, or None when no place is known.
        on_key: mark the key of that node instead of its value.
        help: what to do, one string a suggestion.
        note: facts that explain, one string each.
        label: short text after the carets; empty for none.
        related: other places that explain.
        place: the resolved place; filled in by the holder of the source.
    """

    code: str
    message: str
    pointer: str | None = None
    on_key: bool = False
    severity: Severity = Severity.ERROR
    help: tuple[str, ...] = field(default=(), converter=_strings)
    note: tuple[str, ...] = field(default=(), converter=_strings)
    label: str = ""
    related: tuple[Related, ...] = field(default=(), converter=_related)
    place: Place | None = None


class TlimbError(Exception):
    """A user's mistake that stops a command; it carries the problems and the exit code.

    Attributes:
        problems: what to show, in order.
        exit_code: the status the process ends with.
    """

    def __init__(self, problems: Problem | Iterable[Problem], exit_code: int = ExitCode.FINDINGS) -> None:
        """Keep the problems; a single one may be given bare."""
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self.exit_code = exit_code
        super().__init__("; ".join(f"{p.code}: {p.message}" for p in self.problems))

    @property
    def line(self) -> str:
        """Return what is wrong and what to do in one line."""
        return "; ".join(
            f"{problem.code}: {problem.message}" + (f" ({'; '.join(problem.help)})" if problem.help else "")
            for problem in self.problems
        )
