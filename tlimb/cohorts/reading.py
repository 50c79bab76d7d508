"""What every cohort reader gives, and what readers share: tables, paths and finding a reader by its name."""

import csv
import importlib
import inspect
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen

from tlimb.cohorts.declaration import Declaration
from tlimb.problems import Problem

TABLE_CAP = 256 << 20
"""Most bytes of a table that are read."""


@frozen
class Found:
    """One image that a reader has found, before anything of it has been opened.

    Attributes:
        participant: id as labels and messages use it.
        session: visit; None without.
        entities: BIDS entities by long name; empty for tables.
        image: path relative to the root, with forward slashes.
        mask: path of the mask, relative to the root; None without.
        cells: column -> raw cell.
        line: line of the table, from 2; 0 without a row there.
    """

    participant: str
    session: str | None
    entities: Mapping[str, str]
    image: str
    mask: str | None = None
    cells: Mapping[str, str] = field(factory=dict)
    line: int = 0


class Reader(ABC):
    """Finds the images of a dataset and their tables; opens no image.

    The file's name is the reader's name in YAML; keyword-only `__init__` parameters are its options.
    """

    revision: ClassVar[int] = 1
    aka: ClassVar[Mapping[str, str]] = {}
    table: str = "participants.tsv"
    """What to call the table in messages."""
    what: str = "image"
    """What an image is called in messages."""
    source: str = ""
    """The folder or table as it is written in the spec."""
    columns: tuple[str, ...] = ()
    """Columns of its tables, in order; known after `find`."""
    skull_stripped: bool | None = None
    """Whether its images are without the skull (True) or with it (False); None where only names of files tell."""
    space: str | None = None
    """Space that its images lie in, such as MNI152NLin6Asym, or acpc and scanner for a person's own; None likewise."""
    private: frozenset[str] = frozenset()
    """Columns that are private whatever is declared; known after `find`."""
    kin: tuple[str, ...] = ()
    """Columns whose equal values make relatives, who are never divided; known after `find`."""

    @abstractmethod
    def find(self, declaration: Declaration, with_names: bool = False) -> tuple[list[Found], list[Problem]]:
        """Give the images in any order, and what is wrong.

        Args:
            declaration: the dataset; paths start from its `root`.
            with_names: problems may hold names of participants and files.
        """


@frozen
class Table:
    """A table as text.

    Attributes:
        columns: header.
        rows: column -> cell, one mapping a line.
        lines: line number of each row, from 2.
    """

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    lines: tuple[int, ...]


def reader(name: str) -> type[Reader]:
    """Find a reader by the name of its file.

    Raises:
        LookupError: there is none of that name.
    """
    if re.fullmatch(r"[a-z][a-z0-9_]*", name):
        try:
            module = importlib.import_module(f"tlimb.cohorts.{name}")
        except ModuleNotFoundError:
            module = None
        for _, cls in inspect.getmembers(module, inspect.isclass):
            own = cls.__module__ == f"tlimb.cohorts.{name}" and not cls.__name__.startswith("_")
            if own and issubclass(cls, Reader) and cls is not Reader:
                return cls
    raise LookupError(f"no cohort reader is called {name!r}")


def readers() -> Iterator[tuple[str, type[Reader]]]:
    """Go through all readers of this folder by name."""
    for file in sorted(Path(__file__).parent.glob("*.py")):
        try:
            yield file.stem, reader(file.stem)
        except LookupError:
            continue


def read_table(path: Path) -> Table:
    """Read a .csv or .tsv file; the ending decides the separator.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no table: not UTF-8, too big, no header, a column twice or a ragged line; the message
            names no cell.
    """
    if path.stat().st_size > TABLE_CAP:
        raise ValueError(f"the table is bigger than {TABLE_CAP >> 20} MiB")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"the table is not UTF-8 (byte {error.start})") from None
    separator = "," if path.suffix.lower() == ".csv" else "\t"
    # BIDS tables know no quoting; a lone quotation mark in a comment must not swallow lines.
    source = io.StringIO(text, newline="")
    plain = csv.reader(source, delimiter=separator, quoting=csv.QUOTE_NONE)
    lines = csv.reader(source) if separator == "," else plain
    try:
        header = tuple(cell.strip() for cell in next(lines, []))
        if not any(header):
            raise ValueError("the table has no header")
        twice = sorted({column for column in header if header.count(column) > 1})
        if twice:
            raise ValueError(f"column {twice[0]!r} stands twice in the header")
        rows, numbers = [], []
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise ValueError(f"line {lines.line_num} has {len(cells)} cells, the header has {len(header)}")
            rows.append(dict(zip(header, (cell.strip() for cell in cells), strict=True)))
            numbers.append(lines.line_num)
    except csv.Error as error:
        raise ValueError(f"line {lines.line_num}: {error}") from None
    return Table(header, tuple(rows), tuple(numbers))


def escapes(relative: str) -> str | None:
    """Say why a path of a spec or table may lead out of its root; None when its text is harmless."""
    if relative.startswith(("/", "\\")) or re.match(r"^[A-Za-z]:", relative):
        return "it is absolute"
    if relative.startswith("~"):
        return "it starts with `~`"
    if "$" in relative:
        return "it holds `$`"
    if "\0" in relative or "\n" in relative:
        return "it holds a control character"
    if ".." in re.split(r"[/\\]", relative):
        return "it holds `..`"
    return None


def names(found: list[str], with_names: bool) -> tuple[str, ...]:
    """Give a note with the first five names, where names may be shown."""
    if not with_names or not found:
        return ()
    return ("first: " + ", ".join(found[:5]) if len(found) > 5 else ", ".join(found),)


def problem(declaration: Declaration, code: str, message: str, option: str, **more: Any) -> Problem:
    """Make a problem that points at an option of the reader."""
    return Problem(code, message, declaration.at(option), **more)


def lost(declaration: Declaration) -> tuple[str, ...]:
    """Say what to do where a dataset's root is not where it was; nothing for files beside the spec."""
    if declaration.root.is_dir():
        return ()
    name = declaration.root_name
    return (f"the root `{name}` is not there; say where it lies now:   --root {name}=FOLDER", "or in .tlimb/roots.yaml")
