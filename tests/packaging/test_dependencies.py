"""What the package declares it imports, and what it imports it declares."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LIGHT = PROJECT["dependencies"]
RUN = PROJECT["optional-dependencies"]["run"]


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution(requirement):
    return plain(re.match(r"[A-Za-z0-9._-]+", requirement)[0])


def imported():
    """Give the outermost names of all modules that are imported anywhere in the package but its own and Python's."""
    found = set()
    for path in (ROOT / "tlimb").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"tlimb"}


def givers():
    """Give the distributions of each import name, as they are installed here."""
    return {name: {plain(one) for one in found} for name, found in packages_distributions().items()}


@pytest.mark.parametrize("requirement", [*LIGHT, *RUN])
def test_every_declared_dependency_is_imported(requirement):
    known = givers()
    names = {name for name, found in known.items() if distribution(requirement) in found}
    if not names and requirement in RUN:
        pytest.skip("the run half is not installed")
    assert names & imported(), f"no file of tlimb imports {distribution(requirement)}: take it out of pyproject.toml"


def test_every_import_is_declared():
    declared, known = {distribution(one) for one in [*LIGHT, *RUN]}, givers()
    undeclared = {name for name in imported() if name in known and not known[name] & declared}
    assert not undeclared, "name what brings them in pyproject.toml"
    assert {name for name in imported() if name not in known} <= {distribution(one) for one in RUN} | {"PIL", "sklearn"}
