"""What headers and names of files tell of images, what a study takes for granted, and where the two disagree."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from tlimb.cohorts import series
from tlimb.cohorts.rows import Cohort, Row
from tlimb.cohorts.scan import suffix
from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Dataset, Stage, Study
from tlimb.language.values import Component, Record
from tlimb.plan.cohort import Cohorts
from tlimb.plan.reach import Reach
from tlimb.problems import Problem, Related, Severity

OWN_SPACES = frozenset({"scanner", "native", "individual", "orig", "anat", "acpc", "t1w", "t2w", "bold", "dwi"})
"""Spaces of the person's own, lower case; every other name of a space is a template's."""
WITH_SKULL = frozenset({"preproc", "head", "fullhead", "defaced"})
"""Values of `desc` that are images with the skull in the pipelines that write them."""
CODES = ("unknown", "scanner", "aligned", "Talairach", "MNI152", "template")
"""Meaning of the codes of sform and qform, 0 to 5.

Source: NIfTI-1 data format, nifti1.h, 2007, and NIFTI_XFORM_TEMPLATE_OTHER of 2019.
"""
SPACING_TOLERANCE = 0.05
"""Voxel sizes that differ by a larger share of the smallest differ."""
WORDS = {"skull_stripped": "skull-stripped", "registered": "registered to a template"}
SHOWN = 3


@frozen
class Known:
    """What is known of one image; None where nothing tells it."""

    skull_stripped: bool | None
    registered: bool | None
    space: str


def known(row: Row, cohort: Cohort, dataset: Dataset) -> Known:
    """Say what an image is: by the study, else by the reader, the name of the file, or the header."""
    said = dataset.images
    stripped = cohort.skull_stripped if said is None or said.skull_stripped is None else said.skull_stripped
    description = row.entities.get("description", "").lower()
    if stripped is None and description:
        stripped = True if "brain" in description else False if description in WITH_SKULL else None
    space = (said.space if said is not None else None) or cohort.space or row.entities.get("space")
    if space is not None:
        return Known(stripped, space.lower() not in OWN_SPACES, space)
    # Only the form that is read counts: sform where it has a code, else qform.
    code = next((code for code in row.codes or () if code > 0), 0)
    return Known(stripped, {1: False, 3: True, 4: True, 5: True}.get(code), "")


# -- lines of a plan --


def lines(study: Study, catalogue: Catalogue, cohorts: Cohorts, name: str) -> Iterator[str]:
    """Tell what the headers of a dataset's images say, how much they differ, and what is taken for granted."""
    dataset, cohort = study.datasets[name], cohorts.cohort(name)
    rows = cohorts.kept(name)
    if not rows:
        return
    if suffix(rows[0].image) in series.ENDINGS:
        yield f"  tables: {_sizes([row.shape for row in rows])}"
        return
    facts = [known(row, cohort, dataset) for row in rows]
    said = [f"{_sizes([row.shape for row in rows])} voxels", _spacing(rows)]
    if any(row.codes for row in rows):
        said.append(_counted((row.orientation or "no orientation" for row in rows), len(rows)))
        for position, form in enumerate(("sform", "qform")):
            said.append(f"{form} {_counted((_code(row, position) for row in rows), len(rows))}")
    spaces = _counted((one.space for one in facts if one.space), len(rows))
    said += [f"space {spaces}"] if spaces else []
    stripped = _counted((_skull(one) for one in facts if one.skull_stripped is not None), len(rows))
    said += [stripped] if stripped else []
    yield f"  images: {', '.join(said)}"
    for word, by in _expected(study, catalogue, name).items():
        if any(getattr(one, word) is None for one in facts):
            yield f"  taken for granted: {WORDS[word]} (by {', '.join(dict.fromkeys(by.values()))}; nothing tells it)"


def _skull(one: Known) -> str:
    return "skull-stripped" if one.skull_stripped else "with skull"


def _code(row: Row, position: int) -> str:
    code = (row.codes or (0, 0))[position]
    return f"{CODES[code] if 0 <= code < len(CODES) else 'other'} ({code})"


def _counted(values: Iterable[str], whole: int) -> str:
    counts = Counter(values)
    if len(counts) == 1 and counts.total() == whole:
        return next(iter(counts))
    shown = [f"{value}: {number}" for value, number in counts.most_common(SHOWN)]
    return " | ".join([*shown, *(["and others"] if len(counts) > SHOWN else [])])


