"""`tlimb rank`: the table of a study."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.cli import options
from tlimb.problems import ExitCode


def register(app: Any) -> None:
    """Add the command."""
    app.command("rank")(rank)


def rank(
    spec: options.Spec,
    form: Annotated[str, typer.Option("--format", help="text, markdown, csv, tsv or json")] = "text",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="write table and pictures into this folder")
    ] = None,
    allow_partial: Annotated[bool, typer.Option("--allow-partial", help="end well although runs are missing")] = False,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="rank in spite of leaks; the table says so")] = False,
    root: options.Roots = None,
    store: options.Store = None,
    private: options.Private = None,
    profile: options.Profile = None,
    allow: options.Allow = None,
) -> int:
    """Rank what was compared: each row with its selected configuration, over repetitions and folds."""
    from tlimb.api.load import load
    from tlimb.api.planning import make_plan
    from tlimb.api.project import project
    from tlimb.api.ranking import FORMS, rank_plan, write_report
    from tlimb.cli import progress, show

    if form not in FORMS:
        raise typer.BadParameter(f"{form!r} is no format; {', '.join(FORMS)}")
    loaded = load(spec)
    place = project(loaded.sound(), spec, options.asked(root, store, private, profile, allow))
    with progress.hashing() as observer:
        plan = make_plan(loaded, place, allow_leak=allow_leak, progress=observer)
    show.problems((*loaded.problems, *plan.problems), loaded.source)
    table = rank_plan(plan, loaded, place)
    print(FORMS[form](table))
    if output is not None:
        for path in write_report(table, plan, place, output):
            print(f"wrote {path}")
    complete = not table.partial or allow_partial
    return int(ExitCode.DONE if complete else ExitCode.YIELDED)
