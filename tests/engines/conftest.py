"""One small study, its data and its local results, shared by all tests of engines."""

import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "acceptance")]

from cluster import start_cluster  # noqa: E402
from engines import call, nextflow  # noqa: E402
from studies import TINY, Project, tlimb  # noqa: E402


@pytest.fixture(scope="session")
def study(made_once):
    """A finished study with its cohort, read by all workers: what `tlimb run` and `tlimb rank` say of it."""
    return Project.of(made_once("engines", make_study) / "study", TINY)


def make_study(folder):
    project = Project(folder / "study", TINY)
    tlimb(project.folder, "phantom", "data/brains", "-n", "72", "--families", "0.3")
    project.run()
    project.tlimb("rank", "-o", "ranked", "--no-pictures")


@pytest.fixture(scope="session")
def engine():
    """The real Nextflow."""
    return nextflow()


@pytest.fixture
def fresh(study, tmp_path):
    """A copy of the study that nobody has run; its data are shared."""
    made = study.copy(tmp_path / "study", store=False)
    shutil.rmtree(made.folder / "ranked")
    return made


@pytest.fixture(scope="session")
def launch(engine):
    """Run an emitted project in a folder of its own, by the local executor unless told otherwise."""

    def start(project, folder, *words, code=0, **more):
        places = project / ".tlimb" / "places.json"
        words = [engine, "run", project, "--outdir", folder / "out", "--places", places, *words]
        return call(words, folder, code=code, **more)

    return start


@pytest.fixture(scope="session")
def cluster(request, tmp_path_factory):
    """A real Slurm of three nodes; it is taken away after the last test, whatever became of that."""
    made = start_cluster(tmp_path_factory.mktemp("slurm"))
    kept = "the kernel (cgroups)" if made.by_cgroup else "Slurm's own polling, so none runs out of it"
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nSlurm of {len(made.nodes)} nodes; memory limits are kept by {kept}")
    try:
        yield made
    finally:
        made.stop()
