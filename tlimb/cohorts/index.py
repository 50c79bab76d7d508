"""From a dataset's declaration to its cohort index: images found, hashed and labelled, in canonical order."""

from collections.abc import Callable, Mapping, Sequence

from tlimb.cohorts import columns, own, people
from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.hashing import HashCache, Outcome
from tlimb.cohorts.headers import ImageFaultError
from tlimb.cohorts.reading import Found, Reader, problem, reader
from tlimb.cohorts.rows import Cohort, Row
from tlimb.cohorts.scan import Scan
from tlimb.problems import Problem, Severity

Progress = Callable[[int, int], None]
SHOWN = 200
"""Most images that a problem lists for one reason; whoever has to replace them wants all."""


def index(
    declaration: Declaration,
    hashes: HashCache,
    progress: Progress | None = None,
    *,
    with_names: bool = False,
) -> tuple[Cohort | None, list[Problem]]:
    """Make the index of a dataset with files of its own.

    Args:
        declaration: the dataset.
        hashes: the stat cache; the caller saves it once all datasets are indexed.
        progress: called with (files hashed, files in all).
        with_names: problems may name participants and files, for the terminal of who may see them.

    Returns:
        The cohort, None when an error stands in the way, and the problems, warnings among them.
    """
    made = _reader(declaration)
    if isinstance(made, Problem):
        return None, [made]
    found, problems = made.find(declaration, with_names)
    if _stopped(problems):
        return None, problems
    if not found:
        return None, [*problems, problem(declaration, "files-missing", f"no {made.what} in `{made.source}`", "")]
    found = sorted(found, key=lambda image: (image.participant, image.session or "", image.image))
    problems += _repeated(declaration, found)
    labels = columns.make(declaration, found, made.columns, made.private)
    problems += labels.problems
    images, masks = _hashed(declaration, hashes, found, progress)
    problems += _faults(declaration, made, found, images, "image", with_names)
    problems += _faults(declaration, made, found, masks, "mask", with_names)
    if _stopped(problems):
        return None, problems
    problems += _identity_column(declaration, labels)
    namespace = (declaration.identity.namespace if declaration.identity else None) or declaration.name
    persons, wrong = _persons(declaration, found, labels, namespace)
    problems += wrong
    if _stopped(problems):
        return None, problems
    rows = tuple(
        _row(declaration, number, image, images[number], masks[number], labels.values[number], persons)
        for number, image in enumerate(found)
    )
    problems += _duplicates(declaration, rows)
    cohort = Cohort(
        declaration.name,
        declaration.pointer,
        namespace,
        rows,
        labels.columns,
        labels.facts,
        labels.private,
        declaration.root_name,
        declaration.root,
        made.table,
        declaration.cohort,
        made.what,
        made.source,
        tuple(name for name in made.kin if name in labels.facts),
        made.skull_stripped,
        made.space,
    )
    return cohort, problems


def missing_label(cohort: Cohort, label: str, pointer: str) -> Problem:
    """Say that a cohort has no label of that name, and which it has."""
    return columns.missing_label(cohort, label, pointer)


def _reader(declaration: Declaration) -> Reader | Problem:
    pointer = f"{declaration.pointer}/files"
    if declaration.foreign is not None:
        return own.stored(declaration)
    try:
        cls = reader(declaration.reader)
    except LookupError:
        return Problem("unknown-cohort", f"no cohort reader is called `{declaration.reader}`", pointer)
    options = {name: value for name, value in declaration.options.items() if value is not None}
    try:
        return cls(**options)
    except TypeError as error:
        return Problem("unknown-key", f"`{declaration.reader}`: {str(error).split('() ', 1)[-1]}", pointer)


def _stopped(problems: Sequence[Problem]) -> bool:
    return any(found.severity is Severity.ERROR for found in problems)


def _hashed(
    declaration: Declaration, hashes: HashCache, found: Sequence[Found], progress: Progress | None
) -> tuple[list[Outcome], list[Outcome | None]]:
    masks = {image.mask: position for position, image in enumerate(found) if image.mask}
    names = [*(image.image for image in found), *masks]
    outcomes = hashes.scan_all([declaration.root / name for name in names], progress)
    by_mask = dict(zip(masks, outcomes[len(found) :], strict=True))
    return outcomes[: len(found)], [by_mask[image.mask] if image.mask else None for image in found]


