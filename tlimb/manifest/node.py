"""The run manifest: the only thing that the compile half and the run half both know.

A manifest says everything a stranger needs to repeat one piece of work. Its `hashed` part decides the bits of
the result and is digested into `work`, the key of the store; its uses, gates and order are for people and schedulers
and are never hashed. Outside this room `hashed` is read as an object, by `content`; only the planner, which writes
it, knows it as JSON.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from attrs import field, frozen

from tlimb.manifest.canonical import Json, digest
from tlimb.manifest.contents import CONTENTS, Content, Fit, Kind, Predict
from tlimb.manifest.fields import keys_of
from tlimb.manifest.parts import Component

FORMAT = 1
"""Version of the form of manifests."""
C = TypeVar("C", bound=Content)


@frozen
class Gate:
    """The condition under which a node runs: `select` has chosen `candidate`.

    Attributes:
        select: work of the select node that decides.
        candidate: position of this node's configuration among the select node's candidates.
    """

    select: str
    candidate: int


@frozen
class Manifest:
    """One node of the plan.

    Attributes:
        work: sha256 of the canonical form of `hashed`, 64 hex digits.
        hashed: everything that decides the result's bits, as JSON. Keys by kind are listed in docs/identity.md.
        uses: one mapping for each use in the plan (study, stage, row, replicate, fold and the like); for people,
            never hashed. Equal work that two stages ask for is one node with two uses.
        gates: the node runs when any of them opens; empty for a node that always runs.
        after: works that are better finished first though they decide no bits (cache fills); never hashed.
        lineage: of a select node, candidate -> the fits it descends from; one without any is left out. A candidate
            whose ancestor has diverged will never be there, and cannot win. It follows from `hashed`; never hashed.
        read: how `hashed` is read as an object; None for each node by itself. See `structure.Reader`.
    """

    work: str
    hashed: Mapping[str, Json]
    uses: tuple[Mapping[str, Json], ...] = ()
    gates: tuple[Gate, ...] = ()
    after: tuple[str, ...] = ()
    lineage: Mapping[str, Sequence[str]] = field(factory=dict)
    read: Callable[[Mapping[str, Json]], Content] | None = field(default=None, eq=False, repr=False)

    @property
    def kind(self) -> Kind:
        """Return the node's kind."""
        return Kind(self.hashed["kind"])

    @cached_property
    def content(self) -> Content:
        """Return `hashed` as an object of its kind's class; read once.

        Raises:
            ValueError: nothing executes nodes of this kind, or the content is not of its form.
        """
        if self.read is not None:
            return self.read(self.hashed)
        # Importing cattrs takes longer than most commands that need no content.
        from tlimb.manifest.structure import content

        return content(self.hashed)

    def as_a(self, cls: type[C]) -> C:
        """Return the content of a node that is known to be of a kind.

        Raises:
            TypeError: it is of another kind.
        """
        found = self.content
        if not isinstance(found, cls):
            raise TypeError(f"{self.work[:16]} is a {self.kind}, not a {cls.kind}")
        return found

    @property
    def stage(self) -> str:
        """Return the stage of its first use; empty for none."""
        return str(self.uses[0].get("stage", "")) if self.uses else ""

    @property
    def parents(self) -> tuple[str, ...]:
        """Return the works this node reads, in order of role and position, without repeats."""
        found: dict[str, None] = {}
        for _, value in sorted(self.hashed.get("parents", {}).items()):
            for work in _works(value):
                found[work] = None
        return tuple(found)

    def to_json(self) -> dict[str, Json]:
        """Return the JSON object that `canonical` writes to a manifest file."""
        return {
            "tlimb": FORMAT,
            "work": self.work,
            "hashed": dict(self.hashed),
            "uses": [dict(use) for use in self.uses],
            "gates": [[gate.select, gate.candidate] for gate in self.gates],
            "after": list(self.after),
            **({"lineage": {work: list(above) for work, above in self.lineage.items()}} if self.lineage else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Manifest":
        """Read what `to_json` gave.

        Raises:
            ValueError: the digest does not fit the content, or the version is unknown.
        """
        if value.get("tlimb") != FORMAT:
            raise ValueError(f"this is not a manifest of version {FORMAT} (tlimb: {value.get('tlimb')!r})")
        if digest(value["hashed"]) != value["work"]:
            raise ValueError("the manifest's work digest does not fit its content: it was edited by hand")
        return cls(
            work=value["work"],
            hashed=value["hashed"],
            uses=tuple(value.get("uses", ())),
            gates=tuple(Gate(select, candidate) for select, candidate in value.get("gates", ())),
            after=tuple(value.get("after", ())),
            lineage=value.get("lineage", {}),
        )

    @classmethod
    def of(cls, hashed: Mapping[str, Json], *uses: Mapping[str, Json]) -> "Manifest":
        """Make an ungated manifest, computing its work digest."""
        return cls(digest(hashed), hashed, uses)


@frozen
class Graph:
    """A plan's nodes by work, parents before children; the order is the order in which work is offered."""

    nodes: Mapping[str, Manifest]

    def __iter__(self) -> Iterator[Manifest]:
        """Go through the nodes, parents first."""
        return iter(self.nodes.values())

    def __len__(self) -> int:
        """Count the nodes."""
        return len(self.nodes)

    def of(self, cls: type[C]) -> Iterator[tuple[Manifest, C]]:
        """Go through the nodes of one kind, parents first, each with its content."""
        for node in self.nodes.values():
            if node.hashed["kind"] == cls.kind.value:
                yield node, node.as_a(cls)

    def distinct(
        self, cls: type[C], *parts: str, also: Callable[[Manifest], Hashable] | None = None
    ) -> Iterator[tuple[Manifest, C]]:
        """Go through the nodes of one kind without those that are, in their stage and some parts, like one before.

        Parts of a plan that are equal are one object, and they are compared as such: of a graph that was read from
        files, where each node has parts of its own, all nodes are gone through.

        Args:
            cls: class of the kind's contents.
            parts: names of fields of the content.
            also: returns what else of a node makes it another one.
        """
        keys = keys_of(cls, parts)
        seen: set[Hashable] = set()
        kind = cls.kind.value
        for node in self.nodes.values():
            hashed = node.hashed
            if hashed["kind"] != kind:
                continue
            # Compared as JSON, which lives as long as the graph: of most nodes no content is ever made.
            found: tuple[Hashable, ...] = (
                node.uses[0].get("stage") if node.uses else None,
                *[id(hashed.get(key)) for key in keys],
            )
            if also is not None:
                found = (*found, also(node))
            if found not in seen:
                seen.add(found)
                yield node, node.as_a(cls)

    def fit_of(self, work: str) -> Fit:
        """Return the training whose weights a node applies, which for a training is itself."""
        found = self.nodes[work].content
        return self.fit_of(found.model) if isinstance(found, Predict) else self.nodes[work].as_a(Fit)

    def components(self) -> Iterator[Component]:
        """Go through the components that nodes name and those inside their options; shared ones come once."""
        seen: set[int] = set()
        for node in self.nodes.values():
            for component in node.content.components if executed(node.kind) else ():
                if id(component) not in seen:
                    seen.add(id(component))
                    yield from component.walk()

    def needed(self, manifest: Manifest) -> tuple[str, ...]:
        """Return the works that must be finished before this node may start, its gates' selects included."""
        return (*manifest.parents, *manifest.after, *(gate.select for gate in manifest.gates))


def executed(kind: Kind) -> bool:
    """Return whether nodes of a kind are executed by the runner."""
    return kind in CONTENTS


def _works(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        for item in value:
            yield from _works(item)
