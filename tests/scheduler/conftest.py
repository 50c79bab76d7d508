"""The toy lab and manifests by hand are those of the tests of training."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent / "training")]

import pytest  # noqa: E402
from node_manifests import Cohort  # noqa: E402


@pytest.fixture
def cohort(tmp_path):
    """Eight people with their images."""
    return Cohort(tmp_path)
