"""`execution` as a backend reads it: which engine's options hold, and what is asked in vain."""

from collections.abc import Iterator, Mapping

from tlimb.backends.contracts import Backend
from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Execution, Profile, Resources
from tlimb.language.values import Component
from tlimb.manifest import Json
from tlimb.plan.pieces import plain
from tlimb.problems import Problem, Severity

SHORT_MINUTES = 5
"""A run stops itself two and a half minutes before its limit, or at half of it: `ext.slot` of a project."""


def profile_of(execution: Execution, name: str | None) -> Profile | None:
    """Give a profile by its name; None for none."""
    return None if name is None else execution.profiles.get(name)


def engines_of(execution: Execution, name: str | None, catalogue: Catalogue) -> dict[str, dict[str, Json]]:
    """Give the options of each engine: those of the chosen profile, else the only ones that are written.

    What is not written has its default, None where there is none.
    """
    found = {
        listing.name: {key: one.default for key, one in listing.options.items()} for listing in catalogue.all("backend")
    }
    for component, _ in reversed(list(_written(execution, name))):
        found.setdefault(component.name, {}).update({key: plain(value) for key, value in component.options.items()})
    return found


def _written(execution: Execution, name: str | None) -> Iterator[tuple[Component, str]]:
    """Go through the engines that hold, the nearer ones first, with the place of each."""
    chosen = profile_of(execution, name)
    if chosen is not None and chosen.backend is not None:
        yield chosen.backend, f"/execution/profiles/{name}/backend"
    if execution.backend is not None:
        yield execution.backend, "/execution/backend"
    if chosen is None:
        for other, profile in execution.profiles.items():
            if profile.backend is not None:
                yield profile.backend, f"/execution/profiles/{other}/backend"


def problems(execution: Execution, name: str | None, backend: Backend) -> Iterator[Problem]:
    """Give what a study asks for and a backend cannot express, each at its place."""
    if name is not None and name not in execution.profiles:
        known = ", ".join(sorted(execution.profiles)) or "none"
        message = f"`{name}` is no profile of this study"
        yield Problem("profile-unknown", message, "/execution/profiles", on_key=True, help=f"profiles here: {known}")
        return
    yield from _ambiguous(execution, name)
    chosen = profile_of(execution, name)
    able = backend.capabilities
    for component, place in _written(execution, name):
        if component.name not in able.engines:
            message = f"the backend `{backend.name}` does not run on `{component.name}`"
            severity = Severity.ERROR if chosen is not None and component is chosen.backend else Severity.WARNING
            help_ = f"it runs on: {', '.join(sorted(able.engines))}; or emit with --backend nextflow"
            yield Problem("backend-cannot", message, place, severity=severity, help=help_)
    if not able.containers:
        for container, place in (
            (execution.container, "/execution/container"),
            (chosen and chosen.container, f"/execution/profiles/{name}/container"),
        ):
            if container:
                message = f"the backend `{backend.name}` starts no containers: runs use the packages of its machine"
                yield Problem("backend-cannot", message, place, severity=Severity.WARNING)
    if execution.reuse == "same_environment":
        message = "the runs of a project take what the store has, whichever environment has computed it"
        yield Problem("backend-cannot", message, "/execution/reuse", severity=Severity.WARNING)
    yield from _resources(execution, chosen, name, backend)
    if "slurm" in able.engines and any(component.name == "slurm" for component, _ in _written(execution, name)):
        yield from _short(execution, chosen, name)


def _short(execution: Execution, chosen: Profile | None, name: str | None) -> Iterator[Problem]:
    """Warn of time limits of which starting and stopping leave little."""
    for resources, place in _layers(execution, chosen, name):
        hours = None if resources is None else resources.time_h
        if hours is None or hours * 60 >= SHORT_MINUTES:
            continue
        minutes = hours * 60
        message = (
            f"`time_h` of {hours:g} is {minutes:.3g} minutes: "
            f"a job on Slurm would have at most {minutes / 2:.2g} of them to start and to train"
        )
        help_ = "ask for at least five minutes:   time_h: 0.1"
        yield Problem("time-short", message, f"{place}/time_h", severity=Severity.WARNING, help=help_)


def _ambiguous(execution: Execution, name: str | None) -> Iterator[Problem]:
    """Two profiles with settings for one engine: which ones hold has to be said."""
    if name is not None:
        return
    seen: dict[str, str] = {}
    for other, profile in execution.profiles.items():
        engine = profile.backend
        if engine is None or engine.name == "local":
            continue
        if engine.name in seen:
            message = f"`{seen[engine.name]}` and `{other}` both have settings for `{engine.name}`"
            help_ = f"say which one holds:   tlimb emit SPEC --profile {other}"
            yield Problem("profile-needed", message, f"/execution/profiles/{other}/backend", help=help_)
        seen.setdefault(engine.name, other)


def _layers(execution: Execution, chosen: Profile | None, name: str | None) -> list[tuple[Resources | None, str]]:
    """Give every place that asks for resources."""
    base = f"/execution/profiles/{name}"
    layers: list[tuple[Resources | None, str]] = [(execution.resources, "/execution/resources")]
    layers += [(one, f"/execution/overrides/{stage}") for stage, one in execution.overrides.items()]
    if chosen is not None:
        layers.append((chosen.resources, f"{base}/resources"))
        layers += [(one, f"{base}/overrides/{stage}") for stage, one in chosen.overrides.items()]
    return layers


def _resources(execution: Execution, chosen: Profile | None, name: str | None, backend: Backend) -> Iterator[Problem]:
    for resources, place in _layers(execution, chosen, name):
        asked = _asked(resources)
        vain = sorted(asked.keys() - backend.capabilities.resources)
        if vain:
            message = f"the backend `{backend.name}` passes no {', '.join(vain)} on: runs take what the machine has"
            yield Problem("backend-cannot", message, f"{place}/{vain[0]}", on_key=True, severity=Severity.WARNING)
            return


def _asked(resources: Resources | None) -> Mapping[str, object]:
    if resources is None:
        return {}
    names = ("cpus", "gpus", "memory_gb", "time_h")
    return {name: value for name in names if (value := getattr(resources, name)) is not None}
