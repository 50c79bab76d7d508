"""Views: the rows a node reads, digested by content, and written to a private file for the run half."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from tlimb.cohorts.rows import Cell, Row
from tlimb.manifest import canonical, digest
from tlimb.store import disk

View = Mapping[str, Any]
"""The JSON object of a view: {"view": digest, "rows": [..]}."""


def view(rows: Sequence[Row], labels: Iterable[str]) -> tuple[str, View]:
    """Give the digest and the JSON object of some rows, in their order, with the labels that are read.

    The digest covers the hashes of images and masks and the values of these labels, nothing else: names of
    files, roots and people may change without a new digest.

    Args:
        rows: of one cohort or pooled from several.
        labels: names of the labels; a label that a row's table lacks is missing there.
    """
    wanted = sorted(set(labels))
    content = {
        "labels": wanted,
        "rows": [[row.sha256, row.mask_sha256, [row.labels.get(label) for label in wanted]] for row in rows],
    }
    key = digest(content)
    return key, {
        "view": key,
        "rows": [
            {
                "row": row.number,
                "person": row.person,
                "root": row.root,
                "image": row.image,
                "sha256": row.sha256,
                "mask": row.mask,
                "mask_sha256": row.mask_sha256,
                "group": row.dataset,
                "labels": {label: row.labels.get(label) for label in wanted},
            }
            for row in rows
        ],
    }


def with_groups(found: View, tokens: Sequence[str]) -> View:
    """Give a view whose rows also say whom they must be resampled with; its digest stays what it is.

    Args:
        found: the view.
        tokens: one for each row, equal for rows of people who belong together, such as a family.
    """
    rows = [{**row, "family": token} for row, token in zip(found["rows"], tokens, strict=True)]
    return {**found, "rows": rows}


def with_values(found: View, rows: Sequence[Row], labels: Sequence[str]) -> View:
    """Give a view whose rows also say, as text, the labels that results are told by; its digest stays what it is.

    Args:
        found: the view.
        rows: its rows as they were planned, with all labels of their tables.
        labels: names; a row without a value has None.
    """
    if not labels:
        return found
    values = [{label: None if (v := row.labels.get(label)) is None else text(v) for label in labels} for row in rows]
    return {**found, "rows": [{**one, "by": known} for one, known in zip(found["rows"], values, strict=True)]}


def digest_of(found: View) -> str:
    """Compute the digest anew from a view's own rows."""
    rows = found["rows"]
    wanted = sorted(rows[0]["labels"]) if rows else []
    content = {
        "labels": wanted,
        "rows": [[row["sha256"], row["mask_sha256"], [row["labels"][label] for label in wanted]] for row in rows],
    }
    return digest(content)


def write_views(private: Path, views: Mapping[str, View]) -> None:
    """Write views to `private/views/<digest>.json` (files 0600, folders 0700); equal files are left alone.

    A file of the same digest whose paths have moved since is replaced; labels that another study tells its results by
    are kept.

    Raises:
        OSError: the private folder cannot be written.
    """
    folder = disk.private_folder(private / "views")
    for key, content in views.items():
        path = folder / f"{key}.json"
        old = path.read_bytes() if path.is_file() else b""
        data = canonical(_keeping_values(content, old)).encode()
        if old != data:
            disk.write_atomically(path, data, 0o600)


def _keeping_values(content: View, old: bytes) -> View:
    """Add what an older file of the same view says of its rows for the tables of other studies."""
    if b'"by"' not in old:
        return content
    try:
        before = [(row["person"], row["image"], row.get("by") or {}) for row in json.loads(old)["rows"]]
    except (KeyError, TypeError, ValueError):
        return content
    if [(person, image) for person, image, _ in before] != [(row["person"], row["image"]) for row in content["rows"]]:
        return content
    rows = [
        {**row, "by": {**known, **row.get("by", {})}}
        for row, (_, _, known) in zip(content["rows"], before, strict=True)
    ]
    return {**content, "rows": rows}


def read_view(private: Path, key: str) -> View:
    """Read a view and check that it is the one asked for.

    Raises:
        FileNotFoundError: there is no such view here.
        ValueError: the file was changed.
    """
    try:
        found: View = json.loads((private / "views" / f"{key}.json").read_text(encoding="utf-8"))
        fits = found["rows"] == [] or digest_of(found) == key
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError("the view is not readable; plan again") from error
    if found["view"] != key or not fits:
        raise ValueError("the view does not fit its digest: it was changed; plan again")
    return found


def facts(rows: Sequence[Row], label: str | None, kind: str) -> dict[str, Any]:
    """Give what a manifest may say of a target: classes with people per class, or mean and sd.

    Args:
        rows: the training part.
        label: name; None for an objective without one.
        kind: `class` or `number`.

    Returns:
        `label`, `classes` (text, in the order of outputs), `counts` (people per class; of somebody whose rows
        differ, the first counts), `mean` and `sd` (over rows, ddof 0, 1.0 when constant; None for classes or where
        no value is a number).
    """
    found: dict[str, Any] = {"label": label, "classes": [], "counts": [], "mean": None, "sd": None}
    if label is None:
        return found
    values = [(row, row.labels.get(label)) for row in rows]
    if kind == "class":
        first: dict[tuple[str, str], Cell] = {}
        for row, value in values:
            if value is not None:
                first.setdefault((row.dataset, row.participant), value)
        classes = ordered({value for _, value in values if value is not None})
        found["classes"] = list(classes)
        held = Counter(text(value) for value in first.values())
        found["counts"] = [held[name] for name in classes]
        return found
    found["mean"], found["sd"] = scale(value for _, value in values) or (None, None)
    return found


def scale(values: Iterable[Cell]) -> tuple[float, float] | None:
    """Give mean and sd of numbers (ddof 0, 1.0 when constant), whatever their order; None without a number."""
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    if not numbers:
        return None
    mean = math.fsum(numbers) / len(numbers)
    sd = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / len(numbers))
    return mean, sd if sd > 0.0 else 1.0


def hide(rows: Sequence[Row], label: str, classes: Sequence[str]) -> tuple[Row, ...]:
    """Replace the values of a private class label by their positions, so that no class name is in a manifest."""
    position = {name: index for index, name in enumerate(classes)}
    shown: list[Row] = []
    for row in rows:
        value = row.labels.get(label)
        code = None if value is None else position[text(value)]
        shown.append(evolve(row, labels={**row.labels, label: code}))
    return tuple(shown)


def text(value: Cell) -> str:
    """Write a value as the name of its class: 1 and 1.0 are both `1`."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def ordered(values: Iterable[Cell]) -> tuple[str, ...]:
    """Give distinct values as class names: numbers by size when all are numbers, else by code point."""
    distinct = {text(value): value for value in values if value is not None}
    if all(isinstance(value, int | float) for value in distinct.values()):
        return tuple(sorted(distinct, key=lambda name: (float(distinct[name] or 0), name)))
    return tuple(sorted(distinct))


def inputs(rows: Sequence[Row]) -> dict[str, Any]:
    """Give the header facts of images for a manifest: shape and spacing, None where they differ."""
    shapes = {row.shape for row in rows}
    spacings = {row.spacing_mm for row in rows}
    shape = next(iter(shapes)) if len(shapes) == 1 else None
    spacing = next(iter(spacings)) if len(spacings) == 1 else None
    return {
        "shape": None if shape is None else list(shape),
        "spacing_mm": None if spacing is None else list(spacing),
    }
