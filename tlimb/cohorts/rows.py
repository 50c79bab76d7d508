"""What an index holds: rows of images, the facts of labels, and the cohort they make."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from attrs import field, frozen

Cell = str | float | int | None
"""A label's value: text, a number, or None where it is missing."""


@frozen
class Row:
    """One image of a cohort.

    Attributes:
        number: position in the cohort's canonical order, from 0; how a row is named where people may look.
        participant: id in the table, such as `sub-01`.
        session: visit, without `ses-`; None without visits.
        entities: BIDS entities of the file by long name, such as `session`, `run`, `description`; empty for tables.
        root: name of the root.
        image: path relative to the root, with forward slashes.
        sha256: of the file's bytes.
        voxels: sha256 of the decoded samples with their shape and type; equal for a file and its recompression.
        mask: path of the brain mask, relative to the root; None without.
        mask_sha256: of the mask's bytes; None without.
        shape: size of the stored array, axes as stored; trailing axes of length 1 beyond the third are dropped.
        spacing_mm: voxel size in mm along the first three axes; None for arrays without a scale.
        labels: label -> value.
        dataset: name of the dataset.
        person: keyed identity, 64 hex digits; empty where no private folder is known.
        orientation: where the stored axes run to, such as RAS; empty where the file does not say it.
        codes: of sform and qform in the header; None for files that are no NIfTI.
    """

    number: int
    participant: str
    session: str | None
    entities: Mapping[str, str]
    root: str
    image: str
    sha256: str
    voxels: str
    mask: str | None
    mask_sha256: str | None
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    labels: Mapping[str, Cell]
    dataset: str = ""
    person: str = ""
    orientation: str = ""
    codes: tuple[int, int] | None = None


@frozen
class LabelFacts:
    """What a label holds in the whole cohort.

    Attributes:
        kind: `number` when every value present is a number, `class` when none is, else `mixed`.
        classes: distinct values as text, in the order of outputs: numbers by size, else by code point.
        missing: rows without a value.
        column: column of the table that it is read from.
        examples: for `mixed`, one value that is not a number.
    """

    kind: Literal["number", "class", "mixed"]
    classes: tuple[str, ...]
    missing: int
    column: str
    examples: tuple[str, ...] = ()


@frozen(eq=False)
class Cohort:
    """The index of one dataset with files of its own.

    Attributes:
        name: the dataset's name.
        pointer: JSON pointer of the dataset.
        namespace: people with equal ids in equal namespaces are the same.
        rows: images in canonical order: participant, session, path.
        columns: names of the raw columns that labels may be made of, in the order of the tables.
        labels: label -> facts.
        private: labels whose values stay out of manifests, reports and logs.
        root_name: name of the root.
        root: absolute folder of the root.
        table: what to call the table in messages, such as `participants.tsv`.
        population: name of the population, for the leak guard; None when it is not declared.
        what: what an image is called in messages, such as `T1w image`.
        source: folder or table as the spec writes it, for messages.
        skull_stripped: whether the reader knows that images are without the skull, or with it; None when it does not.
        space: in which the reader knows that images lie; None when it does not.
        kin: labels whose equal values make relatives, who are never divided, whatever a split's `group` says.
    """

    name: str
    pointer: str
    namespace: str
    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    labels: Mapping[str, LabelFacts]
    private: frozenset[str]
    root_name: str
    root: Path
    table: str = "participants.tsv"
    population: str | None = None
    what: str = "image"
    source: str = ""
    kin: tuple[str, ...] = ()
    skull_stripped: bool | None = None
    space: str | None = None
    by_participant: Mapping[str, tuple[Row, ...]] = field(init=False, repr=False)

    @by_participant.default
    def _collect(self) -> Mapping[str, tuple[Row, ...]]:
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.participant, []).append(row)
        return {name: tuple(rows) for name, rows in found.items()}

    @property
    def participants(self) -> tuple[str, ...]:
        """Give the participants in canonical order."""
        return tuple(self.by_participant)

    def value(self, participant: str, label: str) -> Cell:
        """Give a participant's value of a label: that of the first row that has one, None without."""
        for row in self.by_participant[participant]:
            value = row.labels.get(label)
            if value is not None:
                return value
        return None

    def values(self, participant: str, label: str) -> Iterator[Cell]:
        """Go through the values a participant has of a label, missing ones left out."""
        for row in self.by_participant[participant]:
            value = row.labels.get(label)
            if value is not None:
                yield value
