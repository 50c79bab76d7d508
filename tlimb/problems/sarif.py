"""Problems as SARIF 2.1.0, the format in which code-scanning services take findings.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tlimb.problems import Place, Problem, Severity
from tlimb.problems.machine import Json, relative
from tlimb.problems.pages import Page, registry

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def repository(folder: Path) -> Path:
    """Give the root of the repository that a folder lies in, or the folder itself."""
    folder = folder.resolve()
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), folder)


def log(problems: Iterable[Problem], version: str, base: Path, home: str | None = None) -> Json:
    """Give one SARIF log with one run.

    Args:
        problems: what was found.
        version: of tlimb.
        base: root of the repository; addresses of files are relative to it.
        home: address of the project's own repository, for links to pages; None for no links.
    """
    problems = list(problems)
    codes = sorted({problem.code for problem in problems})
    order = {code: position for position, code in enumerate(codes)}
    driver: Json = {"name": "tlimb", "version": version}
    driver |= {} if home is None else {"informationUri": home}
    driver["rules"] = [_rule(code, registry().get(code), home) for code in codes]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(problem, order[problem.code], base) for problem in problems],
            }
        ],
    }


def _rule(code: str, page: Page | None, home: str | None) -> Json:
    rule: Json = {"id": code}
    if page is not None:
        body = page.text.partition("_\n")[2].strip()
        rule |= {
            "shortDescription": {"text": page.title},
            "fullDescription": {"text": body.partition("\n\n")[0].replace("\n", " ")},
            "help": {"text": body, "markdown": page.text},
            "defaultConfiguration": {"level": _LEVELS[page.severities[0]]},
        }
        if home is not None:
            rule["helpUri"] = f"{home.rstrip('/')}/blob/main/docs/diagnostics/{code}.md"
    return rule


def _result(problem: Problem, rule: int, base: Path) -> Json:
    text = "\n".join([problem.message, *(f"help: {line}" for line in problem.help)])
    result: Json = {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": _LEVELS[problem.severity],
        "message": {"text": text},
    }
    if problem.place is not None:
        result["locations"] = [_location(problem.place, base)]
    related: list[Any] = [
        {"id": number, "message": {"text": one.message}, **_location(one.place, base)}
        for number, one in enumerate((one for one in problem.related if one.place is not None), start=1)
        if one.place is not None
    ]
    if related:
        result["relatedLocations"] = related
    return result


def _location(place: Place, base: Path) -> Json:
    span = place.span
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    name = relative(place.file, base)
    if Path(name).is_absolute():  # outside the repository
        artifact = {"uri": Path(name).as_uri()}
    else:
        artifact = {"uri": quote(name), "uriBaseId": "%SRCROOT%"}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}
