"""`tlimb store`: what lies in a store, whether it is whole, and what may go."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlimb.problems import ExitCode, Problem, TlimbError

if TYPE_CHECKING:
    from tlimb.store import Store

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


def _opened(folder: Path) -> "Store":
    """Open a store that is there; an empty listing of a mistyped folder would mislead.

    Raises:
        TlimbError: the folder is no store.
    """
    from tlimb.store import Store

    found = Store(folder)
    if not found.base.is_dir():
        message = f"no store in `{folder}`"
        raise TlimbError(Problem("no-store", message, help="name its folder with --store"), ExitCode.USAGE)
    return found


def ls(store: Folder = DEFAULT) -> int:
    """List what is finished."""
    from tlimb.cli import show
    from tlimb.store import upkeep

    rows = [(line.work, line.kind, line.status, show.size(line.size)) for line in upkeep.ls(_opened(store))]
    print(show.table(("work", "kind", "status", "size"), rows) if rows else "the store has no results")
    return int(ExitCode.DONE)


def verify(store: Folder = DEFAULT) -> int:
    """Check every file against its digest; what is corrupt is set aside and will be computed again."""
    from tlimb.cli import show
    from tlimb.store import upkeep

    found = upkeep.verify(_opened(store))
    print(show.verified(found))
    show.problems(found.newer)
    if found.damaged:
        return int(ExitCode.FINDINGS)
    return int(ExitCode.CANNOT_WRITE if found.newer else ExitCode.DONE)


def du(store: Folder = DEFAULT) -> int:
    """Say how many files each part of a store has, and how big they are."""
    from tlimb.cli import show
    from tlimb.store import upkeep

    parts = upkeep.du(_opened(store))
    rows = [(name, files, show.size(size)) for name, (files, size) in parts.items()]
    files, sizes = zip(*parts.values(), strict=True)
    print(show.table(("part", "files", "size"), [*rows, ("all", sum(files), show.size(sum(sizes)))]))
    return int(ExitCode.DONE)


def gc(
    store: Folder = DEFAULT,
    keep_plan: Annotated[list[Path] | None, typer.Option("--keep-plan", help="plan folder whose runs stay")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only list what would go")] = False,
) -> int:
    """Remove leftovers of dead runs and, with --keep-plan, everything that no such plan reads."""
    import csv

    from tlimb.cli import show
    from tlimb.store import upkeep

    opened = _opened(store)
    keep = None
    if keep_plan:
        keep = set()
        for folder in keep_plan:
            with (folder / "runs.csv").open(encoding="utf-8", newline="") as file:
                keep |= {line["work"] for line in csv.DictReader(file)}
    removed = upkeep.gc(opened, keep, dry_run)
    print(f"{'would remove' if dry_run else 'removed'} {len(removed)} folders and files")
    newer = {} if keep is None else upkeep.unread(opened, keep)
    show.problems(newer.values())
    return int(ExitCode.CANNOT_WRITE if newer else ExitCode.DONE)
