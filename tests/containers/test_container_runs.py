"""A study in containers gives the bytes of the local run, from the image and the folders it asks for alone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from containers import IMAGE
from engines import trace
from studies import sha256, tlimb


def weights(project):
    """Give the sha256 of every weights and predictions file, by its path in the store."""
    base = project.store / "objects"
    return {path.relative_to(base).as_posix(): sha256(path) for path in sorted(base.rglob("*.safetensors"))}


def ranked(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("ranking.*"))}


class Contained:
    """A study that nobody has run, launched by `tlimb launch` with tasks in containers."""

    def __init__(self, study, base, podman, engine):
        self.podman, self.engine = podman, engine
        self.project = study.copy(base / "study", store=False)
        shutil.rmtree(self.project.folder / "ranked")
        self.project.write(study.spec | {"execution": {"container": IMAGE, "resources": {"memory_gb": 2}}})
        tlimb(self.project.folder, "emit", self.project.path.name, "-o", "build", "--pack", "4")
        self.build = self.project.folder / "build"

    def launch(self, folder, code=0):
        """Launch in a folder, from an environment in which this machine's tlimb is not on the PATH."""
        folder.mkdir()
        own = Path(sys.executable).parent
        path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != own)
        assert shutil.which("tlimb", path=path) is None
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NXF_", "TLIMB_", "VIRTUAL"))}
        done = subprocess.run(
            [sys.executable, "-m", "tlimb", "launch", self.build, "--outdir", "out", "--profile", "podman"],
            cwd=folder,
            env={**kept, **self.podman.variables, "PATH": path, "TLIMB_NEXTFLOW": self.engine,
                 "NXF_HOME": str(folder / ".home"), "NXF_OFFLINE": "true", "NXF_ANSI_LOG": "false"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, (done.stdout + done.stderr)[-6000:]

    def computed(self):
        """Give how often each work was computed."""
        works = [path.name for path in (self.project.store / "records").iterdir()]
        return {work: len(self.project.attempts(work)) for work in works}


@pytest.fixture(scope="module")
def contained(study, image, podman, engine, tmp_path_factory):
    made = Contained(study, tmp_path_factory.mktemp("contained"), podman, engine)
    made.first = made.build.parent.parent / "first"
    made.launch(made.first)
    return made


def test_p24_a_study_in_containers_gives_the_bytes_of_the_local_run(contained, study):
    assert weights(contained.project) == weights(study)
    assert ranked(contained.first / "out") == ranked(study.folder / "ranked")
    assert {row["status"] for row in trace(contained.first / "out")} == {"COMPLETED"}


def test_a_container_sees_the_folders_of_study_and_launch_and_nothing_else_of_this_machine(contained):
    # Nextflow itself mounts the innermost folder that holds both its work folder and what a task stages.
    base = contained.build.parent.parent
    # The verdict is Nextflow's own, and starts no container.
    for row in (row for row in trace(contained.first / "out") if row["tag"] != "verdict"):
        script = (Path(row["workdir"]) / ".command.run").read_text()
        (line,) = re.findall(r"^ *(podman run .*)$", script, re.MULTILINE)
        assert IMAGE in line.split()
        mounts = [Path(one.split(":")[0]) for one in re.findall(r" (?:-v|--volume) (\S+)", line)]
        assert contained.project.folder in mounts
        assert all(mount == base or base in mount.parents for mount in mounts), mounts
        assert not re.search(r"--(mount|privileged|pid|volumes-from)\b", line)
    assert Path(sys.prefix).resolve() != base.resolve()
    assert base.resolve() not in Path(sys.prefix).resolve().parents


def test_what_the_store_has_is_not_computed_again_in_a_container_nor_afterwards_without_one(contained, study):
    before = contained.computed()
    files = {path: path.stat().st_mtime_ns for path in (contained.project.store / "objects").rglob("*")}
    again = contained.build.parent.parent / "again"
    contained.launch(again)
    assert ranked(again / "out") == ranked(study.folder / "ranked")
    assert contained.computed() == before
    assert {path: path.stat().st_mtime_ns for path in (contained.project.store / "objects").rglob("*")} == files
    assert "0 nodes computed" in contained.project.run().stdout


def test_the_image_runs_as_nobody_in_particular_with_bytecode_and_the_pinned_packages(podman, image):
    assert podman("run", "--rm", image, "id", "-u").strip() == "1000"
    uncompiled = "import torch, pathlib; print((pathlib.Path(torch.__file__).parent / '__pycache__').is_dir())"
    assert podman("run", "--rm", image, "python", "-c", uncompiled).strip() == "True"
    pins = dict(
        re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", Path("requirements/run.txt").read_text(), re.MULTILINE)
    )
    versions = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    names = ("torch", "lightning", "numpy", "nibabel")
    assert podman("run", "--rm", image, "python", "-c", versions, *names).split() == [pins[name] for name in names]


def test_files_that_a_container_writes_belong_to_who_started_it_whatever_the_image_says(podman, contained, tmp_path):
    text = (contained.build / "nextflow.config").read_text()
    options = re.search(r"podman.runOptions = '(.*)'", text)[1]
    shell = f"podman run --rm {options} -v {tmp_path}:/here {IMAGE} touch /here/mine"
    subprocess.run(["bash", "-euc", shell], env={**os.environ, **podman.variables}, check=True)
    assert (tmp_path / "mine").stat().st_uid == os.geteuid()
