"""A store for each test."""

import pytest

from tlimb.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")
