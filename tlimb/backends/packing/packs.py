"""How much of a plan one task does: so many runs, or what takes a few minutes by a guess from the plan alone.

The guess knows images, voxels and epochs, but not the network, so it can be wrong by a factor of ten. That is enough
to tell runs of seconds, which are worth packing, from runs of hours, which are not. Nothing that was measured goes
into it: equal studies give equal projects. A pack changes no work, so no result.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized

from attrs import frozen

from tlimb.manifest import Fit, Kind, Manifest

VOXELS_PER_S = 1e6
"""Voxels that one core trains on in a second, with a small network; a test passes over each image once, forwards."""
START_S = 0.5
"""Seconds of a run beside its batches: a fork, its inputs, its result."""
DECODE_S = 0.1
"""Seconds to read an image into the cache."""
FORWARD = 3.0
"""A training step costs three forward passes."""
PACK_S = 300.0
"""Seconds that a pack takes at most by the guess; starting Python and torch takes about five."""
WORTH_S = 60.0
"""Packs may grow to so many seconds in any case: starting takes about five, so less is not worth a task of its own."""
TASKS_LEFT = 8
"""Else packs leave about so many tasks of a step, for machines to share."""
LIGHT = 8
"""Selections and tests are so much lighter than fits, so a counted pack holds so many times more of them."""
UNKNOWN_ROWS, UNKNOWN_VOXELS = 1000, 1e6
"""Images of a view, and voxels of an image, of which nothing is known: many, so that they are not packed."""

Member = tuple[str, Sequence[Manifest]]
"""A name, and the nodes behind it, which stay together."""


@frozen
class Packing:
    """When a task is full.

    Attributes:
        cost: what a node adds to its task.
        room: gives what one task of a step may cost, from the cost of the whole step.
        even: tasks are made equally large rather than full.
        joins: what comes of a run may join its task.
    """

    cost: Callable[[Manifest], float]
    room: Callable[[float], float]
    even: bool = False
    joins: bool = False

    def cut(self, groups: Iterable[Sequence[Member]]) -> Iterator[list[Member]]:
        """Cut each group into runs of members with room for them, in their order.

        Args:
            groups: of all members of a step, those that may share a task.
        """
        priced = [[(member, sum(map(self.cost, member[1]))) for member in group] for group in groups]
        room = self.room(sum(price for group in priced for _, price in group))
        for group in priced:
            yield from _evenly(group, room) if self.even else _greedily(group, room)


def _greedily(group: Sequence[tuple[Member, float]], room: float) -> Iterator[list[Member]]:
    held: list[Member] = []
    spent = 0.0
    for member, price in group:
        if held and spent + price > room:
            yield held
            held, spent = [], 0.0
        held.append(member)
        spent += price
    yield held


def _evenly(group: Sequence[tuple[Member, float]], room: float) -> Iterator[list[Member]]:
    """As few as there is room for, of about the same size, since they run side by side.

    Each goes to the pack that has least so far: neighbours in a plan are alike, so what the guess does not know of
    them, such as their network, is shared out too.
    """
    packs: list[list[Member]] = [[] for _ in range(math.ceil(sum(price for _, price in group) / room))]
    spent = [(0.0, place) for place in range(len(packs))]
    for member, price in group:
        so_far, least = spent[0]
        packs[least].append(member)
        heapq.heapreplace(spent, (so_far + price, least))
    yield from filter(None, packs)


def counted(size: int) -> Callable[[Kind, int], Packing]:
    """Give packs of at most so many fits, and of more selections and tests."""
    return lambda kind, _: Packing(lambda _: 1.0, lambda _: float(size if kind is Kind.FIT else size * LIGHT))


def by_minutes(rows: Mapping[str, Sized]) -> Callable[[Kind, int], Packing]:
    """Give packs of one to five minutes, the longer the more there is to do, for a kind of node and cores of a task.

    Args:
        rows: the images of each view, by its digest.
    """
    known: dict[tuple[int, ...], tuple[Fit, float]] = {}

    def cost(node: Manifest) -> float:
        fit = node.content
        if not isinstance(fit, Fit):
            return seconds(node, rows)
        # Trainings that share all that the guess is made of take as long. One is kept: no identity is given twice.
        key = (id(fit.roles), id(fit.inputs), id(fit.trainer))
        if key not in known:
            known[key] = (fit, seconds(node, rows))
        return known[key][1]

    def packing(kind: Kind, cores: int) -> Packing:
        # A task does as many trainings and tests at a time as it has cores; cache fills wait for each other.
        side_by_side = cores if kind in (Kind.FIT, Kind.PREDICT) else 1
        return Packing(
            lambda node: cost(node) / side_by_side,
            lambda whole: min(PACK_S, max(WORTH_S, whole / TASKS_LEFT)),
            even=True,
            joins=True,
        )

    return packing


def seconds(node: Manifest, rows: Mapping[str, Sized]) -> float:
    """Guess how long a node takes on one core, from its images, voxels and epochs."""
    content = node.content
    images = sum(len(rows[view]) if view in rows else UNKNOWN_ROWS for view in content.views)
    if not isinstance(content, Fit):
        return START_S + DECODE_S * images / (FORWARD if content.kind is Kind.PREDICT else 1.0)
    shape, trainer = content.inputs.shape, content.trainer
    voxels = UNKNOWN_VOXELS if shape is None else float(math.prod(shape))
    passes = images * float(trainer.fixed_epochs or 1)
    if trainer.steps is not None:
        passes = float(trainer.steps) * float(trainer.batch_size or 1)
    return START_S + passes * voxels / VOXELS_PER_S
