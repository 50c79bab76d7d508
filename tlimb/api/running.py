"""A plan to results: the runner, started apart so that this process never loads torch."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

from attrs import evolve, field, frozen

from tlimb.api import onlookers
from tlimb.api.load import Loaded
from tlimb.api.onlookers import Onlookers
from tlimb.describe import run_extra
from tlimb.language.values import Component
from tlimb.manifest import Graph, Kind
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.project import Project
from tlimb.store import Store, disk, environments
from tlimb.store.disk import private_folder

Observe = Callable[[dict[str, Any]], None]


@frozen
class Settings:
    """How to run; none of it changes a bit of a result.

    Attributes:
        workers: runs at a time; 0 for what the study's backend `local` says, else the number of CPU cores.
        smoke: two batches a run, in a store of its own.
        deadline: seconds from now before which everything must have stopped and saved; None for none.
        same_environment: what was computed in another environment is computed again.
        check: try two batches of each kind of training before many of them run.
        checkpoint_every_s: longest time between two resume points of a run, seconds.
        onlookers: observers and loggers of trainings.
    """

    workers: int = 0
    smoke: bool = False
    deadline: float | None = None
    same_environment: bool = False
    check: bool = True
    checkpoint_every_s: float = 600.0
    onlookers: Onlookers = field(factory=Onlookers)


def need_torch() -> None:
    """Refuse to go on where the packages that training needs are not installed.

    Raises:
        TlimbError: with exit code 69.
    """
    if absent := run_extra.missing():
        problem = Problem("backend-missing", f"not installed here: {', '.join(absent)}", help=run_extra.INSTALL)
        raise TlimbError(problem, ExitCode.BACKEND_MISSING)


def run_graph(graph: Graph, place: Project, settings: Settings, observe: Observe) -> Any:
    """Run what is not done of a graph and give the runner's summary.

    Raises:
        TlimbError: the packages that training needs are not installed.
        OSError: there is no store and none can be made.
    """
    need_torch()
    import time

    from tlimb.protocol.options import Options, Places
    from tlimb.scheduler.supervise import supervise

    # Found here, a wrong place is one message; found by the runs, it would be one failure each.
    disk.make(place.store)
    places = Places(place.store, place.private, place.roots, place.allow, place.code, place.weights)
    deadline = None if settings.deadline is None else time.time() + settings.deadline
    options = Options(
        deadline=deadline,
        checkpoint_every_s=settings.checkpoint_every_s,
        smoke=settings.smoke,
        same_environment=settings.same_environment,
        check=settings.check,
        observers=settings.onlookers.observers,
        loggers=settings.onlookers.loggers,
    )
    workers = settings.workers or len(os.sched_getaffinity(0))
    if settings.same_environment:
        environments.remember(private_folder(place.private), _ask_environment())
    summary = supervise(graph, places, workers, options, observe)
    # It is only for what the next `plan` says of other environments; on an engine the folder may be read-only.
    with contextlib.suppress(OSError):
        told = environments.told_by(Store(place.store), summary.computed)
        environments.remember(private_folder(place.private), told)
    return summary


def _ask_environment() -> dict[str, Any]:
    """Ask torch, in a process of its own, what this machine's environment is."""
    words = [sys.executable, "-P", "-m", "tlimb.training.devices.environment"]
    return dict(json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout))


def bad_images(place: Project, works: Iterable[str]) -> list[str]:
    """Give the names of the images that some works could not use, each once, with what is wrong."""
    from tlimb.protocol.options import BAD_IMAGES

    found: dict[str, None] = {}
    for work in works:
        path = place.private / BAD_IMAGES / f"{work}.txt"
        if path.is_file():
            found |= dict.fromkeys(path.read_text(encoding="utf-8").splitlines())
    return sorted(found)


def smoke_place(place: Project) -> Project:
    """Give the places of a smoke run: a store of its own beside the real one."""
    return evolve(place, store=place.store.with_name(place.store.name + "-smoke"))


def settled(settings: Settings, loaded: Loaded, profile: str | None = None) -> Settings:
    """Return the settings with what the study's `execution`, and one of its profiles, says of running here."""
    study = loaded.sound()
    chosen = None if profile is None else study.execution.profiles[profile]
    engine = chosen.backend if chosen is not None and chosen.backend is not None else study.execution.backend
    workers = engine.options.get("workers") if engine is not None and engine.name == "local" else None
    return evolve(
        settings,
        workers=settings.workers or int(str(workers or 0)),
        same_environment=study.execution.reuse == "same_environment",
        onlookers=onlookers.of_study(study.execution, loaded.catalogue),
    )


def smoke_study(loaded: Loaded) -> Loaded:
    """Give a study of one draw and one replicate, so that nobody edits a spec to try it."""
    study = loaded.sound()
    written = study.search
    seed = 0 if written is None else written.options.get("seed", 0)
    search = Component("random", {"count": 1, "seed": seed}, "" if written is None else written.pointer)
    replicates = evolve(study.replicates, count=1, seeds=study.replicates.seeds[:1])
    return evolve(loaded, study=evolve(study, search=search, replicates=replicates))


def choices(graph: Graph, place: Project) -> list[tuple[str, int]]:
    """Give what the selections of a graph chose, as far as they are done: (work, candidate)."""
    store = Store(place.store)
    selects = (node.work for node in graph if node.kind is Kind.SELECT)
    return [(work, chosen) for work in selects if (chosen := store.chosen(work)) is not None]
