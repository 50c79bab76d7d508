"""The nodes of a plan as an engine starts them: tasks in steps, and links between them.

A step holds what one process definition of an engine runs: the fits of one stage, all selections, the tests of one
stage. Steps are in an order in which nothing waits for a later one, so a fixed chain of them carries any number of
runs.

A task is one node, or several that wait for the same things and then share a process: all that wait for one
selection, of which the runner starts what was chosen; and, where packs are asked for, short runs, with what comes of
them if that is short too.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

from attrs import evolve, field, frozen

from tlimb.backends.packing.joining import Units, joined
from tlimb.backends.packing.packs import PACK_S, Packing
from tlimb.manifest import Graph, Kind, Manifest
from tlimb.manifest.contents import CONTENTS

ID_DIGITS = 16
"""Hex digits of a task's id: enough for the eye and for file names; a collision is refused."""
REFITS = 3
"""Level of refits among those of the kinds: after the selections, before the tests."""
FILLS = "PREPARE"
"""Name of the step of cache fills: what a kind without stages is called, in capitals."""


@frozen(order=True)
class Step:
    """One process of an engine.

    Attributes:
        name: identifier in capitals, such as `FIT_PRETRAIN`.
        kind: kind of the nodes.
        stage: the stage whose resources apply; empty for none.
    """

    name: str
    kind: Kind
    stage: str = ""


@frozen(order=True)
class Link:
    """What a task waits for.

    Attributes:
        parent: id of the other task.
        must: the task never starts without it; else it starts when the other one is settled, ended well or not.
    """

    parent: str
    must: bool


@frozen
class Task:
    """What an engine starts at once.

    Attributes:
        id: 16 hex digits: of the work, or of the digest of several works.
        step: name of its step.
        works: the nodes, in the order of the plan.
        links: what it waits for, in a fixed order.
    """

    id: str
    step: str
    works: tuple[str, ...]
    links: tuple[Link, ...]

    def named(self) -> "Task":
        """Give the task with the id that follows from its works."""
        whole = self.works[0]
        if len(self.works) > 1:
            whole = hashlib.sha256("\n".join(self.works).encode()).hexdigest()
        return evolve(self, id=whole[:ID_DIGITS])

    @property
    def path(self) -> str:
        """Give the path of its manifests inside a plan folder."""
        folder, ending = ("manifests", "json") if len(self.works) == 1 else ("packs", "jsonl")
        return f"{folder}/{self.id[:2]}/{self.id}.{ending}"


@frozen(eq=False)
class Tasks:
    """All tasks of a plan.

    Attributes:
        graph: the nodes.
        steps: in an order in which nothing waits for a later step.
        tasks: in the order of the steps, else of the plan.
        by_step: tasks by the name of their step.
    """

    graph: Graph
    steps: tuple[Step, ...]
    tasks: tuple[Task, ...]
    by_step: Mapping[str, tuple[Task, ...]] = field(init=False)

    @by_step.default
    def _by_step(self) -> Mapping[str, tuple[Task, ...]]:
        found: dict[str, list[Task]] = {step.name: [] for step in self.steps}
        for task in self.tasks:
            found[task.step].append(task)
        return {name: tuple(tasks) for name, tasks in found.items()}


def tasks(
    graph: Graph,
    stages: Sequence[str],
    pack: Callable[[Step], Packing] | None = None,
    size: Callable[[Step], Hashable] = lambda step: step,
) -> Tasks:
    """Cut a plan into tasks.

    Args:
        graph: the plan's nodes, parents first.
        stages: names of the stages, parents first.
        pack: gives for a step when a task of it is full; None for no packs.
        size: gives what a step asks of a machine; only what asks for the same shares a task.

    Raises:
        ValueError: two tasks would have the same id.
    """
    order = {stage: place for place, stage in enumerate(stages)}
    steps = {node.work: _step(node) for node in graph}
    known = tuple(sorted(set(steps.values()), key=lambda step: _place(step, order)))
    by_step: dict[str, list[Manifest]] = {step.name: [] for step in known}
    for node in graph:
        by_step[steps[node.work].name].append(node)
    units: Units = {name: list(_together(nodes)) for name, nodes in by_step.items()}
    packings = {} if pack is None else {step.name: pack(step) for step in known}
    sizes = {step.name: size(step) for step in known}
    joins = bool(packings) and all(packing.joins for packing in packings.values())
    if joins:
        units = joined(units, packings, sizes)
    places = {work: place for place, work in enumerate(graph.nodes)}
    owner: dict[str, str] = {}
    made: list[Task] = []
    for step in known:
        mine = [_task(step, members, owner) for members in units[step.name]]
        mine = list(_packed(mine, packings[step.name], graph, places)) if packings else mine
        owner |= {work: task.id for task in mine for work in task.works}
        made += mine
    if joins:
        made = _with_fills(made, packings, sizes, graph, places)
    if len({task.id for task in made}) < len(made):
        raise ValueError(f"two tasks of this plan begin with the same {ID_DIGITS} digits")
    used = {task.step for task in made}
    return Tasks(graph, tuple(step for step in known if step.name in used), tuple(made))


