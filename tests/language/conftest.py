from pathlib import Path

import pytest

from tlimb.language.catalogue import Catalogue, load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The shipped components."""
    return load()
