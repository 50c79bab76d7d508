"""`tlimb launch`: start an emitted project with Nextflow."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.cli import options


def register(app: Any) -> None:
    """Add the command."""
    app.command("launch")(launch)


def launch(
    project: Annotated[Path, typer.Argument(help="folder of an emitted project", show_default=False)] = Path(),
    outdir: Annotated[Path, typer.Option("--outdir", help="where the ranking goes")] = Path("results"),
    nextflow_profile: Annotated[
        list[str] | None,
        typer.Option(
            "--nextflow-profile",
            help="profiles of Nextflow: slurm, k8s, apptainer, ..; repeatable, or with commas",
        ),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            help="older name of --nextflow-profile; profiles of the study are chosen by `tlimb emit --profile`",
        ),
    ] = None,
    work_dir: Annotated[Path | None, typer.Option("--work-dir", "-w", help="Nextflow's work folder")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on from what Nextflow remembers")] = False,
    allow: options.Allow = None,
    more: Annotated[list[str] | None, typer.Argument(help="after --: further arguments for Nextflow")] = None,
) -> int:
    """Start an emitted project with Nextflow, with the right arguments for this machine."""
    from tlimb.backends.launch import Launch, command, ranked, start, unranked

    if profile:
        note = "note: `launch --profile` chooses profiles of Nextflow, not of the study; write --nextflow-profile"
        print(note, file=sys.stderr)
    given = (*(nextflow_profile or ()), *(profile or ()))
    profiles = tuple(name for text in given for name in text.split(",") if name)
    asked = Launch(project, outdir, profiles, work_dir, resume, tuple(allow or ()), tuple(more or ()))
    words = command(asked)
    print(shlex.join(words), file=sys.stderr, flush=True)
    before = ranked(asked)
    code = start(words)
    for line in unranked(asked, before) if code else ():
        print(line, file=sys.stderr, flush=True)
    return code
