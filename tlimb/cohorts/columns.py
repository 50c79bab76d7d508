"""From the cells of tables to labels: joins, missing values, numbers, recoding and their facts."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from tlimb.cohorts.declaration import Declaration, JoinDecl, LabelDecl
from tlimb.cohorts.links import inside
from tlimb.cohorts.reading import Found, escapes, read_table
from tlimb.cohorts.rows import Cell, Cohort, LabelFacts
from tlimb.cohorts.view import ordered
from tlimb.problems import Problem, Severity

WHERE = "paths start from the dataset's root, or from the folder of the study; `--root NAME=PATH` moves a root"
"""What to do about a table that is not there."""
NAMING = frozenset({"participant_id", "session_id"})
"""Columns that name people and visits are private, whatever is declared."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_CODE = re.compile(r"0\d+")
"""Digits with a leading zero are a name, such as site `01`."""


@frozen
class Labels:
    """The labels of all images.

    Attributes:
        values: one mapping label -> value for each image, in the order given.
        facts: label -> facts.
        columns: raw columns, in the order of the tables.
        private: labels that are private.
    """

    values: tuple[Mapping[str, Cell], ...]
    facts: Mapping[str, LabelFacts]
    columns: tuple[str, ...]
    private: frozenset[str]
    problems: list[Problem] = field(factory=list)


def number(cell: str) -> int | float | None:
    """Read a cell as a finite number: 55 and 55.0 are both the int 55; None for text and for codes like 01."""
    if len(cell) > 40 or not _NUMBER.fullmatch(cell) or _CODE.fullmatch(cell):
        return None
    value = float(cell)
    if value in (float("inf"), float("-inf")):
        return None
    if re.fullmatch(r"[+-]?\d+", cell):
        return int(cell)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def make(
    declaration: Declaration, found: Sequence[Found], columns: Iterable[str], private: Iterable[str] = ()
) -> Labels:
    """Make labels from the readers' cells and the joined tables.

    Args:
        declaration: the dataset.
        found: images with their cells.
        columns: columns of the readers' tables, in order.
        private: columns that are private whatever is declared.
    """
    known = list(columns)
    cells = [dict(image.cells) for image in found]
    hidden = set(private)
    problems: list[Problem] = []
    for position, join in enumerate(declaration.joins):
        problems.extend(_join(declaration, position, join, found, cells, known, hidden))
    labels = Labels((), {}, tuple(known), frozenset(), problems)
    if problems:
        return labels
    missing = {"", *(str(cell) for cell in declaration.missing)}
    numeric = {value for cell in declaration.missing if (value := number(str(cell))) is not None}
    made: dict[str, Sequence[Cell]] = {}
    facts: dict[str, LabelFacts] = {}
    secret = set()
    for label, decl in _wanted(declaration, known).items():
        column = decl.column or label
        if column not in known:
            problems.append(_no_column(declaration, label, column, known))
            continue
        decl = evolve(decl, private=decl.private or column in hidden or column in NAMING)
        raw = [row.get(column, "") for row in cells]
        raw = ["" if cell in missing or (numeric and number(cell) in numeric) else cell for cell in raw]
        made[label], facts[label] = _typed(declaration, label, column, raw, decl, problems)
        if decl.private:
            secret.add(label)
    values = tuple({label: column[i] for label, column in made.items()} for i in range(len(found)))
    return evolve(labels, values=values, facts=facts, private=frozenset(secret))


def _wanted(declaration: Declaration, known: Sequence[str]) -> dict[str, LabelDecl]:
    renamed = {decl.column for decl in declaration.labels.values() if decl.column is not None}
    # A column that another label reads stays a label of its own name, unless that label has taken the name.
    own = {column: LabelDecl() for column in known}
    for column in renamed & set(own):
        hides = any(d.private for d in declaration.labels.values() if d.column == column)
        own[column] = LabelDecl(private=hides)
    return {**own, **declaration.labels}


