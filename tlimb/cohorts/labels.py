"""The labels that a dataset will have, from the headers of its tables: for editors, before anything is indexed."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tlimb.cohorts.columns import NAMING
from tlimb.cohorts.links import inside
from tlimb.cohorts.reading import escapes

MOST_BYTES = 64 << 10
"""Most bytes of a table that are read for its header."""
ENTITIES = ("session", "run", "acquisition", "space", "description")
"""What `only` may name of BIDS images beside labels."""


def labels(reader: str, options: Mapping[str, Any], root: Path) -> tuple[str, ...]:
    """Give the columns of a reader's tables, but not those that name people; empty without a readable table.

    Args:
        reader: name of the cohort reader.
        options: what is written for it.
        root: folder that its paths start from.
    """
    found: dict[str, None] = {}
    for path in _tables(reader, options, root):
        found |= dict.fromkeys(header(path, root))
    return tuple(name for name in found if name not in NAMING)


def header(path: Path, root: Path) -> tuple[str, ...]:
    """Give the names of a table's columns; empty when it lies outside the root or is no table."""
    try:
        if not inside(root, path):
            return ()
        with path.open("rb") as file:
            first = file.read(MOST_BYTES).decode("utf-8-sig", "replace").splitlines()[:1]
    except OSError:
        return ()
    separator = "," if path.suffix.lower() == ".csv" else "\t"
    cells = next(csv.reader(first, delimiter=separator), [])
    return tuple(cell.strip() for cell in cells if cell.strip().isprintable() and cell.strip())


def _tables(reader: str, options: Mapping[str, Any], root: Path) -> Iterator[Path]:
    written = options.get("file" if reader == "table" else "folder")
    if not isinstance(written, str) or escapes(written) is not None:
        return
    if reader == "table":
        yield root / written
        return
    folder = root / written
    if reader == "hcp":
        tables = (options.get(name) for name in ("behavioural", "restricted"))
        yield from (root / name for name in tables if isinstance(name, str) and escapes(name) is None)
        return
    yield folder / "participants.tsv"
    # every visit's table has the same columns
    yield from sorted(folder.glob("sub-*/sub-*_sessions.tsv"))[:1]
