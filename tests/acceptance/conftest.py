"""One cohort and one finished study, made once through the command line and copied by the tests."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from images import mark_people
from studies import TINY, Project, tlimb


@pytest.fixture(scope="session")
def brains(made_once):
    """A BIDS folder of 72 people of three sites, some of them siblings; every id has a mark."""
    return made_once("cohort", make_brains) / "brains"


def make_brains(folder):
    tlimb(folder, "phantom", "brains", "-n", "72", "--families", "0.3")
    mark_people(folder / "brains")


@pytest.fixture(scope="session")
def finished_once(brains, made_once):
    """A finished study that all workers read; what is to change it takes a copy."""

    def make(folder):
        project = Project(folder / "project", TINY)
        shutil.copytree(brains, project.folder / "data" / "brains")
        (folder / "said").write_text(project.run().stdout, encoding="utf-8")

    folder = made_once("finished", make)
    project = Project.of(folder / "project", TINY)
    project.said = (folder / "said").read_text(encoding="utf-8")
    return project


@pytest.fixture
def finished(finished_once, tmp_path):
    """A copy of the finished study, with its store and private folder."""
    return finished_once.copy(tmp_path / "project")


@pytest.fixture
def fresh(finished_once, tmp_path):
    """A copy of the study that nobody has run."""
    return finished_once.copy(tmp_path / "project", store=False)
