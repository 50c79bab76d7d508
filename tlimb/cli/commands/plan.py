"""`tlimb plan`: show what will run, what is shared, and what is done already."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tlimb.cli import completing, options
from tlimb.problems import ExitCode, TlimbError

Format = Literal["text", "mermaid", "dot", "json"]


def register(app: Any) -> None:
    """Add the command."""
    app.command("plan")(plan)


def plan(
    spec: options.Spec,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="write manifests and tables here")] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="text, mermaid, dot or json",
            autocompletion=completing.one_of("text", "mermaid", "dot", "json"),
        ),
    ] = "text",
    explain: Annotated[
        str | None,
        typer.Option("--explain", metavar="RUN", help="say all of one run", autocompletion=completing.runs),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="what changed since the study last ran")] = False,
    limit: Annotated[int, typer.Option("--limit", help="most runs that are planned")] = 10_000,
    allow_leak: Annotated[
        bool, typer.Option("--allow-leak", help="plan in spite of leaks; reports will say so")
    ] = False,
    root: options.Roots = None,
    store: options.Store = None,
    private: options.Private = None,
    profile: options.Profile = None,
    allow: options.Allow = None,
    with_names: options.WithNames = False,
    problems: options.Problems = "text",
) -> int:
    """Show every run of a study: what is shared, what is done, what is to do."""
    from tlimb.api.load import load
    from tlimb.api.planning import list_runs, make_plan, write_plan
    from tlimb.cli import overview, progress, show
    from tlimb.project import project, unread_settings

    if form not in ("text", "mermaid", "dot", "json"):
        raise typer.BadParameter(f"{form!r} is no format; text, mermaid, dot or json")
    presenter = show.Presenter(problems, sys.stderr)
    loaded = load(spec)
    try:
        place = project(loaded.sound(), spec, options.asked(root, store, private, profile, allow))
        with progress.hashing() as observer:
            made = make_plan(
                loaded, place, limit=limit, allow_leak=allow_leak, with_names=with_names, progress=observer
            )
    except TlimbError as error:
        presenter.add(error.problems, loaded.source)
        presenter.close()
        return int(error.exit_code)
    unread = loaded.source.resolve(unread_settings(loaded.sound(), profile, "plan"))
    presenter.add((*loaded.problems, *made.problems, *unread), loaded.source)
    presenter.close()
    list_runs(made, place)
    if explain is not None:
        print(overview.explain(made, place, explain))
    elif diff:
        print(overview.difference(made, place, loaded))
    else:
        print(overview.picture(made, place, form))
    if output is not None:
        count = write_plan(made, loaded, output, place.private)
        print(f"wrote {count} files to {output}")
    return int(ExitCode.DONE)
