"""The wheel in an empty environment: no checkout, no torch, run from the root folder of the file system."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from environments import UV

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "lightning", "timm", "monai", "nibabel", "numpy")


def run(*command, **more):
    return subprocess.run(
        [str(one) for one in command], capture_output=True, text=True, check=False, timeout=600, **more
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build from a copy that is deleted afterwards, so nothing can be read from a checkout."""
    given = os.environ.get("TLIMB_WHEEL")
    if given:
        return Path(given)
    if UV is None:
        pytest.skip("uv is not here; `make setup` brings it")
    copy = tmp_path_factory.mktemp("copy") / "tlimb"
    skip = shutil.ignore_patterns(".git", ".venv", ".tools", "demo", "dist", "build", "*_cache", "tests", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=skip)
    out = tmp_path_factory.mktemp("dist")
    built = run(UV, "build", "--quiet", "--wheel", "--out-dir", out, copy)
    assert built.returncode == 0, built.stderr
    shutil.rmtree(copy)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Give the python of an environment with the wheel and the pinned compile half only."""
    if UV is None:
        pytest.skip("uv is not here; `make setup` brings it")
    venv = tmp_path_factory.mktemp("empty") / "venv"
    python = venv / "bin" / "python"
    assert run(UV, "venv", "--quiet", "--python", sys.executable, venv).returncode == 0
    pins = ROOT / "requirements" / "compile.txt"
    done = run(UV, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", pins)
    assert done.returncode == 0, done.stderr
    done = run(UV, "pip", "install", "--quiet", "--python", python, "--no-deps", wheel)
    assert done.returncode == 0, done.stderr
    return python


def tlimb(installed, *arguments):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TLIMB", "VIRTUAL"))}
    return run(installed.with_name("tlimb"), *arguments, cwd="/", env=clean)


def packaged(installed, name):
    found = run(installed, "-c", f"from tlimb.resources import folder; print(folder({name!r}))", cwd="/")
    assert found.returncode == 0, found.stderr
    folder = Path(found.stdout.strip())
    assert ROOT not in folder.parents
    return folder


def names(pattern):
    return sorted(path.name for path in (ROOT / "specs").glob(pattern))


@pytest.mark.long
def test_nothing_of_the_run_half_is_installed(installed):
    for module in HEAVY:
        assert run(installed, "-c", f"import {module}").returncode != 0, module


@pytest.mark.long
@pytest.mark.parametrize("name", names("*.yaml"))
def test_every_example_spec_validates_from_the_wheel(installed, name):
    done = tlimb(installed, "validate", packaged(installed, "specs") / name)
    assert done.returncode == 0, done.stdout + done.stderr


def cohort_command(name):
    """Give what a spec's first comment says to type before: `phantom FOLDER ...`."""
    text = (ROOT / "specs" / name).read_text(encoding="utf-8")
    return re.search(r"^# Before: +tlimb (phantom [^(\n]+)", text, re.MULTILINE)[1].strip()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Give a folder for each such command, with the cohort in it, drawn once by the full installation."""
    made = {}
    for command in sorted({cohort_command(name) for name in names("*.yaml")}):
        made[command] = tmp_path_factory.mktemp("studies")
        drawn = run(Path(sys.executable).with_name("tlimb"), *command.split(), cwd=made[command])
        assert drawn.returncode == 0, drawn.stdout + drawn.stderr
    return made


@pytest.mark.long
@pytest.mark.parametrize("name", names("*.yaml"))
def test_every_example_spec_is_planned_from_the_wheel(installed, folders, name):
    # Planning needs neither torch nor numpy.
    folder = folders[cohort_command(name)]
    spec = shutil.copy(packaged(installed, "specs") / name, folder)
    plan = folder / f"plan-{name}"

    done = tlimb(installed, "plan", spec, "-o", plan)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (plan / "runs.csv").is_file()
