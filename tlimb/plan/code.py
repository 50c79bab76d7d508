"""The identity of a user's own code: a hash of what it means, found by path arithmetic and never by importing.

The AST of the module and of every module of its package is hashed without docstrings; comments and layout are not
in it. So a study is planned without running a line of user code, and a component whose code changed is new work.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from tlimb.problems import Problem


class Code:
    """User code under the study's code roots."""

    def __init__(self, roots: Iterable[Path]) -> None:
        """Take the folders that `code` names."""
        self.roots = tuple(roots)
        self._known: dict[str, str | None] = {}

    def identity(self, class_path: str) -> str | None:
        """Give the hash of the code behind a class path; None when no code root has it (an installed package)."""
        module = class_path.rpartition(".")[0]
        if module not in self._known:
            file = self.file(module)
            self._known[module] = None if file is None else self._hash(module.split(".")[0], file)
        return self._known[module]

    def file(self, module: str) -> Path | None:
        """Give the file of a module."""
        parts = module.split(".")
        for root in self.roots:
            for candidate in (root.joinpath(*parts[:-1], f"{parts[-1]}.py"), root.joinpath(*parts, "__init__.py")):
                if candidate.is_file():
                    return candidate
        return None

    def _hash(self, top: str, file: Path) -> str:
        package = next((root / top for root in self.roots if (root / top).is_dir() and file.is_relative_to(root)), None)
        files = [file] if package is None else sorted(package.rglob("*.py"))
        total = hashlib.sha256()
        for path in files:
            name = path.name if package is None else path.relative_to(package).as_posix()
            total.update(f"{name}\0{meaning(path)}\0".encode())
        return total.hexdigest()

    @cached_property
    def tops(self) -> frozenset[str]:
        """Give the names of the packages and modules at the top of the code roots."""
        found = {
            p.stem
            for root in self.roots
            if root.is_dir()
            for p in root.iterdir()
            if p.suffix == ".py" or (p / "__init__.py").is_file()
        }
        return frozenset(found)


def meaning(path: Path) -> str:
    """Give the dump of a module's AST without docstrings and positions.

    A file that is no valid Python gives its text: the run will say what is wrong with it.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def unknown(class_path: str, pointer: str) -> Problem:
    """Say that no code root has a class path."""
    return Problem(
        "class-path",
        f"`{class_path}` is in no folder of `code`",
        pointer,
        on_key=True,
        help="name the folder that holds the package:   code: [./]",
    )
