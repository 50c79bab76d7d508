"""Whether people of one set of rows are, or are related to, people of another; within and across cohorts.

Two rows belong together when their keyed identities are equal, when their people share a family, or when their
images have equal bytes or equal samples; and so on from there. So the sibling of a person who is in another cohort
under another name is found, whichever cohort tells it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from attrs import frozen

from tlimb.cohorts.ranks import Union
from tlimb.cohorts.rows import Cohort, Row
from tlimb.cohorts.scan import suffix

Comparison = Literal["by id", "by content only", "not comparable"]
FAMILY = "family"


@frozen
class Overlap:
    """How two sets of rows overlap, in participants of the second.

    Attributes:
        tested: participants of the second set.
        people: those who are in the first set themselves, by identity.
        copies: those of whom the first set has an image under another identity.
        relatives: those who are neither, but are related to somebody in the first set.
        families: groups of related people that both sets touch, the above included.
    """

    tested: int
    people: int
    copies: int
    relatives: int
    families: int

    def __bool__(self) -> bool:
        """Tell whether there is any overlap."""
        return bool(self.people or self.copies or self.relatives)


class Kinship:
    """Who belongs together, over all cohorts of a study."""

    def __init__(self, cohorts: Iterable[Cohort], groups: Mapping[str, Sequence[str]] | None = None) -> None:
        """Join everybody.

        Args:
            cohorts: all cohorts that the study reads, tested and trained on alike: links run through third ones.
            groups: cohort name -> labels such as family whose values are shared by people who belong together;
                the label `family` counts in every cohort that has it. Equal values join within a namespace only.
        """
        self._union = Union()
        self._person: dict[tuple[str, str], str] = {}
        for cohort in cohorts:
            labels = sorted({FAMILY, *cohort.kin, *(groups or {}).get(cohort.name, ())} & set(cohort.labels))
            for row in cohort.rows:
                self._add(cohort, row, labels)

    def _add(self, cohort: Cohort, row: Row, labels: Sequence[str]) -> None:
        person = row.person or f"{cohort.namespace}/{row.participant.removeprefix('sub-')}"
        self._person[row.root, row.image] = person
        item = ("person", person)
        self._union.find(item)
        self._union.join(item, ("file", row.sha256))
        if row.voxels:
            self._union.join(item, ("voxels", row.voxels))
        for label in labels:
            value = row.labels.get(label)
            if value is not None:
                self._union.join(item, ("group", cohort.namespace, label, value))

    def person(self, row: Row) -> str:
        """Give the identity of a row's participant; equal for one person in two datasets."""
        return self._person[row.root, row.image]

    def family(self, row: Row) -> object:
        """Give a token that is equal for all rows that belong together."""
        return self._union.find(("person", self.person(row)))

    def tokens(self, rows: Iterable[Row]) -> list[str]:
        """Give one text for each row, equal for those that belong together: the smallest identity among these rows."""
        listed = list(rows)
        smallest: dict[object, str] = {}
        for row in listed:
            family, person = self.family(row), self.person(row)
            smallest[family] = min(person, smallest.get(family, person))
        return [smallest[self.family(row)] for row in listed]

    def overlap(self, seen: Iterable[Row], tested: Iterable[Row]) -> Overlap:
        """Compare what a model has seen with what it is tested on.

        Args:
            seen: rows of everything that formed the model: training, unlabelled, validation, of all ancestors.
            tested: rows of the test.
        """
        seen, tested = list(seen), list(tested)
        people = {self.person(row) for row in seen}
        families = {self.family(row) for row in seen}
        contents = {mark for row in seen for mark in (row.sha256, row.voxels) if mark}
        kinds: dict[str, int] = {}
        touched = set()
        for row in tested:
            person = self.person(row)
            kind = 0
            if person in people:
                kind = 3
            elif row.sha256 in contents or row.voxels in contents:
                kind = 2
            elif self.family(row) in families:
                kind = 1
            if kind:
                touched.add(self.family(row))
            kinds[person] = max(kind, kinds.get(person, 0))
        held = list(kinds.values())
        return Overlap(len(held), held.count(3), held.count(2), held.count(1), len(touched))


def comparable(first: Cohort, second: Cohort) -> Comparison:
    """Say how the people of two cohorts can be told to be the same.

    Equal ids mean something in one namespace only. Equal content shows where both hold files of a kind; between
    kinds (a volume and a slice as .png) nothing can be said.
    """
    if first.namespace == second.namespace:
        return "by id"
    return "by content only" if _kinds(first) & _kinds(second) else "not comparable"


def _kinds(cohort: Cohort) -> set[str | None]:
    return {(suffix(row.image) or "").removesuffix(".gz") for row in cohort.rows}