def _step(node: Manifest) -> Step:
    if node.kind not in (Kind.FIT, Kind.PREDICT):
        return Step(node.kind.value.upper(), node.kind)
    # What is a plain fit for one use and a refit for another one is needed early: it belongs to the plain fits.
    use = next((use for use in node.uses if not use.get("refit")), node.uses[0])
    word = "TEST" if node.kind is Kind.PREDICT else "REFIT" if use.get("refit") else "FIT"
    return Step(f"{word}_{str(use['stage']).upper()}", node.kind, str(use["stage"]))


def _place(step: Step, order: Mapping[str, int]) -> tuple[int, int]:
    return REFITS if step.name.startswith("REFIT_") else CONTENTS[step.kind].level, order.get(step.stage, -1)


def _together(nodes: Iterable[Manifest]) -> Iterator[list[Manifest]]:
    """Put nodes together that wait for the same selections: of them the runner starts what was chosen.

    Tests of one selection share a task; refits are trainings, so only the candidates of one repetition do.
    """

    def key(node: Manifest) -> Hashable:
        selects = tuple(sorted({gate.select for gate in node.gates}))
        if not selects:
            return node.work
        use = node.uses[0]
        return selects if node.kind is Kind.PREDICT else (selects, use.get("replicate"), tuple(use.get("fold") or ()))

    return _grouped(nodes, key)


def _grouped(items: Iterable[Manifest], key: Callable[[Manifest], Hashable]) -> Iterator[list[Manifest]]:
    groups: dict[Hashable, list[Manifest]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    yield from groups.values()


def _task(step: Step, members: Sequence[Manifest], owner: Mapping[str, str]) -> Task:
    found: dict[str, bool] = {}
    own = {node.work for node in members}
    # Of several that wait for a selection some will not be chosen; what came to be together is needed as it is alone.
    alone = len(members) == 1 or not members[0].gates
    for parent, must in (pair for node in members for pair in _needs(node, alone) if pair[0] not in own):
        found[owner[parent]] = found.get(owner[parent], False) or must
    links = tuple(Link(parent, must) for parent, must in sorted(found.items()))
    return Task("", step.name, tuple(node.work for node in members), links).named()


def _needs(node: Manifest, alone: bool) -> Iterator[tuple[str, bool]]:
    """Give the works a node waits for, and whether it is of no use without them."""
    # What gives no weights may have diverged: who reads it has to look at each one anyway.
    ancestors = frozenset(node.content.ancestors)
    for work in node.parents:
        # Of several candidates only the chosen one is there to be tested; the runner looks.
        yield work, alone and work in ancestors
    selects = {gate.select for gate in node.gates}
    yield from ((select, len(selects) == 1) for select in selects)
    yield from ((work, False) for work in node.after)


def _packed(found: Iterable[Task], packing: Packing, graph: Graph, places: Mapping[str, int]) -> Iterator[Task]:
    """Put tasks of one step that wait for the same things into one, as far as there is room."""
    groups: dict[tuple[Link, ...], list[Task]] = {}
    for task in found:
        groups.setdefault(task.links, []).append(task)
    whole = {task.id: task for members in groups.values() for task in members}
    cut = packing.cut(
        [(task.id, [graph.nodes[work] for work in task.works]) for task in members] for members in groups.values()
    )
    for held in cut:
        # In the order of the plan all trainings of a stage come before what comes of them: short runs are left for
        # last, and fill up what the long ones leave of a task's cores.
        works = sorted((work for name, _ in held for work in whole[name].works), key=places.__getitem__)
        yield evolve(whole[held[0][0]], works=tuple(works)).named()


def _with_fills(
    made: Sequence[Task],
    packings: Mapping[str, Packing],
    sizes: Mapping[str, Hashable],
    graph: Graph,
    places: Mapping[str, int],
) -> list[Task]:
    """Let a short cache fill that one task alone waits for be done by that task."""
    readers: dict[str, list[Task]] = {}
    for task in made:
        for link in task.links:
            readers.setdefault(link.parent, []).append(task)
    changed: dict[str, Task] = {}
    gone: set[str] = set()
    for fill in made:
        if fill.step != FILLS or len(readers.get(fill.id, ())) != 1:
            continue
        (reader,) = readers[fill.id]
        works = tuple(sorted((*fill.works, *changed.get(reader.id, reader).works), key=places.__getitem__))
        cost = sum(packings[reader.step].cost(graph.nodes[work]) for work in works)
        if sizes[reader.step] == sizes[fill.step] and cost <= PACK_S:
            links = tuple(link for link in changed.get(reader.id, reader).links if link.parent != fill.id)
            changed[reader.id] = evolve(reader, works=works, links=links).named()
            gone.add(fill.id)
    ids = {name: task.id for name, task in changed.items()}
    kept = (changed.get(task.id, task) for task in made if task.id not in gone)
    moved = ((task, (evolve(link, parent=ids.get(link.parent, link.parent)) for link in task.links)) for task in kept)
    return [evolve(task, links=tuple(sorted(links, key=lambda link: link.parent))) for task, links in moved]
