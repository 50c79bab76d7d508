"""The first study of a project as text: on synthetic images, or on BIDS folders that were measured for it."""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import field, frozen

from tlimb.cohorts.survey import Column, Survey
from tlimb.language.rewriting.spelling import number, scalar
from tlimb.problems import ExitCode, Problem, TlimbError

MODELINE = "# yaml-language-server: $schema=./.tlimb/schema.json"
FEWEST_PEOPLE = 8
"""Fewer people cannot be divided into three parts."""
FEWEST_OF_CLASS = 10
"""A class with fewer images would be missing from a part."""
_COLUMN = 42
_FIRST = {
    "number": (r"age.*", r".*age"),
    "class": (r"diagnosis|dx|patient", r"group|case|condition", r"sex|gender"),
}
_FAMILY = re.compile(r"fam(ily)?(_?id)?|fid|pedigree", re.IGNORECASE)
_SITE = re.compile(r"(site|cent(er|re)|scanner|hospital|institution)(_?id)?", re.IGNORECASE)


@frozen
class Cohort:
    """One measured folder and how the study will call and find it.

    Attributes:
        name: of the dataset.
        folder: as the spec writes it, relative to its root.
        root: name of a root that lies elsewhere; empty for the folder of the spec.
        seen: what was measured.
    """

    name: str
    folder: str
    root: str
    seen: Survey
    target: dict[str, Column] = field(factory=dict)


def name_of(folder: Path, taken: Sequence[str]) -> str:
    """Give a folder's name as the name of a dataset that is not taken."""
    plain = re.sub(r"[^a-z0-9_]+", "_", folder.name.lower()).strip("_") or "cohort"
    plain = plain if plain[0].isalpha() and plain not in ("none", "all", "rest") else f"cohort_{plain}"
    return next(one for one in (plain, *(f"{plain}_{i}" for i in range(2, 99))) if one not in taken)


def written(name: str, cohorts: Sequence[Cohort]) -> str:
    """Give the text of a study on measured folders.

    Args:
        name: of the study.
        cohorts: the folders; the largest is learned from first, each other one, or the same, afterwards.

    Raises:
        TlimbError: there are too few people, or no column that can be learned (exit code 65).
    """
    for cohort in cohorts:
        _usable(cohort)
    ordered = sorted(cohorts, key=lambda cohort: -cohort.seen.participants)
    first, others = ordered[0], ordered[1:] or ordered[:1]
    source = _target(first, "number") or _target(first, "class")
    kind = "class" if all(_target(one, "class") for one in others) else "number"
    if source is None or any(_target(one, kind) is None for one in others):
        lacking = first if source is None else next(one for one in others if _target(one, kind) is None)
        raise _no_target(lacking)
    lines = [
        MODELINE,
        "#",
        "# Does it help to learn something else first? A network is pretrained, fine-tuned on another question, and",
        "# compared with one that starts from nothing. Written by `tlimb init` from what the folders hold: what is",
        "# said of people and images below was measured, everything else is a place to begin.",
        "#",
        "# Then:  tlimb plan study.yaml   and   tlimb run study.yaml",
        "tlimb: 1",
        f"name: {scalar(name)}",
        "",
        *_roots(ordered),
        "datasets:",
    ]
    for cohort in ordered:
        learned = [_objective(first, source)] if cohort is first and first not in others else []
        learned += [_objective(cohort, _target(cohort, kind))] if cohort in others else []
        lines += _dataset(cohort, learned, tested=cohort in others)
    lines += ["", *_defaults(ordered), ""]
    if first in others and source is _target(first, kind):
        lines += _one_stage(first, source, kind)
    else:
        lines += [*_stages(first, source, others, kind), "", *_end(others, kind)]
    return "\n".join(lines) + "\n"


def _usable(cohort: Cohort) -> None:
    if cohort.seen.participants < FEWEST_PEOPLE:
        message = f"`{cohort.name}` has {cohort.seen.participants} people: too few to divide"
        raise TlimbError(Problem("split-too-small", message), ExitCode.DATA)


def _no_target(cohort: Cohort) -> TlimbError:
    held = ", ".join(_told(column) for column in cohort.seen.columns) or "no columns"
    problem = Problem(
        "target-missing",
        f"`{cohort.name}` has no column to begin with: a number, or classes of at least {FEWEST_OF_CLASS} people",
        note=f"participants.tsv has: {held}",
        help="add one to participants.tsv, or write the study by hand: `tlimb init --template own-data-from-a-table`",
    )
    return TlimbError(problem, ExitCode.DATA)


# -- what to learn --


def _target(cohort: Cohort, kind: str) -> Column | None:
    """Give the column that a network learns first: a well-known one, else the first that can be learned."""
    fitting = [column for column in cohort.seen.columns if _learnable(cohort, column, kind)]
    for pattern in _FIRST[kind]:
        for column in fitting:
            if re.fullmatch(pattern, column.name, re.IGNORECASE):
                return column
    return fitting[0] if fitting else None


