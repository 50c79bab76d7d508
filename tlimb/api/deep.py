"""The deep check of a study: its plan's networks, and what does not fit at the lines of the spec."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from tlimb.api.load import Loaded
from tlimb.api.planning import make_plan
from tlimb.api.running import need_torch
from tlimb.manifest import Json
from tlimb.plan.origins import Origin, Origins
from tlimb.plan.plan import Plan
from tlimb.problems import Problem, Related, TlimbError
from tlimb.project import Asked, Project, project

if TYPE_CHECKING:
    from tlimb.dryrun.findings import Facts, Flaw, Images, Report
    from tlimb.dryrun.similar import Group
    from tlimb.protocol.options import Places

Progress = Callable[[int, int], None]
MOST_RELATED = 4


@frozen
class Network:
    """One line of the table: a network of one stage.

    Attributes:
        stage: the stage.
        architecture: as written, in a few words.
        frozen: the layer before which nothing trains; `all`; empty for none.
        facts: what was found.
    """

    stage: str
    architecture: str
    frozen: str
    facts: "Facts"

    def to_json(self) -> dict[str, Json]:
        """Give it as a JSON object, for a line of machine-readable output."""
        named = {"kind": "network", "stage": self.stage, "architecture": self.architecture}
        return {**named, "frozen_before": self.frozen or None, **self.facts.to_json()}


@frozen
class Deep:
    """What a deep check found.

    Attributes:
        problems: of data, plan and networks, with places.
        networks: those that were built.
    """

    problems: tuple[Problem, ...]
    networks: tuple[Network, ...] = ()


def check_deep(
    loaded: Loaded,
    asked: Asked,
    *,
    with_names: bool = False,
    hashing: Progress | None = None,
    building: Progress = lambda done, total: None,
) -> Deep:
    """Check a study against its data, and build every distinct network of its plan without memory.

    Args:
        loaded: the study.
        asked: where things lie, and what user code may be imported.
        with_names: problems may name people and files.
        hashing: observer (done, all) of the reading of images.
        building: observer (done, all) of the networks.

    Raises:
        TlimbError: the packages that training needs are not installed.
    """
    need_torch()
    try:
        place = project(loaded.sound(), loaded.source.path, asked)
        plan = make_plan(loaded, place, with_names=with_names, progress=hashing)
    except TlimbError as error:
        return Deep(tuple(error.problems))
    return look(loaded, plan, place, building)


def look(
    loaded: Loaded,
    plan: Plan,
    place: Project,
    building: Progress = lambda done, total: None,
    checking: "Callable[[Sequence[Group], Places, Progress], Report] | None" = None,
) -> Deep:
    """Build every distinct network of a plan, and say what does not fit where it is written.

    Args:
        loaded: the study.
        plan: its plan.
        place: where things lie.
        building: observer (done, all) of the networks.
        checking: checks groups of alike runs; by default in a process of its own.
    """
    from tlimb.dryrun import subprocess as apart
    from tlimb.dryrun.similar import Grouping
    from tlimb.protocol.options import Places

    where = _Where(plan, Origins(plan.study))
    places = Places(place.store, place.private, place.roots, place.allow, place.code, place.weights)
    groups = Grouping(_headers(plan), lambda node: where.name(node.uses[0])).groups(plan.graph)
    try:
        report = (checking or apart.check)(groups, places, building)
    except TlimbError as error:
        # Nobody knows what is wrong with the spec, if anything: it is said, and the rest stands.
        return Deep(tuple(loaded.source.resolve([*plan.problems, *error.problems])))
    problems = [problem for flaw in report.flaws for problem in where.problems(flaw)]
    networks = dict.fromkeys(network for facts in report.facts for network in where.networks(facts))
    return Deep(
        tuple(loaded.source.resolve([*plan.problems, *problems])),
        tuple(sorted(_largest(networks), key=lambda network: list(plan.study.stages).index(network.stage))),
    )


def _largest(networks: Iterable[Network]) -> Iterable[Network]:
    """Give one of those that differ in memory only, as by an auxiliary objective: the one that needs most."""
    found: dict[Network, Network] = {}
    for network in networks:
        key = evolve(network, facts=evolve(network.facts, memory=None))
        known = found.setdefault(key, network)
        if known.facts.memory and network.facts.memory and network.facts.memory.total > known.facts.memory.total:
            found[key] = network
    return found.values()


def _headers(plan: Plan) -> "Callable[[str], tuple[Images, ...]]":
    """Give a function from views to the distinct headers of their images."""
    from tlimb.dryrun.findings import Images

    known: dict[str, tuple[Images, ...]] = {}

    def seen(view: str) -> "tuple[Images, ...]":
        if view not in known:
            found = {
                Images(row.shape, row.spacing_mm, suffix(row.image), row.mask is not None)
                for row in plan.rows.get(view, ())
            }
            known[view] = tuple(sorted(found, key=repr))
        return known[view]

    return seen


def suffix(name: str) -> str:
    """Give the kind of an image file, compressed or not."""
    plain = name.lower().removesuffix(".gz")
    return f".{plain.rpartition('.')[2]}"


@frozen
class _Where:
    plan: Plan
    origins: Origins

    def name(self, use: Mapping[str, Any]) -> str:
        return self.origins.find(use, "architecture").text

    def _uses(self, works: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
        for work in works:
            yield from (use for use in self.plan.graph.nodes[work].uses if "stage" in use)

    def problems(self, flaw: "Flaw") -> list[Problem]:
        """Give a flaw at every place of the spec that has it."""
        found: dict[str, Problem] = {}
        for use in self._uses(flaw.works):
            origin = self.origins.find(use, flaw.setting)
            if origin.pointer in found:
                continue
            related = [Related(pointer, "used here") for pointer in origin.used]
            for one in flaw.elsewhere:
                other = use if one.work is None else self.plan.graph.nodes[one.work].uses[0]
                related.append(Related(self._pointer(other, one.setting).pointer, one.message))
            found[origin.pointer] = evolve(flaw.problem, pointer=origin.pointer, related=related[:MOST_RELATED])
        return list(found.values())

    def _pointer(self, use: Mapping[str, Any], setting: str) -> Origin:
        return self.origins.find(use, setting)

    def networks(self, facts: "Facts") -> Iterator[Network]:
        bare = evolve(facts, works=())
        for use in self._uses(facts.works):
            up_to = self.origins.find(use, "freeze/up_to").value
            yield Network(str(use["stage"]), self.name(use), "" if up_to is None else str(up_to), bare)
