"""One podman, one image and one small study for all tests of this folder; `make test-container` runs them."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "engines"), str(HERE.parent / "acceptance")]

from containers import IMAGE, build_wheel, start_podman  # noqa: E402
from engines import nextflow  # noqa: E402
from studies import TINY, Project, tlimb  # noqa: E402


@pytest.fixture(scope="session")
def podman():
    """The real podman."""
    if "TLIMB_CONTAINERS" not in os.environ:
        pytest.skip("images are built and containers are started by: make test-container")
    return start_podman()


@pytest.fixture(scope="session")
def image(podman):
    """tlimb's image, built from the Containerfile and the wheel of this checkout."""
    build_wheel()
    podman.build("Containerfile", IMAGE)
    return IMAGE


@pytest.fixture(scope="session")
def engine():
    """The real Nextflow."""
    return nextflow()


@pytest.fixture(scope="session")
def study(podman, tmp_path_factory):
    """A finished study with its cohort: what `tlimb run` and `tlimb rank` say of it, without any container."""
    assert podman
    project = Project(tmp_path_factory.mktemp("containers") / "study", TINY)
    tlimb(project.folder, "phantom", "data/brains", "-n", "72", "--families", "0.3")
    project.run()
    project.tlimb("rank", "-o", "ranked", "--no-pictures")
    return project
