"""What each step of a project asks of the machine, from `execution` and the chosen profile."""

import math
from collections.abc import Iterator

from attrs import fields, frozen

from tlimb.backends.packing.tasks import Step
from tlimb.language.model import Execution, Profile, Resources
from tlimb.manifest import Kind

CPUS, MEMORY_GB, TIME_H = 1, 4.0, 4.0
"""Where a study says nothing. A time limit is always set: a lost node may otherwise be waited for without end."""


@frozen
class Size:
    """What one step asks for.

    Attributes:
        name: the step.
        cpus: cores.
        gpus: GPUs; 0 for none.
        memory_mb: megabytes of 1024 kilobytes.
        minutes: time limit.
    """

    name: str
    cpus: int
    gpus: int
    memory_mb: int
    minutes: int


def sizes(steps: tuple[Step, ...], execution: Execution, profile: Profile | None) -> Iterator[Size]:
    """Give the size of each step that runs manifests."""
    yield from (size(step, execution, profile) for step in steps if step.kind is not Kind.SELECT)


def size(step: Step, execution: Execution, profile: Profile | None) -> Size:
    """Give the size of one step: what is asked of all runs, then of its stage."""
    found = _layered(execution.resources, profile.resources if profile else None)
    if step.stage:
        found = _layered(found, execution.overrides.get(step.stage))
        found = _layered(found, profile.overrides.get(step.stage) if profile else None)
    gpus = 0 if step.kind is Kind.PREPARE else found.gpus or 0
    memory = found.memory_gb or MEMORY_GB
    hours = found.time_h or TIME_H
    return Size(step.name, found.cpus or CPUS, gpus, math.ceil(memory * 1024), max(1, math.ceil(hours * 60)))


def _layered(base: Resources | None, own: Resources | None) -> Resources:
    layers = [layer for layer in (own, base) if layer is not None]
    found = {}
    for name in (field.name for field in fields(Resources)):
        values = (getattr(layer, name) for layer in layers)
        found[name] = next((value for value in values if value is not None), None)
    return Resources(**found)
