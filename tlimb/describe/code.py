"""The identity of user code: a hash of what it means, found by path arithmetic and never by importing.

The syntax trees of the module and of all that it imports from the code folders are hashed without docstrings; comments
and layout are not in them. So a study is planned without running a line of user code, a component whose code changed is
new work, one beside which another file was written is not, and the runner can tell that it holds the code that was
planned with.
"""

import ast
from collections.abc import Iterable
from pathlib import Path

from tlimb.describe.closure import closure


def identity(class_path: str, folders: Iterable[Path], *, alone: bool = False) -> str | None:
    """Return the hash of the code behind a class path; None when no folder has it.

    Args:
        class_path: module and class.
        folders: searched in order.
        alone: hash what lies in its top-level package alone: what an installed package imports from the same folder
            are its dependencies.
    """
    files = _files(class_path, folders, alone)
    if not files:
        return None
    import hashlib  # loads OpenSSL, which a study without code of its own does not need

    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{meaning(files[name])}\0".encode())
    return total.hexdigest()


def sources(class_path: str, folders: Iterable[Path]) -> dict[str, str]:
    """Return the files that `identity` hashes, relative path -> text; empty when no folder has the module."""
    found = _files(class_path, folders)
    return {name: path.read_text(encoding="utf-8") for name, path in sorted(found.items())}


def _files(class_path: str, folders: Iterable[Path], alone: bool = False) -> dict[str, Path]:
    module = class_path.rpartition(".")[0]
    files = closure(module, tuple(folders), alone=alone)
    # Of `lab.nets.Net` there may be a `lab` without `nets`: that is no code of it.
    own = (f"{module.replace('.', '/')}.py", f"{module.replace('.', '/')}/__init__.py")
    return files if any(name in files for name in own) else {}


def meaning(path: Path) -> str:
    """Give what a module's syntax tree holds, without docstrings, comments and positions.

    Python's own dump differs from version to version; this one leaves out whatever is empty, so that a new kind of
    optional field changes nothing. A file that is no valid Python gives its text: the run will say what is wrong.
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
    return _text(tree)


def _text(value: object) -> str:
    if isinstance(value, ast.AST):
        fields = [(name, inner) for name, inner in ast.iter_fields(value) if inner is not None and inner != []]
        return f"{type(value).__name__}({','.join(f'{name}={_text(inner)}' for name, inner in fields)})"
    if isinstance(value, list):
        return f"[{','.join(_text(inner) for inner in value)}]"
    return repr(value)
