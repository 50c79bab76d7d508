"""Runs of a plan that are alike in everything that shapes a network: each such group is looked at once."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import Factory, define, field, frozen

from tlimb.deep.findings import Images
from tlimb.manifest import Graph, Json, Kind, Manifest, canonical
from tlimb.runner.api import role_order

Seen = Callable[[str], tuple[Images, ...]]
"""Gives the distinct headers of the images of a view."""
NO_TEACHERS = ("encoder", "epochs_from")
"""Slots of a manifest's parents that are no networks for an auxiliary objective."""
LOOSE = ("optimizer", "auxiliary")
"""Components whose numbers change no shape; only whether they are 0 counts."""


@frozen
class Group:
    """Alike runs.

    Attributes:
        first: one of them.
        name: what messages call its architecture.
        works: all of them, in the order of the plan.
        images: role -> part -> headers, the role that the network is built for first.
        parent: the group of the run that the encoder comes from; None without one in the plan.
        teachers: slot -> group of the run whose network an auxiliary objective reads there.
    """

    first: Manifest
    name: str
    works: list[str]
    images: Mapping[str, Mapping[str, tuple[Images, ...]]]
    parent: "Group | None"
    teachers: Mapping[str, "Group"] = Factory(dict)


@define
class Grouping:
    """Walks a plan and groups its trainings.

    Attributes:
        seen: gives the headers of a view.
        name: gives what messages call the architecture of a run.
    """

    seen: Seen
    name: Callable[[Manifest], str]
    _texts: dict[int, str] = field(factory=dict)
    _images: dict[int, tuple[Any, str]] = field(factory=dict)

    def groups(self, graph: Graph) -> list[Group]:
        """Give the groups, parents before their children."""
        found: dict[tuple[Any, ...], Group] = {}
        of: dict[str, Group] = {}
        for node in graph:
            if node.kind is not Kind.FIT:
                continue
            parents = node.hashed.get("parents") or {}
            parent = of.get(str(parents.get("encoder")))
            slots = sorted((slot, str(work)) for slot, work in parents.items() if slot not in NO_TEACHERS)
            teachers = {slot: of[work] for slot, work in slots if work in of}
            images, text = self._views(node.hashed["views"])
            key = (text, id(parent), *((slot, id(one)) for slot, one in teachers.items()), *self._key(node.hashed))
            if key not in found:
                found[key] = Group(node, self.name(node), [], images, parent, teachers)
            group = found[key]
            group.works.append(node.work)
            of[node.work] = group
        return list(found.values())

    def _key(self, hashed: Mapping[str, Json]) -> Iterator[str]:
        for name in ("architecture", "data", "scenario", "freeze", "adapt", "weights"):
            yield self._text(hashed.get(name), lambda value: value)
        for name in LOOSE:
            yield self._text(hashed.get(name), loose)
        yield self._text(hashed["heads"], lambda heads: [_head(one) for one in heads])
        yield self._text(hashed["trainer"], _trainer)

    def _text(self, value: Json, change: Callable[[Any], Json]) -> str:
        # Pieces of manifests are shared objects that live as long as the graph.
        if id(value) not in self._texts:
            self._texts[id(value)] = canonical(change(value))
        return self._texts[id(value)]

    def _views(self, views: Mapping[str, Mapping[str, str | None]]) -> tuple[Any, str]:
        if id(views) not in self._images:
            ordered = sorted(views.items(), key=role_order)
            images = {
                role: {part: self.seen(view) for part, view in parts.items() if view is not None}
                for role, parts in ordered
            }
            self._images[id(views)] = (images, repr(images))
        return self._images[id(views)]


def loose(value: Json) -> Json:
    """Replace numbers by whether they are 0."""
    if isinstance(value, Mapping):
        return {key: loose(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [loose(inner) for inner in value]
    return value != 0 if isinstance(value, int | float) and not isinstance(value, bool) else value


def _head(head: Mapping[str, Json]) -> Json:
    facts = head["facts"]
    return [head["name"], head["role"], head["objective"], head["head"], len(facts["classes"] or ()), facts["label"]]


def _trainer(trainer: Mapping[str, Json]) -> Json:
    return [trainer.get(key) for key in ("batch_size", "precision", "keep", "device", "deterministic")]
