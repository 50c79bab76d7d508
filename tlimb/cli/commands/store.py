"""`tlimb store`: what lies in a store, whether it is whole, and what may go."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.problems import ExitCode

Folder = Annotated[Path, typer.Option("--store", help="folder of the store")]
DEFAULT = Path("tlimb-store")


def register(app: Any) -> None:
    """Add the group of commands."""
    group = typer.Typer(help="Look after a store.", no_args_is_help=True, rich_markup_mode=None)
    group.command("ls")(ls)
    group.command("verify")(verify)
    group.command("du")(du)
    group.command("gc")(gc)
    app.add_typer(group, name="store")


def ls(store: Folder = DEFAULT) -> int:
    """List what is finished."""
    from attrs import asdict

    from tlimb.cli import show
    from tlimb.store import Store, upkeep

    rows = [tuple(asdict(line).values()) for line in upkeep.ls(Store(store))]
    header = tuple(field.name for field in upkeep.Line.__attrs_attrs__)
    print(show.table(header, rows) if rows else "the store is empty")
    return int(ExitCode.DONE)


def verify(store: Folder = DEFAULT) -> int:
    """Check every file against its digest; what is corrupt is set aside and will be computed again."""
    from tlimb.store import Store, upkeep

    whole, corrupt = upkeep.verify(Store(store))
    print(f"{whole} whole, {len(corrupt)} corrupt (set aside in quarantine/)")
    for work in corrupt:
        print(f"  {work}")
    return int(ExitCode.FINDINGS if corrupt else ExitCode.DONE)


def du(store: Folder = DEFAULT) -> int:
    """Say how many megabytes each part of a store takes."""
    from tlimb.cli import show
    from tlimb.store import Store, upkeep

    rows = [(name, f"{size / 1e6:.1f}") for name, size in upkeep.du(Store(store)).items()]
    print(show.table(("part", "MB"), rows))
    return int(ExitCode.DONE)


def gc(
    store: Folder = DEFAULT,
    keep_plan: Annotated[list[Path] | None, typer.Option("--keep-plan", help="plan folder whose runs stay")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only list what would go")] = False,
) -> int:
    """Remove leftovers of dead runs and, with --keep-plan, everything that no such plan reads."""
    import csv

    from tlimb.store import Store, upkeep

    keep = None
    if keep_plan:
        keep = set()
        for folder in keep_plan:
            with (folder / "runs.csv").open(encoding="utf-8", newline="") as file:
                keep |= {line["work"] for line in csv.DictReader(file)}
    removed = upkeep.gc(Store(store), keep, dry_run)
    print(f"{'would remove' if dry_run else 'removed'} {len(removed)} folders and files")
    return int(ExitCode.DONE)
