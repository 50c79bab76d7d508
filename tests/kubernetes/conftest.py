"""One real control plane with some nodes, for all tests of this folder; `make test-kubernetes` builds what it needs."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "engines"), str(HERE.parent / "acceptance")]

from lab import NODES, USER, prepare  # noqa: E402
from plane import start_plane  # noqa: E402


@pytest.fixture(scope="session")
def plane(request, tmp_path_factory):
    """A cluster in which a user without any other rights has those of the documentation in one namespace."""
    if "TLIMB_KUBERNETES" not in os.environ:
        pytest.skip("a real control plane is started by: make test-kubernetes")
    made = start_plane(tmp_path_factory.mktemp("plane"), NODES, [USER])
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nKubernetes {made.version()} with {len(NODES)} nodes, ready after {made.began_s:.1f} s")
    try:
        prepare(made.admin)
        yield made
    finally:
        print(made.logs())
        made.stop()
