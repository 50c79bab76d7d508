"""One language server for all tests of editors, in a project made as a user's is."""

import os
import shutil
from pathlib import Path

import pytest
from language_server import SERVER, LanguageServer

ROOT = Path(__file__).resolve().parents[2]


def missing():
    """Say why there is no language server; None when there is one."""
    if shutil.which("node") is None:
        return "node is not installed"
    return None if SERVER.is_file() else "the language server is not installed; run: make editors"


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A folder with the example specs and the schema that their first line names."""
    folder = tmp_path_factory.mktemp("project")
    for path in (ROOT / "specs").glob("*.yaml"):
        shutil.copy(path, folder)
    (folder / ".tlimb").mkdir()
    shutil.copy(ROOT / "schema" / "v1" / "spec.json", folder / ".tlimb" / "schema.json")
    return folder


@pytest.fixture(scope="session")
def server(project):
    """A running language server."""
    reason = missing()
    if reason is not None and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)
    with LanguageServer(project) as running:
        yield running