def _learnable(cohort: Cohort, column: Column, kind: str) -> bool:
    if _FAMILY.fullmatch(column.name) or (_SITE.fullmatch(column.name)) or 2 * column.missing > cohort.seen.images:
        return False
    if kind == "number":
        return column.kind == "number" and column.distinct > FEWEST_OF_CLASS
    few = len(column.counts) >= 2 and min(column.counts.values()) >= FEWEST_OF_CLASS
    return few and column.kind in ("class", "number")


def _objective(cohort: Cohort, column: Column | None) -> Column:
    assert column is not None, cohort.name
    return column


def _named(cohort: Cohort, pattern: re.Pattern[str]) -> Column | None:
    return next((column for column in cohort.seen.columns if pattern.fullmatch(column.name)), None)


# -- sections --


def _roots(cohorts: Sequence[Cohort]) -> Iterator[str]:
    if any(cohort.root for cohort in cohorts):
        yield _beside("roots:", "where they lie on this machine stands in .tlimb/roots.yaml, or --root NAME=PATH")
        for root in dict.fromkeys(cohort.root for cohort in cohorts if cohort.root):
            yield f"  {root}: data/{root}"
        yield ""


def _dataset(cohort: Cohort, learned: Sequence[Column], *, tested: bool) -> Iterator[str]:
    seen = cohort.seen
    others = ", ".join(f"{number_} {suffix}" for suffix, number_ in seen.suffixes.items() if suffix != seen.suffix)
    images = (
        f"{seen.images} {seen.suffix} images" if seen.images != seen.participants else f"one {seen.suffix} image each"
    )
    yield f"  # {seen.participants} people, {images}" + (f" (also in the folder: {others})" if others else "")
    yield "  # the tables have, of these people:"
    for column in seen.columns:
        yield f"  #   {_told(column)}"
    yield f"  {cohort.name}:"
    if cohort.root:
        yield f"    root: {cohort.root}"
    yield "    files:"
    extension = f", extension: {seen.extension}" if seen.extension else ""
    yield _beside(
        f"      bids: {{folder: {scalar(cohort.folder)}, suffix: {seen.suffix}{extension}}}",
        "images are there as .nii and as .nii.gz" if seen.extension else "",
    )
    if seen.no_value:
        cells = ", ".join(["n/a", *(_cell(cell) for cell in seen.no_value)])
        yield _beside(f"    missing: [{cells}]", "cells of the tables that seem to mean nothing")
    yield from _narrowed(seen)
    yield "    split:"
    yield from _split(cohort, learned, tested=tested)


def _narrowed(seen: Survey) -> Iterator[str]:
    if seen.only:
        yield "    only:"
    for entity, choice in seen.only.items():
        people = ", ".join(f"{value} ({count})" for value, count in list(choice.people.items())[:6])
        chosen = "any" if choice.wanted == "any" else _cell(choice.wanted)
        yield _beside(f"      {entity}: {chosen}", f"people by {entity}: {people}")


def _split(cohort: Cohort, learned: Sequence[Column], *, tested: bool) -> Iterator[str]:
    yield "      holdout:"
    share = "0.6" if tested else "0.8"
    yield _beside(f"        train: {share}", "shares of the people; whole numbers would be people")
    yield _beside("        val: 0.2", "shows how training goes" + (", and chooses the learning rate" if tested else ""))
    if tested:
        yield _beside("        test: 0.2", "is looked at last")
    if learned:
        names = ", ".join(scalar(column.name) for column in learned[-1:])
        yield _beside(f"        stratify: [{names}]", "each part gets its share of each class, or of each quarter")
    family = _named(cohort, _FAMILY)
    if family is not None:
        yield _beside(f"        group: [{scalar(family.name)}]", "relatives stay together")
    site = _named(cohort, _SITE)
    if site is not None and site.distinct > 1:
        yield f"        # `{site.name}` has {site.distinct} values: for a test on unseen ones see `leave_one_out`"


def _defaults(cohorts: Sequence[Cohort]) -> Iterator[str]:
    spacing = tuple(max(cohort.seen.spacing_mm[i] for cohort in cohorts) for i in range(3))
    extent = tuple(max(cohort.seen.extent_mm[i] for cohort in cohorts) for i in range(3))
    target = chosen_spacing(max(spacing))
    crop = ", ".join(str(edge) for edge in chosen_crop(extent, target))
    measured = sum(cohort.seen.measured for cohort in cohorts)
    yield "defaults:"
    yield "  data:"
    yield "    bio_image:"
    voxels = " x ".join(f"{size:g}" for size in spacing)
    yield _beside(f"      spacing_mm: {number(target)}", f"the images have {voxels} mm (from {measured} headers)")
    field_ = " x ".join(f"{size:.0f}" for size in extent)
    yield _beside(f"      crop: [{crop}]", f"holds the largest field of view, {field_} mm, in steps of 8 voxels")
    yield _beside("      intensity: zscore", "each image to mean 0, standard deviation 1")
    yield "  architecture:"
    yield _beside("    resnet3d: {depth: 10, filters: 16}", "small; others: tlimb components architecture")
    yield "  trainer: {epochs: 10, batch_size: 8}"


