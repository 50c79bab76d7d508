"""`tlimb run`: compute what a study still lacks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.cli import completing, options


def register(app: Any) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    what: Annotated[
        list[Path],
        typer.Argument(
            help="a study (YAML), manifests (.json, .jsonl) or a plan folder",
            show_default=False,
            autocompletion=completing.runnable,
        ),
    ],
    workers: Annotated[
        int, typer.Option("--workers", "-j", help="parallel runs [those of the backend `local`, else CPU cores]")
    ] = 0,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="one draw, one replicate, two batches, a store of its own")
    ] = False,
    deadline: Annotated[
        float | None, typer.Option("--deadline", metavar="SECONDS", help="stop and save before")
    ] = None,
    checkpoint_every: Annotated[
        float, typer.Option("--checkpoint-every", metavar="SECONDS", min=0, help="longest time between resume points")
    ] = 600,
    limit: Annotated[int, typer.Option("--limit", help="most runs that are planned")] = 10_000,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="run in spite of leaks")] = False,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="before many trainings, try two batches of each kind")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print the end only")] = False,
    task: Annotated[
        bool,
        typer.Option("--task", help="for engines: exit 0 when one of several runs ended well, and none may be retried"),
    ] = False,
    root: options.Roots = None,
    store: options.Store = None,
    private: options.Private = None,
    profile: options.Profile = None,
    allow: options.Allow = None,
    with_names: options.WithNames = False,
) -> int:
    """Compute what a study still lacks; what is done stays done, and one failed run never stops the others."""
    from tlimb.api.running import Settings

    # An engine has started the pack beside others of its kind: what cannot work fails there as well.
    settings = Settings(workers, smoke, deadline, check=check and not task, checkpoint_every_s=checkpoint_every)
    asked = options.asked(root, store, private, profile, allow)
    if any(path.suffix in (".json", ".jsonl") or path.is_dir() for path in what):
        return run_manifests(what, settings, asked, quiet=quiet, task=task, with_names=with_names)
    if len(what) != 1:
        raise typer.BadParameter("one study at a time, or manifests")
    return _study(what[0], settings, asked, quiet, (limit, allow_leak, with_names))


def _study(spec: Path, settings: Any, asked: Any, quiet: bool, planning: tuple[int, bool, bool]) -> int:
    from tlimb.api.load import load
    from tlimb.api.planning import make_plan, remember
    from tlimb.api.running import run_graph, settled, smoke_place, smoke_study
    from tlimb.cli import live, progress, show
    from tlimb.project import project, unread_settings

    loaded = load(spec)
    if settings.smoke:
        loaded = smoke_study(loaded)
    place = project(loaded.sound(), spec, asked)
    if settings.smoke:
        place = smoke_place(place)
    limit, allow_leak, with_names = planning
    with progress.hashing() as observer:
        plan = make_plan(loaded, place, limit=limit, allow_leak=allow_leak, with_names=with_names, progress=observer)
    unread = loaded.source.resolve(unread_settings(loaded.sound(), asked.profile, "run"))
    show.problems((*loaded.problems, *plan.problems, *unread), loaded.source)
    with live.display(plan.graph, quiet=quiet) as observe:
        summary = run_graph(plan.graph, place, settled(settings, loaded, asked.profile), observe)
    if not settings.smoke:
        remember(plan, place, loaded)
    _end(summary, plan.graph, place, with_names)
    return live.code(summary)


def _end(summary: Any, graph: Any, place: Any, with_names: bool) -> None:
    """Print what became of a run, and which images could not be used."""
    from tlimb.api.running import bad_images
    from tlimb.cli import live

    print(live.summary(summary, graph))
    files = bad_images(place, summary.failed)
    said = "1 image cannot be used" if len(files) == 1 else f"{len(files)} images cannot be used"
    if files and with_names:
        print("\n".join([f"{said}:", *(f"  {line}" for line in files)]))
    elif files:
        print(f"{said}: --with-names names {'its file' if len(files) == 1 else 'their files'}")


def run_manifests(
    what: list[Path], settings: Any, asked: Any, *, quiet: bool, task: bool, with_names: bool = False
) -> int:
    """Run manifests and say what became of them."""
    from attrs import evolve

    from tlimb.api.onlookers import of_plan
    from tlimb.api.running import run_graph
    from tlimb.backends.plan_folder import place_of_manifests, read_manifests, read_plan
    from tlimb.cli import live

    place = place_of_manifests(what[0], asked)
    settings = evolve(settings, onlookers=of_plan(what[0]))
    whole = what[0].is_dir()
    graph = read_plan(what[0], place.private)[0] if whole else read_manifests(what, place.private)
    with live.display(graph, quiet=quiet) as observe:
        summary = run_graph(graph, place, settings, observe)
    _end(summary, graph, place, with_names)
    return live.code_of_task(summary) if task else live.code(summary)
