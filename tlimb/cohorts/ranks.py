"""Groups of people who stay together, and the order in which a division takes them.

Every group has a rank: the hash of a seed, the purpose and its smallest participant id. Inside a stratum groups
are ordered by rank; strata are interleaved so that every prefix of the whole order holds each stratum in
proportion. Parts are stretches of that order. So one more participant moves only those next to a boundary, and a
smaller count is a prefix of a larger one.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import frozen

from tlimb.cohorts.rows import Cohort
from tlimb.manifest import Json, canonical

Cellkey = tuple[str, ...]


@frozen
class Group:
    """People who are never divided.

    Attributes:
        key: smallest participant id.
        members: participants, sorted.
    """

    key: str
    members: tuple[str, ...]

    def __len__(self) -> int:
        """Count the people."""
        return len(self.members)


class Union:
    """Connected components over anything hashable."""

    def __init__(self) -> None:
        """Start with nothing joined."""
        self._up: dict[object, object] = {}

    def find(self, item: object) -> object:
        """Give the representative of an item's component."""
        up = self._up
        root = item
        while up.setdefault(root, root) != root:
            root = up[root]
        while up[item] != root:
            up[item], item = root, up[item]
        return root

    def join(self, first: object, second: object) -> None:
        """Put two items into one component."""
        self._up[self.find(first)] = self.find(second)


def groups(cohort: Cohort, by: Iterable[str] = (), participants: Iterable[str] | None = None) -> tuple[Group, ...]:
    """Join participants who share a value of a group label or an image, transitively.

    Args:
        cohort: the people; links through people outside `participants` count too.
        by: labels such as `family`, beside those that the cohort itself calls kin; a missing value joins nobody.
        participants: whom to give; None for all.
    """
    union = Union()
    labels = tuple(dict.fromkeys((*cohort.kin, *by)))
    for participant, rows in cohort.by_participant.items():
        person = ("person", participant)
        union.find(person)
        for row in rows:
            union.join(person, ("file", row.sha256))
            union.join(person, ("voxels", row.voxels or row.sha256))
            for label in labels:
                value = row.labels.get(label)
                if value is not None:
                    union.join(person, ("label", label, value))
    found: dict[object, list[str]] = {}
    for participant in cohort.participants if participants is None else participants:
        found.setdefault(union.find(("person", participant)), []).append(participant)
    made = [Group(min(members), tuple(sorted(members))) for members in found.values()]
    return tuple(sorted(made, key=lambda group: group.key))


def rank(seed: int, purpose: Json, name: Json) -> bytes:
    """Give the hash rank of a name for a purpose."""
    return hashlib.sha256(canonical(["tlimb-split-1", seed, purpose, name]).encode()).digest()


def unit(seed: int, purpose: Json, name: Json) -> float:
    """Give a uniform number in [0, 1) of a name."""
    return (int.from_bytes(rank(seed, purpose, name)[:8], "big") >> 11) / 2**53


def order(found: Sequence[Group], strata: Mapping[str, Cellkey], seed: int, purpose: Json) -> tuple[Group, ...]:
    """Order groups so that each prefix holds every stratum in proportion.

    Args:
        found: the groups.
        strata: group key -> stratum; a group without an entry is in the empty stratum.
        seed: of the study, or of the replicate.
        purpose: what the order is for; other purposes give independent orders.

    Source: systematic sampling from a frame sorted by stratum; Cochran, Sampling Techniques, 1977, chapter 8.
    """
    cells: dict[Cellkey, list[Group]] = {}
    for group in found:
        cells.setdefault(strata.get(group.key, ()), []).append(group)
    placed: list[tuple[float, bytes, Group]] = []
    for cell, members in cells.items():
        # The start inside the first step is drawn for each stratum, so small ones do not all land in one part.
        start = unit(seed, [purpose, "start"], list(cell))
        ranked = sorted((rank(seed, purpose, group.key), group) for group in members)
        for position, (key, group) in enumerate(ranked):
            placed.append(((position + start) / len(ranked), key, group))
    return tuple(group for _, _, group in sorted(placed, key=lambda item: item[:2]))


def strata(cohort: Cohort, found: Sequence[Group], labels: Sequence[str], least: int = 1) -> dict[str, Cellkey]:
    """Put each group into a stratum: the values of some labels of its first member, numbers by quartile.

    Args:
        cohort: the people.
        found: the groups.
        labels: in order of importance: strata of fewer than `least` groups are merged over the last label first.
        least: smallest number of groups of a stratum.
    """
    if not labels:
        return {}
    coders = [_coder(cohort, label, [group.key for group in found]) for label in labels]
    cells = {group.key: tuple(coder(group.key) for coder in coders) for group in found}
    for level in range(len(labels), 0, -1):
        sizes: dict[Cellkey, int] = {}
        for cell in cells.values():
            sizes[cell] = sizes.get(cell, 0) + 1
        for key, cell in cells.items():
            if len(cell) == level and sizes[cell] < least:
                cells[key] = cell[:-1]
    return cells


def _coder(cohort: Cohort, label: str, people: Sequence[str]) -> Callable[[str], str]:
    facts = cohort.labels.get(label)
    values = {person: cohort.value(person, label) for person in people}
    numbers = sorted(float(v) for v in values.values() if isinstance(v, int | float))
    # Few distinct numbers are codes such as 0 and 1: quartiles of these would mix them.
    if facts is None or facts.kind != "number" or len(set(numbers)) <= 4:
        return lambda person: str(values[person])
    cuts = [numbers[len(numbers) * quarter // 4] for quarter in (1, 2, 3)]

    def quartile(person: str) -> str:
        value = values[person]
        if not isinstance(value, int | float):
            return "None"
        return f"quartile {sum(value >= cut for cut in cuts) + 1}"

    return quartile
