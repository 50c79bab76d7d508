"""A project to a running engine: the command that starts it, with what this machine needs."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from tlimb.backends.plan_folder import OWN_PLACES
from tlimb.problems import ExitCode, Problem, TlimbError

PATH = re.compile(r"/[A-Za-z0-9_./@+=-]+\Z")
"""Paths that may reach a container engine and a batch script; the project checks them again."""
RANKING = "ranking.json"
CONTAINERS = ("docker", "podman", "apptainer", "singularity")


@frozen
class Launch:
    """What to start.

    Attributes:
        project: folder of an emitted project.
        outdir: where the ranking goes.
        profiles: Nextflow profiles, such as slurm and apptainer.
        work: Nextflow's work folder; None for `work` in the current folder.
        resume: go on from what Nextflow remembers; what the store has is never done again anyway.
        allow: modules of the study's own code that may be imported.
        more: further arguments for Nextflow.
    """

    project: Path
    outdir: Path
    profiles: tuple[str, ...] = ()
    work: Path | None = None
    resume: bool = False
    allow: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


def command(launch: Launch) -> list[str]:
    """Give the command line that starts a project.

    Raises:
        TlimbError: Nextflow is not installed, the folder holds no Nextflow project, or a path cannot be passed on.
    """
    found = os.environ.get("TLIMB_NEXTFLOW") or shutil.which("nextflow")
    if found is None:
        help_ = (
            "install it, or say where it is:   TLIMB_NEXTFLOW=/path/of/nextflow",
            "or without it:   tlimb run SPEC",
        )
        raise TlimbError(
            Problem("backend-missing", "nextflow is not on the PATH", help=help_), ExitCode.BACKEND_MISSING
        )
    project = launch.project.resolve()
    places = project / OWN_PLACES
    if not (project / "main.nf").is_file() or not places.is_file():
        message = f"{launch.project} holds no project that was emitted on this machine"
        problem = Problem("no-project", message, help="tlimb emit SPEC --backend nextflow -o FOLDER")
        raise TlimbError(problem, ExitCode.USAGE)
    words = [found, "run", str(project), "--outdir", _path(launch.outdir), "--places", _path(places)]
    if launch.profiles:
        words += ["-profile", ",".join(launch.profiles)]
    if set(launch.profiles) & {*CONTAINERS}:
        words += ["--binds", " ".join(_binds(project, places))]
    if launch.work is not None:
        words += ["-work-dir", _path(launch.work)]
    if launch.resume:
        words.append("-resume")
    if launch.allow:
        words += ["--allow", ",".join(launch.allow)]
    return [*words, *launch.more]


def _binds(project: Path, places: Path) -> list[str]:
    """Give the folders that a container must see, those inside others left out."""
    found = json.loads(places.read_text(encoding="utf-8"))
    folders = {project, Path(found["store"]), Path(found["private"]), *map(Path, found["roots"].values())}
    folders |= {Path(path).parent for path in found.get("weights", {}).values()}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    outer = [folder for folder in folders if not any(other in folder.parents for other in folders)]
    return sorted(_path(folder) for folder in outer)


def _path(path: Path) -> str:
    text = str(path.resolve())
    if not PATH.match(text):
        message = f"{text!r} cannot be passed to an engine: only letters, digits and _ . / @ + = - are"
        raise TlimbError(
            Problem("path-not-allowed", message, help="use another folder, or a link to it"), ExitCode.USAGE
        )
    return text


def ranked(launch: Launch) -> int | None:
    """Return when the ranking in the output folder was written, in nanoseconds; None where there is none."""
    try:
        return (launch.outdir / RANKING).stat().st_mtime_ns
    except OSError:
        return None


def unranked(launch: Launch, before: int | None) -> list[str]:
    """Return what to say of a launch that failed: nothing where it has made its ranking all the same.

    An engine that cannot go on, as where the scheduler takes no jobs, ends before the last step.

    Args:
        launch: what was started.
        before: what `ranked` gave before it.
    """
    if ranked(launch) != before:
        return []
    older = "" if before is None else f"; {launch.outdir / RANKING} is older than this launch"
    project = shlex.quote(str(launch.project))
    return [
        f"the launch ended with no ranking{older}; finished runs are in the store, and the next launch goes on",
        f"to see what is done:       tlimb status {project}",
        f"to rank what is done:      tlimb rank {project} --allow-partial",
    ]


def start(words: Sequence[str]) -> int:
    """Start an engine in the foreground, without input, and give its exit code.

    An engine that is asked to stop takes its jobs back before it ends, so it is waited for.
    """
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, _: object) -> None:
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    # Ctrl-C reaches the engine by itself, as a part of the terminal's foreground; other signals do not. Both are in
    # our hands before the engine is there, so that none can end this process and leave the engine alone.
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, pass_on),
    }
    try:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        for number in early:
            process.send_signal(number)
        code = process.wait()
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)
    return 128 - code if code < 0 else code
