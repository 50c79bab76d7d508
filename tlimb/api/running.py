"""A plan to results: the runner, started apart so that this process never loads torch."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from tlimb.api.load import Loaded
from tlimb.api.project import Asked, Project
from tlimb.language.values import Component
from tlimb.manifest import Graph, Manifest
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.store import disk

Observe = Callable[[dict[str, Any]], None]


@frozen
class Settings:
    """How to run; none of it changes a bit of a result.

    Attributes:
        workers: runs at a time; 0 for the number of CPU cores.
        smoke: two batches a run, in a store of its own.
        deadline: seconds from now before which everything must have stopped and saved; None for none.
    """

    workers: int = 0
    smoke: bool = False
    deadline: float | None = None


def run_graph(graph: Graph, place: Project, settings: Settings, observe: Observe) -> Any:
    """Run what is not done of a graph and give the runner's summary.

    Raises:
        TlimbError: the packages that training needs are not installed.
        OSError: there is no store and none can be made.
    """
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("torch", "lightning", "numpy")):
        problem = Problem(
            "backend-missing", "torch and lightning are not installed here", help="pip install 'tlimb[run]'"
        )
        raise TlimbError(problem, ExitCode.BACKEND_MISSING)
    import time

    from tlimb.runner.api import Options, Places
    from tlimb.runner.supervise import supervise

    # Found here, a wrong place is one message; found by the runs, it would be one failure each.
    disk.make(place.store)
    places = Places(place.store, place.private, place.roots, place.allow, place.code, place.weights)
    deadline = None if settings.deadline is None else time.time() + settings.deadline
    options = Options(deadline=deadline, smoke=settings.smoke)
    workers = settings.workers or len(os.sched_getaffinity(0))
    return supervise(graph, places, workers, options, observe)


def smoke_place(place: Project) -> Project:
    """Give the places of a smoke run: a store of its own beside the real one."""
    return evolve(place, store=place.store.with_name(place.store.name + "-smoke"))


def smoke_study(loaded: Loaded) -> Loaded:
    """Give a study of one draw and one replicate, so that nobody edits a spec to try it."""
    study = loaded.sound()
    written = study.search
    seed = 0 if written is None else written.options.get("seed", 0)
    search = Component("random", {"count": 1, "seed": seed}, "" if written is None else written.pointer)
    replicates = evolve(study.replicates, count=1, seeds=study.replicates.seeds[:1])
    return evolve(loaded, study=evolve(study, search=search, replicates=replicates))


# -- manifests given by hand or by an engine --


def read_manifests(paths: Iterable[Path]) -> Graph:
    """Read manifests, parents first; parents that are not among them must lie in the store.

    A file holds one manifest (.json) or one a line (.jsonl, as `plan -o` writes them).

    Raises:
        TlimbError: a file is no manifest, or was edited.
    """
    nodes: dict[str, Manifest] = {}
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
            lines = text.splitlines() if path.suffix == ".jsonl" else [text]
            found = [Manifest.from_json(json.loads(line)) for line in lines]
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = Problem(
                "manifest-unreadable", f"{path}: {error}", help="write manifests anew: tlimb plan SPEC -o DIR"
            )
            raise TlimbError(problem, ExitCode.USAGE) from error
        nodes |= {node.work: node for node in found}
    ordered: dict[str, Manifest] = {}

    def visit(work: str) -> None:
        if work in nodes and work not in ordered:
            for parent in Graph(nodes).needed(nodes[work]):
                visit(parent)
            ordered[work] = nodes[work]

    for work in nodes:
        visit(work)
    return Graph(ordered)


def place_of_manifests(first: Path, asked: Asked) -> Project:
    """Give the places of manifests: as asked, from the environment, else the current folder."""
    here = Path.cwd()
    environment: Mapping[str, str] = {
        key.removeprefix("TLIMB_ROOT_").lower(): value
        for key, value in os.environ.items()
        if key.startswith("TLIMB_ROOT_")
    }
    roots = {"spec": here, **{k: Path(v) for k, v in environment.items()}, **asked.roots}
    code = first.resolve().parent.parent.parent / "code"
    return Project(
        spec=first,
        folder=here,
        roots={name: path.resolve() for name, path in roots.items() if name not in ("store", "private")},
        store=Path(roots.get("store", here / "tlimb-store")).resolve(),
        private=Path(roots.get("private", here / "tlimb-private")).resolve(),
        code=(code,) if code.is_dir() else (),
        allow=asked.allow,
    )