def chosen_spacing(stored_mm: float) -> float:
    """Give the voxel size to begin with, in mm: 4, or what the images have where that is coarser."""
    return 4 if stored_mm <= 4 else float(f"{stored_mm:.3g}") if stored_mm % 1 else int(stored_mm)


def chosen_crop(extent_mm: Sequence[float], spacing_mm: float) -> tuple[int, ...]:
    """Give the voxels along each axis that hold a field of view, a multiple of 8."""
    return tuple(8 * max(1, math.ceil(round(size / spacing_mm, 3) / 8)) for size in extent_mm)


def _one_stage(cohort: Cohort, target: Column, kind: str) -> Iterator[str]:
    """Give a study of one question, for people of whom only one thing can be learned."""
    yield "stages:"
    yield "  train:"
    yield f"    dataset: {cohort.name}"
    yield from _learn(target, kind)
    yield "    optimizer:"
    yield "      adamw:"
    yield _beside("        lr: {choice: [1e-4, 1e-3]}", "searched: the better one on validation is kept")
    yield ""
    yield "tests:"
    yield f"  held_out: {{of: train, dataset: {cohort.name}}}"
    yield from _shown(kind, against="")


def _stages(first: Cohort, source: Column, others: Sequence[Cohort], kind: str) -> Iterator[str]:
    yield "stages:"
    yield "  pretrain:"
    yield f"    dataset: {first.name}"
    yield from _learn(source, "number" if source is _target(first, "number") else "class")
    yield "    optimizer:"
    yield "      adamw: {lr: 1e-3}"
    for position, cohort in enumerate(others):
        target = _target(cohort, kind)
        assert target is not None
        tuned, scratch = _pair(cohort, others)
        yield f"  {tuned}:"
        if position:
            yield f"    like: {_pair(others[0], others)[0]}"
        yield _beside("    from: pretrain", "the encoder's weights come from there; the head is new")
        yield f"    dataset: {cohort.name}"
        yield from _learn(target, kind)
        if not position:
            yield "    optimizer:"
            yield "      adamw:"
            yield _beside("        lr: {choice: [1e-4, 1e-3]}", "searched: the better one on validation is kept")
        yield f"  {scratch}:"
        yield _beside(f"    like: {tuned}", "the control: same people, budget and search, no pretraining")
        yield "    from: none"


def _pair(cohort: Cohort, others: Sequence[Cohort]) -> tuple[str, str]:
    if len(others) == 1:
        return "finetune", "scratch"
    return f"finetune_{cohort.name}", f"scratch_{cohort.name}"


def _learn(column: Column, kind: str) -> Iterator[str]:
    yield "    objective:"
    yield f"      {'regression' if kind == 'number' else 'classification'}: {{target: {scalar(column.name)}}}"


def _end(others: Sequence[Cohort], kind: str) -> Iterator[str]:
    yield "tests:"
    for cohort in others:
        name = "held_out" if len(others) == 1 else f"held_out_{cohort.name}"
        stages = ", ".join(_pair(cohort, others))
        yield f"  {name}: {{of: [{stages}], dataset: {cohort.name}}}"
    yield from _shown(kind, against="" if len(others) > 1 else "scratch")


def _shown(kind: str, against: str) -> Iterator[str]:
    yield f"select: {{metric: {'cross_entropy' if kind == 'class' else 'mae'}}}"
    metrics = "balanced_accuracy, auroc" if kind == "class" else "mae, r2"
    yield f"report: {{metrics: [{metrics}]{f', against: {against}' if against else ''}}}"


# -- words --


def _told(column: Column) -> str:
    lacking = f", {column.missing} missing" if column.missing else ""
    if column.counts and (column.kind != "number" or len(column.counts) <= 2):
        return f"{column.name}: " + ", ".join(f"{value} ({count})" for value, count in column.counts.items()) + lacking
    if column.kind == "number" and column.low is not None and column.high is not None:
        return f"{column.name}: number, {column.low:g} to {column.high:g}{lacking}"
    mixed = "numbers and text" if column.kind == "mixed" else "text"
    return f"{column.name}: {mixed}, {column.distinct} different values{lacking}"


def _cell(text: str) -> str:
    """Write a cell: numbers of the missing-value kind as numbers, what looks like another thing in quotes."""
    return text if re.fullmatch(r"-\d+", text) else scalar(text)


def _beside(code: str, comment: str) -> str:
    return (
        f"{code.ljust(_COLUMN - 1)} # {comment}"
        if comment and len(code) < _COLUMN - 1
        else (f"{code}  # {comment}" if comment else code)
    )
