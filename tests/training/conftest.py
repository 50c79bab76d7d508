"""A cohort for each test."""

import pytest
from node_manifests import Cohort


@pytest.fixture
def cohort(tmp_path):
    """Eight people with their images."""
    return Cohort(tmp_path)