def _faults(
    declaration: Declaration,
    made: Reader,
    found: Sequence[Found],
    outcomes: Sequence[Outcome | None],
    what: str,
    with_names: bool,
) -> list[Problem]:
    """Report all files that cannot be used at once, by reason."""
    reasons: dict[str, list[int]] = {}
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, ImageFaultError):
            reasons.setdefault(str(outcome), []).append(number)
    if not reasons:
        return []
    total = sum(map(len, reasons.values()))
    notes = []
    for reason, rows in sorted(reasons.items()):
        files = [found[row].image if what == "image" else str(found[row].mask) for row in rows]
        shown = files if with_names else [str(row) for row in rows]
        more = f", .. {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        notes.append(f"{'files' if with_names else 'rows'} {', '.join(shown[:SHOWN])}{more}: {reason}")
    option = {"bids": "suffix", "phantom": "folder", "hcp": "image"}.get(declaration.reader, "image")
    message = f"{total} of the {len(found):,} {what}s of `{declaration.name}` cannot be used"
    return [
        problem(
            declaration,
            "image-unreadable",
            message,
            option,
            note=notes,
            help=(
                "replace them, or leave them out with `exclude` (bids) or in the table",
                *(() if with_names else ("--with-names names their files",)),
            ),
        )
    ]


def _repeated(declaration: Declaration, found: Sequence[Found]) -> list[Problem]:
    files = [image.image for image in found]
    twice = len(files) - len(set(files))
    if not twice:
        return []
    message = f"{twice} rows of `{declaration.name}` name a file that another row names"
    return [problem(declaration, "image-twice", message, "image")]


def _identity_column(declaration: Declaration, labels: columns.Labels) -> list[Problem]:
    column = declaration.identity.column if declaration.identity else None
    if column is None or column in labels.facts:
        return []
    message = f"no column `{column}` in the tables of `{declaration.name}`"
    return [Problem("target-missing", message, f"{declaration.pointer}/identity/column")]


def _persons(
    declaration: Declaration, found: Sequence[Found], labels: columns.Labels, namespace: str
) -> tuple[Mapping[str, str], list[Problem]]:
    """Give participant -> keyed identity; empty without a private folder."""
    if declaration.private_root is None:
        return {}, []
    column = declaration.identity.column if declaration.identity else None
    values = {image.participant: row.get(column) for image, row in zip(found, labels.values, strict=True) if column}
    everyone = sorted({image.participant for image in found})
    known, problems = people.identities(declaration, everyone, values)
    if problems:
        return {}, problems
    key = people.group_key(declaration.private_root)
    return {person: people.keyed(key, namespace, identity) for person, identity in known.items()}, []


def _row(
    declaration: Declaration,
    number: int,
    image: Found,
    scan: Outcome,
    mask: Outcome | None,
    labels: Mapping[str, str | float | int | None],
    persons: Mapping[str, str],
) -> Row:
    assert isinstance(scan, Scan)
    return Row(
        number,
        image.participant,
        image.session,
        image.entities,
        declaration.root_name,
        image.image,
        scan.sha256,
        scan.voxels,
        image.mask,
        mask.sha256 if isinstance(mask, Scan) else None,
        scan.shape,
        scan.spacing_mm,
        labels,
        declaration.name,
        persons.get(image.participant, ""),
        scan.orientation,
        scan.codes,
    )


def _duplicates(declaration: Declaration, rows: Sequence[Row]) -> list[Problem]:
    owners: dict[str, set[str]] = {}
    for row in rows:
        owners.setdefault(row.voxels, set()).add(row.participant)
    shared = [people for people in owners.values() if len(people) > 1]
    if not shared:
        return []
    number = len(set().union(*shared))
    return [
        Problem(
            "duplicate-images",
            f"{number} participants of `{declaration.name}` share an image with somebody else; they stay together",
            f"{declaration.pointer}/files",
            on_key=True,
            severity=Severity.WARNING,
        )
    ]
