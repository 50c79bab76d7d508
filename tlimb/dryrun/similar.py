"""Runs of a plan that are alike in everything that shapes a network: each such group is looked at once."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import Factory, define, field, frozen

from tlimb.dryrun.findings import Images
from tlimb.manifest import Component, Fit, Graph, Manifest, Parts
from tlimb.manifest.alike import Alike

Seen = Callable[[str], tuple[Images, ...]]
"""Gives the distinct headers of the images of a view."""


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

    @property
    def architecture(self) -> Component:
        """Return their encoder."""
        assert self.fit.architecture is not None
        return self.fit.architecture

    @property
    def fit(self) -> Fit:
        """Return what the manifest of one of them says."""
        return self.first.as_a(Fit)


@define
class Grouping:
    """Walks a plan and groups its trainings.

    Attributes:
        seen: gives the headers of a view.
        name: gives what messages call the architecture of a run.
    """

    seen: Seen
    name: Callable[[Manifest], str]
    _alike: Alike = field(factory=Alike, init=False)

    def groups(self, graph: Graph) -> list[Group]:
        """Return the groups, parents before their children."""
        found: dict[tuple[Any, ...], Group] = {}
        of: dict[str, Group] = {}
        for node, fit in graph.of(Fit):
            parent = of.get(str(fit.encoder_parent))
            teachers = {slot: of[work] for slot, work in sorted(fit.teachers.items()) if work in of}
            images = {role: self._images(parts) for role, parts in fit.ordered_roles.items()}
            key = (
                repr(images),
                id(parent),
                *((slot, id(one)) for slot, one in teachers.items()),
                *self._alike.key(node),
            )
            if key not in found:
                found[key] = Group(node, self.name(node), [], images, parent, teachers)
            group = found[key]
            group.works.append(node.work)
            of[node.work] = group
        return list(found.values())

    def _images(self, parts: Parts) -> dict[str, tuple[Images, ...]]:
        """Return the headers of the images of each part that is there."""
        known = {"train": parts.train, "val": parts.val}
        return {part: self.seen(view) for part, view in known.items() if view is not None}