def _sizes(shapes: Sequence[tuple[int, ...]]) -> str:
    distinct = sorted(set(shapes))
    if len(distinct) == 1 or len({len(shape) for shape in distinct}) > 1:
        return " or ".join(" x ".join(map(str, shape)) for shape in distinct[:SHOWN])
    return f"{_ranges(distinct)} ({len(distinct)} shapes)"


def _spacing(rows: Sequence[Row]) -> str:
    sizes = {row.spacing_mm for row in rows}
    spaced = sorted(size for size in sizes if size is not None)
    if not spaced or len({len(size) for size in spaced}) > 1:
        return "voxel size unknown"
    several = f" ({len(spaced)} sizes)" if len(spaced) > 1 else ""
    return f"{_ranges(spaced)} mm{several}" + (", some of unknown voxel size" if None in sizes else "")


def _ranges(values: Sequence[tuple[float, ...]]) -> str:
    axes = [(min(axis), max(axis)) for axis in zip(*values, strict=True)]
    return " x ".join(f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in axes)


# -- what is expected, and by whom --


def _expected(study: Study, catalogue: Catalogue, name: str) -> dict[str, dict[str, str]]:
    """Give what stages that read a dataset expect of its images: word -> JSON pointer of who does -> its name."""
    found: dict[str, dict[str, str]] = {}
    reach = Reach(study)
    for stage in study.stages.values():
        if name not in reach.datasets(stage):
            continue
        for module in modules(reach, catalogue, stage):
            for word in catalogue.facts("data", module.name).get("expects", ()):
                found.setdefault(word, {})[module.pointer] = f"`{module.name}`"
        for weights in _weights(reach, stage):
            layout = study.pretrained[weights].layout
            expected = () if layout is None else catalogue.facts("layout", layout.name).get("expects", ())
            # Words about intensities are compared with the preprocessing, by a rule of the language.
            for word in (one for one in expected if one in WORDS):
                pointer = f"{study.pretrained[weights].pointer}/layout"
                found.setdefault(word, {})[pointer] = f"the weights `{weights}`"
    return found


def modules(reach: Reach, catalogue: Catalogue, stage: Stage) -> Iterator[Component]:
    """Go through the data modules that a stage may have."""
    for value in reach.follow(stage.data):
        if isinstance(value, Component) and catalogue.get("data", value.name) is not None:
            yield value


def _weights(reach: Reach, stage: Stage) -> Iterator[str]:
    values = stage.from_.values() if isinstance(stage.from_, Mapping) else (stage.from_,)
    words = (word for value in values for word in reach.words(value))
    yield from (word for word in dict.fromkeys(words) if word in reach.study.pretrained)


# -- problems --


def problems(study: Study, catalogue: Catalogue, cohorts: Cohorts) -> list[Problem]:
    """Find images that are not what somebody expects, and images that lie differently and are not brought in line."""
    found: dict[Problem, None] = {}
    for name in cohorts.used():
        dataset, cohort, rows = study.datasets[name], cohorts.cohort(name), cohorts.kept(name)
        found |= dict.fromkeys(_contradicted(dataset, cohort, rows))
        found |= dict.fromkeys(_unexpected(study, catalogue, dataset, cohort, rows))
        found |= dict.fromkeys(_differing(study, catalogue, dataset, rows))
        found |= dict.fromkeys(_placeless(study, catalogue, dataset, rows))
    return list(found)


def _unexpected(
    study: Study, catalogue: Catalogue, dataset: Dataset, cohort: Cohort, rows: Sequence[Row]
) -> Iterator[Problem]:
    facts = [known(row, cohort, dataset) for row in rows]
    for word, by in _expected(study, catalogue, dataset.name).items():
        unlike = sum(getattr(one, word) is False for one in facts)
        if not unlike:
            continue
        what = "have the skull" if word == "skull_stripped" else "lie in a space of the person's own"
        for pointer, who in by.items():
            yield Problem(
                "images-unlike",
                f"{who} expect{'' if who.startswith('the ') else 's'} images that are {WORDS[word]}; {unlike:,} of the"
                f" {len(rows):,} of `{dataset.name}` {what}",
                pointer,
                on_key=pointer.endswith("/layout"),
                severity=Severity.WARNING,
                related=(Related(_files(dataset), "the images", on_key=True),),
                help=_mended(word),
            )


def _mended(word: str) -> tuple[str, ...]:
    if word == "skull_stripped":
        return (
            "choose images without it, such as `desc: brain` of derivatives",
            "or, if names or headers are wrong, say so in the dataset:   images: {skull_stripped: true}",
        )
    return (
        "choose images in a template's space, such as `space: MNI152NLin2009cAsym` of derivatives",
        "or, if names or headers are wrong, say so in the dataset:   images: {space: NAME}",
    )


