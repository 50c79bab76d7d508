"""`tlimb rank`: the table of a study."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.cli import completing, options
from tlimb.problems import ExitCode


def register(app: Any) -> None:
    """Add the command."""
    app.command("rank")(rank)


def rank(
    what: Annotated[
        Path,
        typer.Argument(help="a study (YAML) or a plan folder", show_default=False, autocompletion=completing.specs),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="text, markdown, csv, tsv or json",
            autocompletion=completing.one_of("text", "markdown", "csv", "tsv", "json"),
        ),
    ] = "text",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="write table and pictures into this folder")
    ] = None,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="draw curves and slices too")] = True,
    allow_partial: Annotated[bool, typer.Option("--allow-partial", help="end well although runs are missing")] = False,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="rank in spite of leaks; the table says so")] = False,
    root: options.Roots = None,
    store: options.Store = None,
    private: options.Private = None,
    profile: options.Profile = None,
    allow: options.Allow = None,
) -> int:
    """Rank what was compared: each row with its selected configuration, over repetitions and folds."""
    from tlimb.api.ranking import FORMS, rank_graph, write_pictures, write_tables
    from tlimb.backends.plan_folder import is_plan

    if form not in FORMS:
        raise typer.BadParameter(f"{form!r} is no format; {', '.join(FORMS)}")
    asked = options.asked(root, store, private, profile, allow)
    graph, request, place, counting = (
        _written(what, asked) if is_plan(what) else _planned(what, asked, allow_leak=allow_leak)
    )
    table = rank_graph(graph, request, place, counting)
    print(FORMS[form](table))
    if output is not None:
        written = write_tables(table, output)
        written += write_pictures(graph, place, output) if pictures else []
        for path in written:
            print(f"wrote {path}")
    complete = not table.partial or allow_partial
    return int(ExitCode.DONE if complete else ExitCode.YIELDED)


def _written(folder: Path, asked: Any) -> tuple[Any, Any, Any, Any]:
    """Read graph and request from a plan folder, for engines: neither spec nor data are needed."""
    from tlimb.backends.plan_folder import place_of_plan, read_plan

    place = place_of_plan(folder, asked)
    return (*read_plan(folder, place.private), place, None)


def _planned(spec: Path, asked: Any, *, allow_leak: bool) -> tuple[Any, Any, Any, Any]:
    """Plan the study again, and say what is wrong with it."""
    from tlimb.api.load import load
    from tlimb.api.planning import make_plan, rank_request, store_of
    from tlimb.cli import progress, show
    from tlimb.project import project

    loaded = load(spec)
    place = project(loaded.sound(), spec, asked)
    with progress.hashing() as observer:
        plan = make_plan(loaded, place, allow_leak=allow_leak, progress=observer)
    show.problems((*loaded.problems, *plan.problems), loaded.source)
    return plan.graph, rank_request(plan, loaded), place, store_of(place, plan)
