"""What holds for all tests: marks by folder, the order of files, and what all workers of a session share."""

import fcntl
import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]

from rooms import is_system, place  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark tests of other systems; among workers, files that take long are started first."""
    places = [item.path.relative_to(HERE).as_posix() for item in items]
    for item, path in zip(items, places, strict=True):
        if is_system(path):
            item.add_marker(pytest.mark.system)
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: place(item.path.relative_to(HERE).as_posix()))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Make a folder once for all workers of a session: the first one makes it, the others wait for it and only read."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make_once(name, make):
        folder, made = shared / f"shared-{name}", shared / f"shared-{name}.made"
        with (shared / f"shared-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                made.touch()
        return folder

    return make_once
