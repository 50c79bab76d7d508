"""The identity of a user's own code: a hash of what it means, found by path arithmetic and never by importing.

The syntax trees of the module and of every module of its package are hashed without docstrings; comments and layout
are not in them. So a study is planned without running a line of user code, a component whose code changed is new
work, and the runner can tell that it holds the code that was planned with.
"""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path


def identity(class_path: str, folders: Iterable[Path]) -> str | None:
    """Give the hash of the code behind a class path; None when no folder has it (an installed package)."""
    module = class_path.rpartition(".")[0]
    for folder in folders:
        file = module_file(module, folder)
        if file is not None:
            return _hash(module.split(".")[0], folder, file)
    return None


def module_file(module: str, folder: Path) -> Path | None:
    """Give the file of a module under a code folder."""
    parts = module.split(".")
    candidates = (folder.joinpath(*parts[:-1], f"{parts[-1]}.py"), folder.joinpath(*parts, "__init__.py"))
    return next((path for path in candidates if path.is_file()), None)


def _hash(top: str, folder: Path, file: Path) -> str:
    package = folder / top
    files = sorted(package.rglob("*.py")) if package.is_dir() else [file]
    total = hashlib.sha256()
    for path in files:
        name = path.relative_to(package).as_posix() if package.is_dir() else path.name
        total.update(f"{name}\0{meaning(path)}\0".encode())
    return total.hexdigest()


def meaning(path: Path) -> str:
    """Give the dump of a module's syntax tree without docstrings, comments and positions.

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
            constant = first.value if isinstance(first, ast.Expr) else None
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                node.body = node.body[1:] or [ast.Pass()]
    return _dump(tree)


def _dump(value: object) -> str:
    """Write a syntax tree without positions and without what is empty.

    Each Python writes `ast.dump` in its own way and adds fields that are empty in older code; the same source must
    have one identity under all of them.
    """
    if isinstance(value, list):
        return f"[{','.join(map(_dump, value))}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    fields = [(name, getattr(value, name, None)) for name in value._fields]
    # A constant None is said by its class; everywhere else None and [] mean that nothing is written.
    written = ",".join(f"{name}={_dump(inner)}" for name, inner in fields if inner is not None and inner != [])
    return f"{type(value).__name__}({written})"