def _no_column(declaration: Declaration, label: str, column: str, known: Sequence[str]) -> Problem:
    close = difflib.get_close_matches(column, known, 1)
    pointer = f"{declaration.pointer}/labels/{label}/column"
    return Problem(
        "target-missing",
        f"no column `{column}` in the tables of `{declaration.name}` (columns: {_list(known)})",
        pointer,
        help=f"did you mean `{close[0]}`?" if close else "write one of these columns",
    )


def _typed(
    declaration: Declaration,
    label: str,
    column: str,
    raw: Sequence[str],
    decl: LabelDecl,
    problems: list[Problem],
) -> tuple[Sequence[Cell], LabelFacts]:
    values: list[Cell]
    if decl.map:
        values = _recoded(declaration, label, raw, decl, problems)
    else:
        parsed = [number(cell) for cell in raw]
        mixed = any(p is None for p, cell in zip(parsed, raw, strict=True) if cell)
        values = [cell or None for cell in raw] if mixed else list(parsed)
    present = [value for value in values if value is not None]
    numbers = [value for value in present if not isinstance(value, str) or number(value) is not None]
    kind = "number" if len(numbers) == len(present) else "mixed" if numbers else "class"
    examples: tuple[str, ...] = ()
    if kind == "mixed":
        examples = (next(str(v) for v in present if isinstance(v, str) and number(v) is None),)
    missing = len(values) - len(present)
    return values, LabelFacts(kind, ordered(present), missing, column, examples)  # type: ignore[arg-type]


def _recoded(
    declaration: Declaration, label: str, raw: Sequence[str], decl: LabelDecl, problems: list[Problem]
) -> list[Cell]:
    table = {str(key): _plain(value) for key, value in decl.map.items()}
    by_number = {value: table[key] for key in table if (value := number(key)) is not None}
    values: list[Cell] = []
    unmapped: dict[str, int] = {}
    for cell in raw:
        if not cell:
            values.append(None)
        elif cell in table:
            values.append(table[cell])
        elif (parsed := number(cell)) is not None and parsed in by_number:
            values.append(by_number[parsed])
        else:
            unmapped[cell] = unmapped.get(cell, 0) + 1
            values.append(None)
    if unmapped:
        most = sorted(unmapped, key=lambda cell: (-unmapped[cell], cell))
        shown = "" if decl.private else ": " + ", ".join(f"`{cell}` ({unmapped[cell]})" for cell in most[:5])
        problems.append(
            Problem(
                "target-map",
                f"{len(unmapped)} values of column `{decl.column or label}` are not in the map{shown}",
                f"{declaration.pointer}/labels/{label}/map",
                help="map them, or list them under `missing`",
            )
        )
    return values


def _plain(value: Any) -> Cell:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | float) else str(value)


def _join(
    declaration: Declaration,
    position: int,
    join: JoinDecl,
    found: Sequence[Found],
    cells: list[dict[str, str]],
    known: list[str],
    hidden: set[str],
) -> list[Problem]:
    pointer = f"{declaration.pointer}/join/{position}"
    path = declaration.root / join.file
    why = escapes(join.file)
    if why or (path.exists() and not inside(declaration.root, path)):
        return [Problem("path-escape", f"`{join.file}`: {why or 'it leads out of the root'}", f"{pointer}/file")]
    try:
        table = read_table(path)
    except OSError:
        return [Problem("table-missing", f"no table `{join.file}`", f"{pointer}/file", help=WHERE)]
    except ValueError as error:
        message = f"`{join.file}`: {error}"
        return [Problem("table-unreadable", message, f"{pointer}/file", help="mend the table in that line")]
    lost = [name for name in join.by if name not in table.columns]
    if lost:
        message = f"no column `{lost[0]}` in `{join.file}` (columns: {_list(table.columns)})"
        help_ = "name the columns that both tables have:   by: [COLUMN, ..]"
        return [Problem("join-column", message, f"{pointer}/by", help=help_)]
    keyed: dict[tuple[str, ...], Mapping[str, str]] = {}
    for row in table.rows:
        keyed_by = tuple(_key(name, row[name]) for name in join.by)
        if keyed_by in keyed:
            message = f"several rows of `{join.file}` have equal {', '.join(f'`{n}`' for n in join.by)}"
            help_ = "add a column that tells them apart, such as   by: [participant_id, session_id]"
            return [Problem("join-not-unique", message, f"{pointer}/by", help=help_)]
        keyed[keyed_by] = row
    added = [name for name in table.columns if name not in join.by]
    twice = [name for name in added if name in known]
    if twice:
        message = f"column `{twice[0]}` is in two tables of `{declaration.name}`"
        return [Problem("column-twice", message, f"{pointer}/file", help="rename it in one of them")]
    for image, row in zip(found, cells, strict=True):
        match = keyed.get(tuple(_key(name, _own(image, row, name)) for name in join.by), {})
        row.update({name: match.get(name, "") for name in added})
    known.extend(added)
    if join.private:
        hidden.update(added)
    return []


