"""A ranking written down: aligned text, Markdown, CSV, TSV and JSON; equal tables give equal bytes."""

import csv
import io
import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tlimb.manifest.structure import unstructure
from tlimb.report.statistics import Summary
from tlimb.report.table import Row, Table

DASH = "-"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
NUMERIC = frozenset("0123456789.-+eE")
INTERVALS = "[low, high]: 95 % intervals over participants; trained weights held fixed"
"""Stands above a table with intervals: another training of equal methods may lie outside of them."""


def text(table: Table) -> str:
    """Write a ranking for a terminal: one block a test, columns aligned, then what is missing and the notes."""
    lines: list[str] = []
    for test in dict.fromkeys(row.test for row in table.rows):
        rows = [row for row in table.rows if row.test == test]
        head, cells = _grid(table, rows)
        people = max((row.people for row in rows), default=0)
        images = max((row.images for row in rows), default=0)
        families = max((row.families for row in rows), default=0)
        held = f"{people} people" + (f" of {families} families" if families < people else "")
        lines += [f"{clean(table.study)}: test {clean(test)} ({held}, {images} images)", *_said(rows), ""]
        lines += [*_aligned([head, *cells]), ""]
        for label, head, cells in _by(table, test):
            lines += [f"{clean(table.study)}: test {clean(test)} by {clean(label)}", "", *_aligned([head, *cells]), ""]
    return "\n".join([*lines, *_tail(table)]) + "\n"


def markdown(table: Table) -> str:
    """Write a ranking as Markdown tables."""
    lines = [f"# Ranking of {clean(table.study)}", ""]
    for test in dict.fromkeys(row.test for row in table.rows):
        rows = [row for row in table.rows if row.test == test]
        head, cells = _grid(table, rows)
        lines += [f"## {clean(test)}", "", *(f"{line}\n" for line in _said(rows))]
        lines += [_bar(head), _bar(["---"] * len(head))]
        lines += [*(_bar(row) for row in cells), ""]
        for label, head, cells in _by(table, test):
            lines += [f"## {clean(test)} by {clean(label)}", "", _bar(head), _bar(["---"] * len(head))]
            lines += [*(_bar(row) for row in cells), ""]
    return "\n".join([*lines, *(f"{line}  " if line else "" for line in _tail(table))]) + "\n"


def separated(table: Table, separator: str = ",") -> str:
    """Write one line a row and metric, with all digits; no cell begins a spreadsheet formula.

    Where results are told by a label, a last column names the group, empty for everybody, and each group has lines too.

    Args:
        table: the ranking.
        separator: a comma for CSV, a tab for TSV.
    """
    names = [
        *("study", "test", "rank", "stage", "labels", "metric", "direction", "mean", "sd", "n"),
        *("difference", "difference_sd", "difference_n", "difference_low", "difference_high", "against"),
        *("configurations", "chosen", "selection", "planned", "done", "people", "families", "images", "states"),
    ]
    names += ["group"] if table.groups else []
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerow(names)
    for row in table.rows:
        for column in table.columns:
            cell = row.cells[column]
            if cell.value is None and not any(_reached(other, column) for other in _same_test(table, row)):
                continue
            record = {
                **_measured(table, row, column, cell.value),
                **_numbers(
                    cell.difference,
                    *(("difference", "difference_sd", "difference_n", "difference_low", "difference_high"),),
                ),
                "against": row.against,
                "configurations": row.configurations,
                "chosen": "; ".join(f"{name} ({count})" for name, count in row.chosen),
                "selection": row.selection,
                "planned": row.planned,
                "done": row.done,
                "people": row.people,
                "families": row.families,
                "images": row.images,
                "states": "; ".join(f"{state} {count}" for state, count in row.states),
            }
            writer.writerow([guarded(record.get(name)) for name in names])
    writer.writerows([guarded(record.get(name)) for name in names] for record in _of_groups(table))
    return out.getvalue()


def _measured(table: Table, row: Row, column: str, value: Summary | None) -> dict[str, object]:
    """Say what was measured of a row, for everybody or for one group."""
    return {
        "study": table.study,
        "test": row.test,
        "rank": row.rank,
        "stage": row.stage,
        "labels": _labels(row),
        "metric": column,
        "direction": table.columns[column],
        **_numbers(value, ("mean", "sd", "n")),
    }


def _of_groups(table: Table) -> Iterator[dict[str, object]]:
    for group in table.groups:
        row = next(row for row in table.rows if (row.test, row.name) == (group.test, group.row))
        for column in table.columns:
            if group.cells.get(column) is None and row.cells[column].value is None:
                continue
            yield {
                **_measured(table, row, column, group.cells.get(column)),
                "people": group.people,
                "images": group.images,
                "group": f"{group.label}={group.value}",
            }