def _contradicted(dataset: Dataset, cohort: Cohort, rows: Sequence[Row]) -> Iterator[Problem]:
    """Find what the study says of images and the names of their files deny."""
    said = dataset.images
    if said is None:
        return
    place = dataset.origins.get("images", f"{dataset.pointer}/images")
    descriptions = Counter(row.entities.get("description", "") for row in rows)
    against = [
        f"desc-{name}"
        for name in descriptions
        if said.skull_stripped is not None
        and name
        and (("brain" in name.lower()) if said.skull_stripped is False else name.lower() in WITH_SKULL)
    ]
    spaces = {row.entities.get("space", "") for row in rows} - {""}
    against += sorted(f"space-{name}" for name in spaces if said.space is not None and name != said.space)
    if against:
        message = f"the names of the images of `{dataset.name}` say otherwise: {', '.join(against[:SHOWN])}"
        yield Problem(
            "images-unlike", message, place, on_key=True, severity=Severity.WARNING,
            related=(Related(_files(dataset), "the images", on_key=True),),
            help="what is written here counts; take it out if the names are right",
        )  # fmt: skip


def _differing(study: Study, catalogue: Catalogue, dataset: Dataset, rows: Sequence[Row]) -> Iterator[Problem]:
    orientations = Counter(row.orientation for row in rows if row.orientation)
    # Axes may be stored in another order, which is no other voxel size.
    spacings = [sorted(row.spacing_mm) for row in rows if row.spacing_mm]
    uneven = any(max(axis) > min(axis) * (1 + SPACING_TOLERANCE) for axis in zip(*spacings, strict=False))
    reach = Reach(study)
    for stage in study.stages.values():
        if dataset.name not in reach.datasets(stage):
            continue
        for module in modules(reach, catalogue, stage):
            if 1 in catalogue.facts("data", module.name).get("dims", ()):
                continue
            settled = _settled(reach, catalogue, module)
            if len(orientations) > 1 and "orientation" not in settled:
                message = (
                    f"`{module.name}` does not turn images, and those of `{dataset.name}` are stored in"
                    f" {len(orientations)} orientations: {_counted(orientations.elements(), 0)}"
                )
                help_ = "let them be turned: `bio_image`, or `volume_3d` with `canonical`"
                yield _grid(dataset, module, message, help_)
            if uneven and "spacing" not in settled:
                message = (
                    f"`{module.name}` does not resample images, and the voxels of `{dataset.name}` differ in"
                    f" size: {_spacing(rows)}"
                )
                help_ = "let them be resampled: `bio_image`, or `volume_3d` with `resample`"
                yield _grid(dataset, module, message, help_)


def _placeless(study: Study, catalogue: Catalogue, dataset: Dataset, rows: Sequence[Row]) -> Iterator[Problem]:
    """Find volumes that no data module of ours would read, because nothing says where their left is."""
    lacking = [row.number for row in rows if row.codes is not None and max(row.codes) <= 0]
    reach = Reach(study)
    stages = [stage for stage in study.stages.values() if dataset.name in reach.datasets(stage)]
    if not lacking or not any(True for stage in stages for _ in modules(reach, catalogue, stage)):
        return
    yield Problem(
        "orientation-unknown",
        f"{len(lacking):,} of the {len(rows):,} images of `{dataset.name}` say nothing about their orientation"
        " (the codes of sform and qform are 0)",
        _files(dataset),
        on_key=True,
        note=f"rows, first: {', '.join(map(str, lacking[:5]))}",
        help="find out how they are stored and write it into their headers, or leave them out",
    )


def _settled(reach: Reach, catalogue: Catalogue, module: Component) -> set[str]:
    """Give what a data module and its steps bring in line; a step of the user's own may do either."""
    found = set(catalogue.facts("data", module.name).get("settles", ()))
    for value in reach.follow(module.options.get("preprocess")):
        # A step is written as a bare word, or as a mapping of its name to its options.
        for name in value.fields if isinstance(value, Record) else (value,):
            if isinstance(name, str):
                own = ("orientation", "spacing") if "." in name else ()
                found |= {*own, *catalogue.facts("preprocess", name).get("settles", ())}
    return found


def _grid(dataset: Dataset, module: Component, message: str, help_: str) -> Problem:
    related = (Related(_files(dataset), "the images", on_key=True),)
    return Problem("grids-differ", message, module.pointer, severity=Severity.WARNING, related=related, help=help_)


def _files(dataset: Dataset) -> str:
    return f"{dataset.origins.get('files', dataset.pointer)}"
