"""Real workflow engines: where they are, and what must be so for a test of one to count."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OWN_NEXTFLOW = ROOT / ".tools" / "nextflow" / "nextflow"


def missing(what, how):
    """Skip a test for want of an engine; on the machine that decides about a change this is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing here, so this test would prove nothing: {how}")
    pytest.skip(f"{what} is missing: {how}")


def nextflow():
    """Give the Nextflow that is on the PATH, else the one of `make nextflow`."""
    found = os.environ.get("TLIMB_NEXTFLOW") or shutil.which("nextflow")
    if found is None and OWN_NEXTFLOW.is_file():
        found = str(OWN_NEXTFLOW)
    if found is None:
        missing("Nextflow", "make nextflow")
    return found


def nextflow_with_kubernetes():
    """Give the Nextflow of `make nextflow` whose core has the Kubernetes executor, when TLIMB_NEXTFLOW_SET is b."""
    if not OWN_NEXTFLOW.is_file():
        missing("Nextflow 24.10", "make .tools/nextflow/nextflow")
    return str(OWN_NEXTFLOW)


def environment(home, **more):
    """Give the environment of an engine: tlimb on the PATH, nothing fetched, a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NXF_", "TLIMB_", "SLURM_"))}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NXF_HOME": str(home),
        "NXF_OFFLINE": "true",
        "NXF_DISABLE_CHECK_LATEST": "true",
        "NXF_ANSI_LOG": "false",
        **more,
    }


def call(words, folder, *, code=0, limit_s=None, **more):
    """Run a command of an engine in a folder; give what it said. With a limit it is ended then, with 124."""
    folder.mkdir(parents=True, exist_ok=True)
    words = words if limit_s is None else ["timeout", "-k", 10, limit_s, *words]
    ended = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment(folder / ".home", **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert code is None or ended.returncode == code, f"ended with {ended.returncode}:\n{said[-6000:]}"
    return said


def trace(folder):
    """Give the rows of Nextflow's trace, column -> text."""
    lines = (folder / "trace.txt").read_text(encoding="utf-8").splitlines()
    header = lines[0].split("\t")
    return [dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:]]
