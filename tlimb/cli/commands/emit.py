"""`tlimb emit`: write a study as a project of a workflow engine."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.cli import options
from tlimb.problems import ExitCode


def register(app: Any) -> None:
    """Add the command."""
    app.command("emit")(emit)


def emit(
    spec: options.Spec,
    output: Annotated[Path, typer.Option("-o", "--output", help="folder of the project", show_default=False)],
    backend: Annotated[str, typer.Option("--backend", help="nextflow, local, or an installed one")] = "nextflow",
    pack: Annotated[
        str,
        typer.Option("--pack", metavar="N|auto", help="put up to N short fits into a task; auto: about five minutes"),
    ] = "1",
    shard: Annotated[
        str | None, typer.Option("--shard", metavar="I/N", help="the i-th of n parts; 0/n is what several parts need")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="write over files that were changed by hand")] = False,
    limit: Annotated[int, typer.Option("--limit", help="most runs that are planned")] = 10_000,
    allow_leak: Annotated[
        bool, typer.Option("--allow-leak", help="emit in spite of leaks; reports will say so")
    ] = False,
    root: options.Roots = None,
    store: options.Store = None,
    private: options.Private = None,
    profile: options.Profile = None,
    allow: options.Allow = None,
    with_names: options.WithNames = False,
) -> int:
    """Write a study as a project of a workflow engine; equal studies give equal files."""
    from tlimb.api import emitting
    from tlimb.api.load import load
    from tlimb.api.planning import make_plan, remember
    from tlimb.backends import project_folder
    from tlimb.cli import progress, show
    from tlimb.project import project

    asked = emitting.Asked(backend, profile, _size(pack), _part(shard))
    loaded = load(spec)
    place = project(loaded.sound(), spec, options.asked(root, store, private, profile, allow))
    with progress.hashing() as observer:
        plan = make_plan(loaded, place, limit=limit, allow_leak=allow_leak, with_names=with_names, progress=observer)
    chosen, made, found = emitting.emission(plan, loaded, place, asked)
    found = (*found, *project_folder.unstartable(chosen, output))
    show.problems((*loaded.problems, *plan.problems, *found), loaded.source)
    count = project_folder.write_project(
        project_folder.project_files(chosen, made), output, force=force, private=place.private
    )
    project_folder.write_places(output, place)
    remember(plan, place, loaded)
    rows = [(name, str(tasks), str(runs)) for name, tasks, runs in emitting.task_lines(made.tasks)]
    print(show.table(("step", "tasks", "runs"), rows))
    print(f"wrote {count} files to {output}; next: see {output / 'README.md'}")
    return int(ExitCode.DONE)


def _size(text: str) -> int | None:
    if text == "auto":
        return None
    if not (text.isdecimal() and int(text) > 0):
        raise typer.BadParameter(f"{text!r} is no size of a pack: write a number from 1 on, or auto")
    return int(text)


def _part(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    part, sign, parts = text.partition("/")
    if not (sign and part.isdecimal() and parts.isdecimal() and int(part) <= int(parts) and int(parts) > 0):
        raise typer.BadParameter(f"{text!r} is no part: write 1/4 for the first of four")
    return int(part), int(parts)
