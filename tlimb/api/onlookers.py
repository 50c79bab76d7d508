"""Observers and loggers of a study's `execution`: components that runs are handed beside their manifests."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tlimb.backends.plan_folder import MOST_PLANNED, PLAN
from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Execution
from tlimb.language.values import Component
from tlimb.manifest import Json
from tlimb.manifest.parsing import parse_object
from tlimb.plan.pieces import Components
from tlimb.problems import Problem, Severity

WRITERS = {"tensorboard": ("tensorboard", "tensorboardX")}
"""Logger -> packages of which it needs one."""


@frozen
class Onlookers:
    """What looks on at trainings, as JSON of components; no part of any work.

    Attributes:
        observers: Lightning callbacks.
        loggers: Lightning loggers.
    """

    observers: tuple[Json, ...] = field(default=(), converter=tuple)
    loggers: tuple[Json, ...] = field(default=(), converter=tuple)

    def to_json(self) -> dict[str, Json]:
        """Return what `of_plan` reads; nothing where nobody looks on."""
        found = {"observers": list(self.observers), "loggers": list(self.loggers)}
        return {name: listed for name, listed in found.items() if listed}

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the class paths of all."""
        return tuple(str(one["class"]) for one in (*self.observers, *self.loggers))


def of_study(execution: Execution, catalogue: Catalogue) -> Onlookers:
    """Return what a study names; without the identity of its code, which decides nothing."""
    components = Components(catalogue, lambda _: {})

    def made(kind: str, found: tuple[Any, ...]) -> list[Json]:
        return [components.json(kind, one) for one in found if isinstance(one, Component)]

    return Onlookers(made("callback", execution.observers), made("logger", execution.loggers))


def of_plan(path: Path) -> Onlookers:
    """Return what the plan folder names that a path is, or lies in; nothing where there is no plan.

    Args:
        path: a plan folder, a project, or a manifest.
    """
    path = path.resolve()
    folders = (path, path / "plan") if path.is_dir() else tuple(path.parents)[:4]
    for folder in folders:
        try:
            found = parse_object((folder / PLAN).read_bytes(), MOST_PLANNED)
        except (OSError, ValueError):
            continue
        return Onlookers(_listed(found.get("observers")), _listed(found.get("loggers")))
    return Onlookers()


def _listed(found: Any) -> list[Json]:
    listed = found if isinstance(found, list) else []
    return [one for one in listed if isinstance(one, dict) and isinstance(one.get("class"), str)]


def missing(execution: Execution) -> Iterator[Problem]:
    """Warn of loggers that cannot write here, since no package that they need is installed."""
    for logger in execution.loggers:
        needed = WRITERS.get(getattr(logger, "name", ""), ())
        if needed and not any(find_spec(name) for name in needed):
            message = f"the logger `{logger.name}` needs one of {' and '.join(needed)}, and neither is installed here"
            help_ = "pip install 'tlimb[tensorboard]'   where runs are executed, or take it out"
            yield Problem("logger-missing", message, logger.pointer, severity=Severity.WARNING, help=help_)
