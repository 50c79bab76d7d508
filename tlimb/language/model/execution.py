"""Blocks that say where and how runs are executed."""

from collections.abc import Mapping

from attrs import frozen

from tlimb.language.model.keys import key
from tlimb.language.values import Component

IMAGE = r"^[A-Za-z0-9][A-Za-z0-9_./:@-]*$"
"""Names of container images; engines put them into shell commands, so nothing else is let in."""


@frozen(kw_only=True, eq=False, repr=False)
class Resources:
    """What one run asks of the machine; never changes bits."""

    cpus: int | None = key("CPU cores.", default=None, type="integer", minimum=1)
    gpus: int | None = key("GPUs.", default=None, type="integer", minimum=0)
    memory_gb: float | None = key("Memory in gigabytes.", default=None, type="number", exclusive_minimum=0)
    time_h: float | None = key("Time limit in hours.", default=None, type="number", exclusive_minimum=0)


@frozen(kw_only=True, eq=False, repr=False)
class Profile:
    """One machine: what replaces the settings of `execution` there."""

    backend: Component | None = key("Engine and its settings.", default=None, type="component", kind="backend")
    roots: Mapping[str, str] = key(
        "Where the named roots lie on this machine.",
        default=dict,
        type="map",
        of={"type": "string"},
        names="roots",
    )
    container: str | None = key("Container image.", default=None, type="string", pattern=IMAGE)
    resources: Resources | None = key("What one run asks for.", default=None, type="block", of=Resources)
    overrides: Mapping[str, Resources] = key(
        "Resources of single stages.", default=dict, type="map", of=Resources, names="stages"
    )


@frozen(kw_only=True, eq=False, repr=False)
class Execution:
    """Where and how runs are executed; nothing in here changes bits or digests."""

    backend: Component | None = key("Engine and its settings.", default=None, type="component", kind="backend")
    container: str | None = key("Container image.", default=None, type="string", pattern=IMAGE)
    resources: Resources | None = key("What one run asks for.", default=None, type="block", of=Resources)
    overrides: Mapping[str, Resources] = key(
        "Resources of single stages.", default=dict, type="map", of=Resources, names="stages"
    )
    profiles: Mapping[str, Profile] = key("Machines by name.", default=dict, type="map", of=Profile)
    reuse: str = key(
        "`any` finished work counts as done; `same_environment` only what was computed in this one.",
        default="any",
        type="string",
        enum=["any", "same_environment"],
    )
    observers: tuple[Component, ...] = key(
        "Lightning callbacks that look on and change nothing; one that does ends the run.",
        default=(),
        type="list",
        of={"kind": "callback"},
    )
    loggers: tuple[Component, ...] = key(
        "Lightning loggers, which get the numbers of each training: `csv`, `tensorboard` or a class path.",
        default=(),
        type="list",
        of={"kind": "logger"},
    )
    max_slots: int = key(
        "How often a run may yield at its deadline and be continued.", default=50, type="integer", minimum=1
    )
