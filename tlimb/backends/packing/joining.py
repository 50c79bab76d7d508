"""Short runs join the task of the run they come from, so that a small study starts Python a few times, not hundreds.

A run joins where it needs one other task and nothing else but cache fills, where both ask the same of a machine, and
where all that comes of that task has room in it: were some left out, they would wait for those that joined.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence

from attrs import frozen

from tlimb.backends.packing.packs import Packing
from tlimb.manifest import Kind, Manifest

Units = dict[str, list[list[Manifest]]]
"""Of each step, in the order of the chain, the nodes that stay together."""


def joined(units: Units, packings: Mapping[str, Packing], sizes: Mapping[str, Hashable]) -> Units:
    """Give the units with every short run in the unit that it comes from.

    Args:
        units: of each step; what is alone in its unit may join another.
        packings: of each step, what a node costs, and what one unit may cost.
        sizes: what each step asks of a machine.
    """
    whole = sum(packings[step].cost(node) for step, mine in units.items() for nodes in mine for node in nodes)
    found: Units = {}
    home: dict[str, _Unit] = {}
    for step, mine in units.items():
        for head, children in _by_head(mine, home):
            packing = packings[step]
            spent = sum(map(packing.cost, [*head.nodes, *children]))
            if sizes[head.step] == sizes[step] and spent <= packing.room(whole):
                head.nodes.extend(children)
                home |= dict.fromkeys((node.work for node in children), head)
        found[step] = [nodes for nodes in mine if nodes[0].work not in home]
        for nodes in found[step]:
            home |= dict.fromkeys((node.work for node in nodes), _Unit(step, nodes))
    return found


@frozen(eq=False)
class _Unit:
    step: str
    nodes: list[Manifest]


def _by_head(mine: Sequence[list[Manifest]], home: Mapping[str, _Unit]) -> Iterator[tuple[_Unit, list[Manifest]]]:
    """Give each unit of earlier steps with all of this step that comes of it alone."""
    groups: dict[_Unit, list[Manifest]] = {}
    for nodes in mine:
        heads = {home[work] for node in nodes for work in node.parents}
        if len(nodes) == len(heads) == 1 and all(map(_plain, (nodes[0], next(iter(heads)).nodes[0]))):
            groups.setdefault(heads.pop(), []).append(nodes[0])
    yield from groups.items()


def _plain(node: Manifest) -> bool:
    """Say whether a node waits for no selection, and is none."""
    return not node.gates and node.kind in (Kind.FIT, Kind.PREDICT)
