"""One cohort and one finished study, made once through the command line and copied by the tests."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from images import mark_people
from studies import TINY, Project, tlimb


@pytest.fixture(scope="session")
def brains(tmp_path_factory):
    """A BIDS folder of 72 people of three sites, some of them siblings; every id has a mark."""
    folder = tmp_path_factory.mktemp("cohort")
    tlimb(folder, "phantom", "brains", "-n", "72", "--families", "0.3")
    mark_people(folder / "brains")
    return folder / "brains"


@pytest.fixture(scope="session")
def finished_once(brains, tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("finished") / "project", TINY)
    shutil.copytree(brains, project.folder / "data" / "brains")
    project.said = project.run().stdout
    return project


@pytest.fixture
def finished(finished_once, tmp_path):
    """A copy of the finished study, with its store and private folder."""
    return finished_once.copy(tmp_path / "project")


@pytest.fixture
def fresh(finished_once, tmp_path):
    """A copy of the study that nobody has run."""
    return finished_once.copy(tmp_path / "project", store=False)
