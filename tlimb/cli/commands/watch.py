"""`tlimb status` and `tlimb logs`: what became of a study's runs, whichever engine runs them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlimb.cli import completing, options
from tlimb.problems import ExitCode

if TYPE_CHECKING:
    from tlimb.manifest import Graph
    from tlimb.project import Project
    from tlimb.report.status import Status

What = Annotated[Path, typer.Argument(help="a study (YAML), a plan folder or an emitted project", show_default=False)]
MOST_FAILURES = 20
FORMS = ("text", "json")


def register(app: Any) -> None:
    """Add the commands."""
    app.command("status")(status)
    app.command("logs")(logs)


def status(
    what: What,
    form: Annotated[
        str, typer.Option("--format", help="text or json", autocompletion=completing.one_of(*FORMS))
    ] = "text",
    root: options.Roots = None,
    store: options.Store = None,
    private: options.Private = None,
    profile: options.Profile = None,
) -> int:
    """Say how many runs are queued, running, done and failed, and about how much work is left."""
    from tlimb.api.watching import status as status_of

    if form not in FORMS:
        raise typer.BadParameter(f"{form!r} is not a format; {' or '.join(FORMS)}")
    graph, place = _graph(what, options.asked(root, store, private, profile))
    found = status_of(graph, place)
    if form == "json":
        import json

        from tlimb.manifest.structure import unstructure

        print(json.dumps(unstructure(found), indent=1, sort_keys=True, ensure_ascii=False))
    else:
        _print(found, graph, place)
    return int(ExitCode.DONE)


def _print(found: "Status", graph: "Graph", place: "Project") -> None:
    """Print a status for people."""
    from tlimb.api.watching import last_line, log_of
    from tlimb.cli import show
    from tlimb.cli.tally import title
    from tlimb.report.status import STATES

    used = [state for state in STATES if any(step.counts.of(state) for step in found.steps)]
    rows = [(step.name, *(step.counts.of(state) or "-" for state in used)) for step in found.steps]
    print(show.table(("", *used), rows))
    left = found.left
    said = "-"
    if left is not None:
        said = f"{show.duration(left.seconds)} of computing, from {left.finished_runs} finished runs"
    print(f"\nleft: {said}")
    for one in found.runs:
        if one.state == "running":
            print(f"running: {title(graph.nodes[one.work])} [{one.work[:16]}] on {one.host}")
    failed = [one for one in found.runs if one.state in ("failed", "diverged")]
    for one in failed[:MOST_FAILURES]:
        print(f"{one.state}: {title(graph.nodes[one.work])} [{one.work[:16]}]: {one.reason or ''}")
        if one.state == "failed" and (line := last_line(log_of(one.work, place))):
            print(f"    {line}")
    if len(failed) > MOST_FAILURES:
        print(f"and {len(failed) - MOST_FAILURES} more")


def logs(
    what: What,
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="first digits of the run, or of its pack", show_default=False)
    ],
    root: options.Roots = None,
    store: options.Store = None,
    private: options.Private = None,
    profile: options.Profile = None,
) -> int:
    """Print what a run has printed, and why it ended; it may name people and files."""
    from tlimb.api.watching import log_of, named, states
    from tlimb.backends.plan_folder import packs_of

    graph, place = _graph(what, options.asked(root, store, private, profile))
    wanted = set(named(run, graph, packs_of(what, place.private)))
    for state in states(graph, place):
        if state.work in wanted:
            path = log_of(state.work, place)
            print(f"{state.work[:16]}: {state.state}" + (f": {state.said}" if state.said else ""))
            print("it has printed nothing" if path is None else path.read_text(encoding="utf-8", errors="replace"))
    return int(ExitCode.DONE)


def _graph(what: Path, asked: Any) -> "tuple[Graph, Project]":
    """Read a plan folder, or plan the study again."""
    from tlimb.backends.plan_folder import is_plan, place_of_plan, read_plan

    if is_plan(what):
        place = place_of_plan(what, asked)
        return read_plan(what, place.private)[0], place
    from tlimb.api.load import load
    from tlimb.api.planning import make_plan
    from tlimb.cli import progress
    from tlimb.project import project

    loaded = load(what)
    place = project(loaded.sound(), what, asked)
    with progress.hashing() as observer:
        return make_plan(loaded, place, allow_leak=True, progress=observer).graph, place
