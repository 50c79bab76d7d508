"""What docstrings, pages and the Makefile call by its dotted name or path is there."""

import ast
import re
from pathlib import Path

import pytest

import tlimb
from tlimb.backends import GROUP
from tlimb.describe.installed import GROUPS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "Makefile", ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
SOURCES = sorted(path for folder in ("tlimb", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
DOTTED = re.compile(r"\btlimb(?:\.\w+)+")
FOLDERS = "tlimb|tests|specs|schema|generators|benchmarks|requirements"
A_PATH = re.compile(rf"(?<![\w/.-])(?:{FOLDERS})/[\w./-]*\w(?![\w*<{{/]|\.\*|/<)")
FILES = {"tlimb.sif", "tlimb.tar"}
"""Files that a reader makes."""


def docstrings(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def texts():
    for path in SOURCES:
        yield from ((path.relative_to(ROOT).as_posix(), text) for text in docstrings(path))
    yield from ((page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8")) for page in PAGES)


def names_in(module):
    """Give what a module defines or imports at its top level."""
    found = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        else:
            found |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return found


def is_there(name):
    parts = name.split(".")
    if name in {*GROUPS, GROUP, *FILES} or (len(parts) == 2 and parts[1] in tlimb.__all__):
        return True
    for count in range(len(parts), 0, -1):
        folder = ROOT.joinpath(*parts[:count])
        file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        if file.is_file():
            return count == len(parts) or parts[count] in names_in(file)
    return False


@pytest.mark.parametrize("name", ["tlimb.runner.nowhere", "tlimb.nowhere", "tlimb.plan.draw.Nowhere"])
def test_a_name_that_is_not_there_would_be_noticed(name):
    assert not is_there(name)
    assert is_there("tlimb.plan.plan.Plan")


def test_modules_and_their_names_that_are_mentioned_are_there():
    missing = {(where, name) for where, text in texts() for name in DOTTED.findall(text) if not is_there(name)}
    assert not missing


def test_files_and_folders_that_are_mentioned_are_there():
    missing = {
        (where, name)
        for where, text in texts()
        for name in A_PATH.findall(text)
        if not (ROOT / name).exists() and not name.startswith("tlimb/_data/")
    }
    assert not missing
