"""What a BIDS folder holds, measured from names, tables and headers: what somebody must know who writes its study."""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from attrs import frozen

from tlimb.cohorts import columns, entities, headers
from tlimb.cohorts.bids import Bids
from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.entities import ENDINGS
from tlimb.cohorts.headers import PREFIX_BYTES, ImageFaultError
from tlimb.cohorts.narrow import ANY, same
from tlimb.cohorts.reading import Found
from tlimb.problems import ExitCode, Problem, Severity, TlimbError

MOST_HEADERS = 200
"""Images whose header is read, spread evenly over the folder."""
PREFERRED = ("T1w", "T2w", "FLAIR", "PDw", "T2starw")
MOST_CLASSES = 6
"""A column with more distinct values is no class that one begins with."""
_KEPT = 0.8
"""A session or run is chosen if at least this share of people have it; else all are read."""
_NO_VALUE = frozenset({"na", "nan", "n.a.", "null", "none", "nil", "missing", "."})
_NO_NUMBER = frozenset({"-9", "-99", "-999", "-9999"})


@frozen
class Column:
    """One column of the tables.

    Attributes:
        name: as the table writes it.
        kind: `number`, `class` or `mixed`.
        counts: value -> images with it, for a column with few distinct values; empty for others.
        distinct: number of distinct values.
        low: smallest number; None for text.
        high: largest number; None for text.
        missing: images without a value.
    """

    name: str
    kind: str
    counts: Mapping[str, int]
    distinct: int
    low: float | None
    high: float | None
    missing: int


@frozen
class Choice:
    """How one entity that differs within people was settled: its value or `any`, and the people of each value."""

    wanted: str
    people: Mapping[str, int]


@frozen
class Survey:
    """One BIDS folder.

    Attributes:
        suffix: of the images that are proposed.
        suffixes: suffix -> images in the folder.
        participants: people with such an image, after `only`.
        images: such images, after `only`.
        only: entity -> how it was settled.
        extension: ending that must be chosen, because images are there with both; None otherwise.
        spacing_mm: median voxel size along right, front and up.
        extent_mm: largest field of view along right, front and up.
        measured: images whose header was read.
        columns: of the tables, without those that name people.
        no_value: cells that seem to mean a missing value, `n/a` and the empty cell apart.
    """

    suffix: str
    suffixes: Mapping[str, int]
    participants: int
    images: int
    only: Mapping[str, Choice]
    extension: str | None
    spacing_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    measured: int
    columns: tuple[Column, ...]
    no_value: tuple[str, ...]


def survey(folder: Path) -> Survey:
    """Measure a BIDS folder; no image is read beyond its header.

    Raises:
        TlimbError: it has no images that can be read, or its tables cannot be read (exit code 65).
    """
    if not folder.is_dir():
        raise _fault("files-missing", f"no folder `{folder}`")
    files = [file for file in entities.walk(folder, folder, []) if file.extension in ENDINGS]
    suffixes = Counter(file.suffix for file in files)
    order = [*(name for name in PREFERRED if name in suffixes), *(name for name, _ in suffixes.most_common())]
    suffix = next((name for name in order if _three(folder, [f.path for f in files if f.suffix == name])), None)
    if suffix is None:
        held = ", ".join(f"{name} ({number})" for name, number in suffixes.most_common(8)) or "no sub-*/ images"
        raise _fault("files-missing", f"no three-dimensional images in `{folder}`", note=held)
    stems = Counter(file.path.removesuffix(file.extension) for file in files if file.suffix == suffix)
    extension = ".nii.gz" if any(count > 1 for count in stems.values()) else None
    reader = Bids(folder=".", suffix=suffix, extension=extension)
    found, problems = reader.find(Declaration("bids", "", "bids", {}, "", folder))
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise TlimbError(errors, ExitCode.DATA)
    kept, only = _settled(found)
    spacing, extent, measured = _measured(folder, kept)
    no_value = _missing_cells([image.cells for image in kept])
    return Survey(
        suffix, dict(suffixes.most_common()), len({image.participant for image in kept}), len(kept), only, extension,
        spacing, extent, measured, _columns(folder, kept, reader.columns, no_value), no_value,
    )  # fmt: skip


def _fault(code: str, message: str, note: str = "") -> TlimbError:
    return TlimbError(Problem(code, message, note=(note,) if note else ()), ExitCode.DATA)


# -- which images --


