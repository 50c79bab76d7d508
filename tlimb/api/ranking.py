"""Plan and store to the table and its pictures."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve

from tlimb.api.load import Loaded
from tlimb.api.planning import rank_request, store_of
from tlimb.describe import run_extra
from tlimb.manifest import Graph, Json
from tlimb.plan.plan import Plan
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.project import Project

try:
    from tlimb.report import text
    from tlimb.report.rank import rank
    from tlimb.report.request import MetricLike, RankRequest, load_builtin
    from tlimb.report.table import Table
except ImportError as error:
    raise TlimbError(
        Problem("backend-missing", f"{error.name} is not installed", help=run_extra.INSTALL),
        ExitCode.BACKEND_MISSING,
    ) from error
from tlimb.store import Store, disk

FORMS: Mapping[str, Callable[[Table], str]] = {
    "text": text.text,
    "markdown": text.markdown,
    "csv": text.separated,
    "tsv": lambda table: text.separated(table, "\t"),
    "json": text.to_json,
}


def rank_plan(plan: Plan, loaded: Loaded, place: Project) -> Table:
    """Give the table of what is done so far."""
    return rank_graph(plan.graph, rank_request(plan, loaded), place, store_of(place, plan))


def rank_graph(graph: Graph, request: Mapping[str, Json], place: Project, store: Store | None = None) -> Table:
    """Give the table of a plan that was written to files, or was just made.

    Args:
        graph: the plan.
        request: what to rank by.
        place: where things lie.
        store: the store as the study counts it; None for all that is in it.
    """
    asked = RankRequest.from_json(request)
    table = rank(graph, store or Store(place.store), place.private, asked, partial(_metric, place=place))
    return evolve(table, notes=(*table.notes, *request.get("notes", ())))


def _metric(component: Mapping[str, Any], place: Project) -> MetricLike:
    """Make a metric; a user's own needs `--allow`, and the run half for its contracts."""
    if str(component["class"]).startswith("tlimb."):
        return load_builtin(component)
    from tlimb.components.contracts import Metric
    from tlimb.protocol.options import Places
    from tlimb.training.network.instantiate import build

    places = Places(place.store, place.private, place.roots, place.allow, place.code)
    return build(component, Metric, places)  # type: ignore[type-abstract]


def write_tables(table: Table, output: Path) -> list[Path]:
    """Write the table in every form into a folder; give the files."""
    output.mkdir(parents=True, exist_ok=True)
    endings = {"text": "txt", "markdown": "md", "csv": "csv", "tsv": "tsv", "json": "json"}
    written = []
    for form, write in FORMS.items():
        path = output / f"ranking.{endings[form]}"
        disk.write_output(path, (write(table).rstrip("\n") + "\n").encode())
        written.append(path)
    return written


def write_pictures(graph: Graph, place: Project, output: Path) -> list[Path]:
    """Draw learning curves and example slices into a folder; give the files."""
    from tlimb.report import plots

    return plots.write(graph, Store(place.store), place.private, place.roots, output)
