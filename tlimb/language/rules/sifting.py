"""One mistake, one report: what merely follows from another mistake is left out.

A misspelt key makes other things look absent, a misspelt name makes another one look unused. Reporting these too
would hide the mistake among its consequences.
"""

import re
from collections.abc import Iterable

from attrs import evolve

from tlimb.problems import Problem, Related, Severity

ABSENCE = frozenset(
    {
        "continuous-under-grid",
        "early-stopping-unwatched",
        "against-arm",
        "freeze-without-parent",
        "head-needed",
        "like-without-from",
        "metric-fits",
        "missing-key",
        "needs-parent",
        "nothing-varies",
        "part-missing",
        "role-missing",
        "selection-missing",
        "test-dataset-missing",
        "validation-missing",
    }
)
"""Codes that say that something is not there; unreliable beside a key or component that was not understood."""
UNREAD = ("unknown-key", "bad-name", "reserved-name", "two-components", "foreign-word")
"""Codes after which part of the spec has not been understood."""

READERS = ("-unused", "-unread", "against-arm")
"""Ends of codes that say that nobody reads something; unreliable while a name refers to nothing."""
SECTIONS = ("datasets", "stages", "params", "pretrained", "roots", "tests", "constraints")
"""Top-level keys that define names."""
DEPENDS = {
    "against-arm": ("/tests", "/params"),
    "continuous-under-grid": ("/search",),
    "early-stopping-unwatched": ("/datasets",),
    "metric-fits": ("/tests", "/defaults"),
    "needs-parent": ("/defaults",),
    "nothing-varies": ("/stages", "/defaults", "/params"),
    "part-missing": ("/datasets",),
    "validation-missing": ("/datasets",),
    "where-unread": ("/params", "/defaults"),
    "where-empty": ("/params",),
}
"""Code -> sections in which a mistake of form makes it unreliable: what it says is absent may stand there."""
ONE_PLACE = ("role-missing", "metric-fits")
"""Codes that several stages report at one place for one mistake."""
ONE_MESSAGE = ("validation-missing",)
"""Codes that several stages report in the same words for one mistake."""


def sift(problems: Iterable[Problem], earlier: Iterable[Problem] = ()) -> list[Problem]:
    """Give the problems that no other one explains, each unknown name once.

    Args:
        problems: of the rules, with places, sorted.
        earlier: of the checks of form.
    """
    errors = [problem for problem in earlier if problem.severity is Severity.ERROR]
    kept = _once([problem for problem in problems if not _follows(problem, errors)])
    lost = any(_names_nothing(problem.code) for problem in (*errors, *kept))
    return [problem for problem in kept if not (lost and problem.code.endswith(READERS))]


def _names_nothing(code: str) -> bool:
    return code.startswith("unknown-") or code == "test-dataset-missing"


def _follows(problem: Problem, errors: list[Problem]) -> bool:
    """Say whether an error of form explains a problem."""
    if not errors:
        return False
    if problem.severity is not Severity.ERROR:
        return True
    codes = {error.code for error in errors}
    if problem.code in ABSENCE and (codes & set(UNREAD) or _below(problem, errors)):
        return True
    if any(_covers(section, e.pointer) for section in DEPENDS.get(problem.code, ()) for e in errors):
        return True
    if problem.code in ABSENCE and any(_covers(r.pointer, e.pointer) for r in problem.related for e in errors):
        return True
    if problem.code.startswith("unknown-") and any(_hides(error, problem) for error in errors):
        return True
    return any(_covers(error.pointer, problem.pointer) for error in errors)


def _hides(error: Problem, problem: Problem) -> bool:
    """Say whether the place where a name would be defined was not understood."""
    depth = (error.pointer or "").count("/")
    if error.code not in UNREAD:
        return False
    if depth == 1:
        meant = _meant(error)
        return meant is None or meant in SECTIONS
    if depth == 2 and error.code in ("bad-name", "reserved-name"):
        return True
    inside = (
        ("unknown-portion",) if (error.pointer or "").startswith("/datasets/") else ("unknown-head", "unknown-role")
    )
    return depth == 3 and problem.code in inside


def _meant(error: Problem) -> str | None:
    """Give the key that a misspelt one was probably meant to be; None where nothing is near."""
    found = (re.match(r"did you mean `(\w+)`", text) for text in error.help)
    return next((match[1] for match in found if match), None)


def _below(problem: Problem, errors: list[Problem]) -> bool:
    """Say whether an error lies in what a problem is about, or in the defaults of all stages."""
    return any(_covers(problem.pointer, e.pointer) or (e.pointer or "").startswith("/defaults") for e in errors)


def _covers(outer: str | None, inner: str | None) -> bool:
    if not outer or inner is None:
        return False
    return inner == outer or inner.startswith(f"{outer}/")


def _once(problems: list[Problem]) -> list[Problem]:
    """Merge what one mistake makes several readers say: the first is reported, other places are related."""
    first: dict[tuple[str, str], int] = {}
    merged: list[Problem] = []
    for problem in problems:
        by_message = problem.code.startswith("unknown-") or problem.code in ONE_MESSAGE
        name = (problem.code, problem.message if by_message else str(problem.pointer))
        if not (by_message or problem.code in ONE_PLACE) or name not in first:
            first.setdefault(name, len(merged))
            merged.append(problem)
            continue
        known = merged[first[name]]
        if problem.place != known.place:
            also = Related(problem.pointer or "", "and here", on_key=problem.on_key, place=problem.place)
            merged[first[name]] = evolve(known, related=(*known.related, also))
    return merged
