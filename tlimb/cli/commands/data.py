"""`tlimb phantom`: make a cohort to try things on."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.describe import run_extra
from tlimb.problems import ExitCode, Problem, TlimbError


def register(app: Any) -> None:
    """Add the command."""
    app.command("phantom")(phantom)


def phantom(
    folder: Annotated[Path, typer.Argument(help="where the BIDS folder is made", show_default=False)],
    participants: Annotated[int, typer.Option("--participants", "-n", min=1, help="how many people")] = 120,
    sites: Annotated[int, typer.Option("--sites", min=1, max=26, help="how many scanners")] = 3,
    visits: Annotated[int, typer.Option("--visits", min=1, help="images of each person")] = 1,
    families: Annotated[
        float, typer.Option("--families", min=0.0, max=1.0, help="share of people with a sibling")
    ] = 0.0,
    voxel_mm: Annotated[float, typer.Option("--voxel-mm", help="voxel size in mm: 8 or 4")] = 8.0,
    regions: Annotated[int, typer.Option("--regions", min=0, help="also resting-state series of so many regions")] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="person k is the same for any number of people")] = 0,
) -> int:
    """Make a BIDS cohort of synthetic brains with known effects of age, sex, diagnosis and site."""
    from tlimb.cli import progress

    try:
        from tlimb import phantom as maker
    except ImportError as error:
        problem = Problem("backend-missing", f"{error.name} is not installed", help=run_extra.INSTALL)
        raise TlimbError(problem, ExitCode.BACKEND_MISSING) from error
    with progress.bar("making brains", "images") as observer:
        maker.make(folder, participants, sites, visits, families, voxel_mm, seed, observer, regions)
    print(f"made {participants} people at {sites} sites in {folder}; labels: age, sex, diagnosis, site, family")
    return int(ExitCode.DONE)
