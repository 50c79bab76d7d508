"""A plan cut into parts that can be launched apart, when it is too large for one engine run."""

from collections.abc import Mapping

from attrs import evolve

from tlimb.backends.packing.tasks import FILLS, Tasks
from tlimb.manifest import Kind


def shard(whole: Tasks, part: int, parts: int) -> Tasks:
    """Give one part of a plan.

    Tasks that hang together through anything but trunks stay in one part. A trunk is a fit from which other fits
    start, with all that it needs: one that a single part needs belongs to it, one that several need to part 0,
    which is run first.

    Args:
        whole: all tasks.
        part: 1 to `parts`, or 0 for what several parts need.
        parts: number of parts.
    """
    parents = {task.id: {link.parent for link in task.links} for task in whole.tasks}
    trunks = _trunks(whole, parents)
    groups = _components({name: {p for p in above if p not in trunks} for name, above in parents.items()}, trunks)
    home = _spread(groups, parts)
    _place_trunks(home, parents, trunks)
    # A fill of the cache is needed by every part, and done once, whoever comes first.
    kept = [task for task in whole.tasks if home[task.id] == part or task.step == FILLS]
    inside = {task.id for task in kept}
    made = (evolve(task, links=tuple(link for link in task.links if link.parent in inside)) for task in kept)
    return Tasks(whole.graph, whole.steps, tuple(made))


def _trunks(whole: Tasks, parents: Mapping[str, set[str]]) -> set[str]:
    kinds = {step.name: step.kind for step in whole.steps}
    fits = {task.id for task in whole.tasks if kinds[task.step] is Kind.FIT}
    trunks = {parent for name in fits for parent in parents[name] if parent in fits}
    trunks |= {task.id for task in whole.tasks if kinds[task.step] is Kind.PREPARE}
    return trunks


def _components(edges: Mapping[str, set[str]], without: set[str]) -> list[list[str]]:
    """Give the sets of tasks that hang together, in the order of their first task."""
    leader = {name: name for name in edges}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for name, above in edges.items():
        for parent in above if name not in without else ():
            leader[find(name)] = find(parent)
    groups: dict[str, list[str]] = {}
    for name in edges:
        if name not in without:
            groups.setdefault(find(name), []).append(name)
    return list(groups.values())


def _spread(groups: list[list[str]], parts: int) -> dict[str, int]:
    """Give each group to the part that has least so far, large groups first."""
    load = dict.fromkeys(range(1, parts + 1), 0)
    home: dict[str, int] = {}
    for group in sorted(groups, key=lambda group: (-len(group), group[0])):
        part = min(load, key=lambda number: (load[number], number))
        load[part] += len(group)
        home |= dict.fromkeys(group, part)
    return home


def _place_trunks(home: dict[str, int], parents: Mapping[str, set[str]], trunks: set[str]) -> None:
    needed: dict[str, set[str]] = {name: set() for name in trunks}
    for name, above in parents.items():
        for parent in above & trunks:
            needed[parent].add(name)
    # Children come after their parents in a plan, so the last trunks are placed first.
    for name in reversed([name for name in parents if name in trunks]):
        parts = {home[child] for child in needed[name]}
        home[name] = parts.pop() if len(parts) == 1 else 0