def to_json(table: Table) -> str:
    """Write everything the table knows, as `schema/v1/rank.json` describes it, keys sorted.

    A value that is not finite is null.
    """
    return json.dumps(_finite(unstructure(table)), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def guarded(value: object) -> str:
    """Write a cell so that no spreadsheet takes it for a formula; numbers stay as they are.

    Source: OWASP, CSV Injection: a leading apostrophe turns a cell into text.
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    found = clean(str(value))
    return f"'{found}" if found.startswith(FORMULA) else found


def clean(value: str) -> str:
    """Replace control characters, so that a name cannot move a terminal's cursor or end a line."""
    return "".join("?" if unicodedata.category(letter)[0] == "C" else letter for letter in value)


def _labels(row: Row) -> str:
    return "; ".join(f"{place}={label}" for place, label in row.labels)


def _reached(row: Row, column: str) -> bool:
    return row.cells[column].value is not None


def _same_test(table: Table, row: Row) -> list[Row]:
    return [other for other in table.rows if other.test == row.test]


def _numbers(summary: Summary | None, names: Sequence[str]) -> dict[str, Any]:
    if summary is None:
        return {}
    return dict(zip(names, (summary.mean, summary.sd, summary.n, summary.low, summary.high), strict=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value


def _said(rows: list[Row]) -> list[str]:
    """Return what stands between the heading and the table of a test."""
    differences = (cell.difference for row in rows for cell in row.cells.values())
    return [INTERVALS] if any(one is not None and one.low is not None for one in differences) else []


def _grid(table: Table, rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Give header and cells of one test; columns in which nothing stands are left out."""
    shown = [name for name in table.columns if any(_reached(row, name) for row in rows)]
    columns: list[tuple[str, Callable[[Row], str]]] = [
        ("rank", lambda row: str(row.rank) if row.rank else DASH),
        ("row", lambda row: clean(row.name)),
    ]
    for name in shown:
        arrow = "↑" if table.columns[name] == "max" else "↓"
        columns.append((f"{name} {arrow}", lambda row, name=name: _value(row.cells[name].value)))  # type: ignore[misc]
        if any(row.cells[name].difference for row in rows):
            columns.append(("difference", lambda row, name=name: _change(row.cells[name].difference)))  # type: ignore[misc]
    columns += [
        ("n", lambda row: str(max((c.value.n for c in row.cells.values() if c.value), default=0))),
        ("searched", lambda row: str(row.configurations)),
        ("chosen", lambda row: clean(_chosen(row)) or DASH),
        ("runs", lambda row: str(row.done) if row.done == row.planned else f"{row.done} of {row.planned}"),
    ]
    return [name for name, _ in columns], [[write(row) for _, write in columns] for row in rows]


def _by(table: Table, test: str) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Give label, header and cells of each table by groups; columns in which nothing stands are left out."""
    found = [group for group in table.groups if group.test == test]
    for label in dict.fromkeys(group.label for group in found):
        groups = [group for group in found if group.label == label]
        shown = [name for name in table.columns if any(group.cells.get(name) for group in groups)]
        arrows = [f"{name} {'↑' if table.columns[name] == 'max' else '↓'}" for name in shown]
        cells = [
            [
                *(clean(group.value), clean(group.row)),
                *(_value(group.cells.get(name)) for name in shown),
                str(max((cell.n for cell in group.cells.values() if cell), default=0)),
                *(str(group.people), str(group.images)),
            ]
            for group in groups
        ]
        yield label, [clean(label), "row", *arrows, "n", "people", "images"], cells


def _chosen(row: Row) -> str:
    return ", ".join(name if len(row.chosen) == 1 else f"{name} (x{count})" for name, count in row.chosen)


def _value(summary: Summary | None) -> str:
    if summary is None:
        return DASH
    return _number(summary.mean) + (f" ± {_number(summary.sd)}" if summary.sd is not None else "")


def _change(summary: Summary | None) -> str:
    if summary is None:
        return DASH
    ends = "" if summary.low is None else f" [{summary.low:+.3f}, {summary.high:+.3f}]"
    return f"{summary.mean:+.3f}{ends}"


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(_width(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(_pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _pad(cell: str, width: int) -> str:
    space = " " * (width - _width(cell))
    return space + cell if cell and set(cell.split(" ")[0]) <= NUMERIC else cell + space


def _width(value: str) -> int:
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in value)
    return len(value) + wide - sum(unicodedata.combining(letter) > 0 for letter in value)


def _bar(cells: list[str]) -> str:
    return (
        "| " + " | ".join(cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"
    )


def _tail(table: Table) -> list[str]:
    lines = []
    if table.done < table.planned:
        lines.append(
            f"{'partial' if table.partial else 'incomplete'}: {table.done} of {table.planned} runs have a value"
        )
    for one in table.missing:
        fold = f", fold {one.fold}" if one.fold else ""
        place = f"{clean(one.test)}: {clean(one.row)}, repetition {one.replicate + 1}{fold}"
        lines.append(f"  {one.absent.state}: {place}: {clean(one.absent.reason)}")
    for name, values in table.environments.items():
        lines.append(f"environments differ in {name}: {clean(', '.join(values))}; bits are not promised across them")
    return [*lines, *(clean(note) for note in table.notes)]