def _own(image: Found, row: Mapping[str, str], name: str) -> str:
    if name == "participant_id":
        return image.participant
    if name == "session_id" and image.session is not None:
        return image.session
    return row.get(name, "")


def _key(name: str, value: str) -> str:
    """Write ids of BIDS without their prefix, so that `sub-01` and `01` are one person."""
    for column, prefix in (("participant_id", "sub-"), ("session_id", "ses-")):
        if name == column:
            return value.removeprefix(prefix)
    return value


def _list(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:12]) + (f", .. {len(shown) - 12} more" if len(shown) > 12 else "")


def missing_label(cohort: Cohort, label: str, pointer: str) -> Problem:
    """Say that a cohort has no label of that name, and which it has."""
    close = difflib.get_close_matches(label, cohort.labels, 1)
    return Problem(
        "target-missing",
        f"no label `{label}` in `{cohort.table}` of `{cohort.name}` (columns: {_list(cohort.labels)})",
        pointer,
        help=f"did you mean `{close[0]}`?" if close else "write one of these, or add a table with it:   join: [..]",
    )


def wrong_kind(cohort: Cohort, label: str, kind: str, pointer: str, what: str) -> Problem | None:
    """Say why a label does not fit an objective; None when it does.

    Args:
        cohort: whose label it is.
        label: its name; one that is missing fits (`missing_label` speaks of it).
        kind: `number` or `class`, as the objective needs it.
        pointer: JSON pointer of the target.
        what: name of the objective, for the message.
    """
    facts = cohort.labels.get(label)
    if facts is None:
        return None
    private = label in cohort.private
    if kind == "number" and facts.kind != "number":
        values = "text" if private else _list(f"`{name}`" for name in (facts.examples or facts.classes[:5]))
        helps = ["recode it with `labels: {..: {map: ..}}`"]
        if facts.kind == "mixed" and not private:
            helps = [f"if it means a missing value: `missing: [n/a, {facts.examples[0]}]`"]
        return Problem("target-type", f"{what} on `{label}`, which holds {values}", pointer, help=helps)
    if kind == "class" and facts.kind == "number" and len(facts.classes) > 50:
        message = f"{what} on `{label}`, which holds {len(facts.classes)} distinct numbers"
        help_ = "to predict the number:   objective: {regression: {target: " + label + "}}"
        return Problem("target-type", message, pointer, help=help_)
    return None


def capped_ages(declaration: Declaration, cells: Sequence[dict[str, str]]) -> list[Problem]:
    """Turn the age `89+` of older BIDS tables into 89, in place, with a warning."""
    number_of = 0
    for row in cells:
        for column, cell in row.items():
            if cell == "89+":
                row[column] = "89"
                number_of += 1
    if not number_of:
        return []
    message = f"{number_of} ages are written `89+` in `{declaration.name}` and are read as 89"
    return [Problem("age-capped", message, declaration.at("folder"), severity=Severity.WARNING)]
