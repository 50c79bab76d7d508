"""The steps of a study as functions, for notebooks; the command line does the same with more to see."""

from pathlib import Path
from typing import Any

from tlimb.api import planning
from tlimb.api.deep import Network, check_deep
from tlimb.api.load import Loaded, mismatches
from tlimb.api.load import load as _load
from tlimb.api.running import Settings, run_graph, settled
from tlimb.plan.plan import Plan
from tlimb.problems import Problem
from tlimb.project import Asked, project


def load(spec: str | Path) -> Loaded:
    """Read and check a spec; what is wrong with it is in `problems`.

    Raises:
        TlimbError: there is no such file.
    """
    return _load(Path(spec))


def validate(spec: str | Path, *, data: bool = False, deep: bool = False, asked: Asked | None = None) -> list[Problem]:
    """Give everything that is wrong with a spec, with places.

    Args:
        spec: the file.
        data: also read tables and file lists.
        deep: also build every network without memory, after reading tables and file lists.
        asked: where things lie, and what user code the deep check may import.

    Raises:
        TlimbError: there is no such file, or the deep check is asked for where torch is not installed.
    """
    loaded = _load(Path(spec))
    found = [*loaded.problems, *mismatches(loaded)]
    if loaded.broken or not (data or deep):
        return found
    more = check_deep(loaded, asked or Asked()).problems if deep else planning.check_data(loaded, asked or Asked())
    return [*found, *more]


def networks(loaded: Loaded, asked: Asked | None = None) -> tuple[Network, ...]:
    """Give the networks of a loaded study with what they need; each is built without memory.

    Raises:
        TlimbError: the spec is at fault, or torch is not installed.
    """
    return check_deep(loaded, asked or Asked()).networks


def make_plan(loaded: Loaded, asked: Asked | None = None) -> Plan:
    """Plan a loaded study.

    Raises:
        TlimbError: the spec or the data are at fault.
    """
    return planning.make_plan(loaded, project(loaded.sound(), loaded.source.path, asked or Asked()))


def run(loaded: Loaded, asked: Asked | None = None, settings: Settings | None = None) -> Any:
    """Compute what a study still lacks and give the summary.

    Raises:
        TlimbError: the spec or the data are at fault, or torch is not installed.
    """
    place = project(loaded.sound(), loaded.source.path, asked or Asked())
    made = planning.make_plan(loaded, place)
    summary = run_graph(
        made.graph,
        place,
        settled(settings or Settings(), loaded, asked.profile if asked else None),
        lambda _: None,
    )
    planning.remember(made, place, loaded)
    return summary


def results(loaded: Loaded, asked: Asked | None = None) -> Any:
    """Give the ranking of what is done so far.

    Raises:
        TlimbError: the spec or the data are at fault.
    """
    from tlimb.api.ranking import rank_plan

    place = project(loaded.sound(), loaded.source.path, asked or Asked())
    return rank_plan(planning.make_plan(loaded, place), loaded, place)
