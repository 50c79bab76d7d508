"""`tlimb select`: run selections, and say what they chose."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.cli import options


def register(app: Any) -> None:
    """Add the command."""
    app.command("select")(select)


def select(
    what: Annotated[list[Path], typer.Argument(help="manifests of selections (.json, .jsonl)", show_default=False)],
    task: Annotated[bool, typer.Option("--task", help="for engines: exit 0 when one of several ended well")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print the end only")] = False,
    root: options.Roots = None,
    store: options.Store = None,
    private: options.Private = None,
    allow: options.Allow = None,
) -> int:
    """Choose among finished candidates by their validation metric; `tlimb run` of a study does this by itself."""
    from tlimb.api.running import Settings, choices
    from tlimb.backends.plan_folder import place_of_manifests, read_manifests
    from tlimb.cli.commands.run import run_manifests

    asked = options.asked(root, store, private, None, allow)
    code = run_manifests(what, Settings(1), asked, quiet=quiet, task=task)
    place = place_of_manifests(what[0], asked)
    for work, candidate in choices(read_manifests(what, place.private), place):
        print(f"{work[:16]} chose candidate {candidate}")
    return code