def _settled(found: Sequence[Found]) -> tuple[list[Found], dict[str, Choice]]:
    """Choose one image a person where that leaves most people, else let all of an entity's values in."""
    kept, only = list(found), {}
    names = sorted(
        {name for image in found for name in image.entities},
        key=lambda name: (
            (("session", "run", "acquisition", *entities.NAMES.values()).index(name), name)
            if name in entities.NAMES.values()
            else (99, name)
        ),
    )
    for name in names:
        if not _differs(kept, name):
            continue
        people: dict[str, set[str]] = {}
        for image in kept:
            if name in image.entities:
                people.setdefault(image.entities[name], set()).add(image.participant)
        best = min(people, key=lambda value: (-len(people[value]), value))
        enough = len(people[best]) >= _KEPT * len({image.participant for image in kept})
        wanted = best if enough else ANY
        only[name] = Choice(wanted, {value: len(who) for value, who in sorted(people.items())})
        if enough:
            kept = [image for image in kept if same(image.entities.get(name), best)]
    return kept, only


def _differs(images: Iterable[Found], name: str) -> bool:
    """Say whether some person has images with several values of an entity."""
    seen: dict[str, set[str | None]] = {}
    for image in images:
        seen.setdefault(image.participant, set()).add(image.entities.get(name))
    return any(len(values) > 1 for values in seen.values())


# -- headers --


def _prefix(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(PREFIX_BYTES)
    if not path.name.endswith(".gz"):
        return raw
    try:
        return zlib.decompressobj(31).decompress(raw, PREFIX_BYTES)
    except zlib.error:
        return b""


def _three(folder: Path, paths: list[str]) -> bool:
    """Say whether the first readable image of a suffix has three axes."""
    for path in paths[:5]:
        try:
            return len(headers.parse(_prefix(folder / path), ".nii").shape) == 3
        except (ImageFaultError, OSError):
            continue
    return False


def _measured(
    folder: Path, images: Sequence[Found]
) -> tuple[tuple[float, float, float], tuple[float, float, float], int]:
    step = max(1, len(images) // MOST_HEADERS)
    spacings: list[list[float]] = []
    extents: list[list[float]] = []
    for image in images[::step][:MOST_HEADERS]:
        try:
            prefix = _prefix(folder / image.image)
            header = headers.parse(prefix, ".nii")
        except (ImageFaultError, OSError):
            continue
        if len(header.shape) != 3 or header.spacing_mm is None:
            continue
        turned = headers.axes(prefix)
        spacings.append([header.spacing_mm[axis] for axis in turned])
        extents.append([header.shape[axis] * header.spacing_mm[axis] for axis in turned])
    if not spacings:
        raise _fault("files-missing", f"no header of an image in `{folder}` can be read")
    right, front, up = (round(median(values), 3) for values in zip(*spacings, strict=True))
    wide, deep, tall = (max(values) for values in zip(*extents, strict=True))
    return (right, front, up), (wide, deep, tall), len(spacings)


# -- tables --


def _missing_cells(rows: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Give the cells that seem to stand for a missing value; -9 and the like only among numbers from 0 on."""
    found: dict[str, None] = {}
    for column in dict.fromkeys(name for row in rows for name in row):
        cells = {row.get(column, "") for row in rows}
        words = {cell for cell in cells if cell.lower() in _NO_VALUE}
        rest = cells - words - {"", "n/a"} - _NO_NUMBER
        numbers = [columns.number(cell) for cell in rest]
        if rest and all(number is not None and number >= 0 for number in numbers):
            words |= cells & _NO_NUMBER
        found |= dict.fromkeys(sorted(words))
    return tuple(found)


def _columns(
    folder: Path, images: Sequence[Found], names: tuple[str, ...], no_value: tuple[str, ...]
) -> tuple[Column, ...]:
    declaration = Declaration("bids", "", "bids", {}, "", folder, missing=("n/a", *no_value))
    labels = columns.make(declaration, images, names)
    found = []
    for name, facts in labels.facts.items():
        if name in labels.private or not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            continue
        values = [row[name] for row in labels.values if row[name] is not None]
        counts = Counter(str(value) for value in values)
        numbers = [value for value in values if isinstance(value, int | float)]
        numeric = facts.kind == "number" and bool(numbers)
        few = dict(sorted(counts.items())) if len(counts) <= MOST_CLASSES else {}
        found.append(
            Column(
                name, facts.kind, few, len(counts), min(numbers) if numeric else None,
                max(numbers) if numeric else None, facts.missing,
            )
        )  # fmt: skip
    return tuple(found)
