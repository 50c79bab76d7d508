"""The identity of a user's own code: a hash of what it means, found by path arithmetic and never by importing.

The syntax trees of the module, of every module of its package and of all that they import from the code folder are
hashed without docstrings; comments and layout are not in them. So a study is planned without running a line of user
code, a component whose code changed is new work, and the runner can tell that it holds the code that was planned
with.
"""

import ast
from collections.abc import Iterable
from pathlib import Path


def identity(class_path: str, folders: Iterable[Path], *, alone: bool = False) -> str | None:
    """Give the hash of the code behind a class path; None when no folder has it.

    Args:
        class_path: module and class.
        folders: searched in order.
        alone: hash its package alone, and not what that imports from the same folder: of an installed package these
            are its dependencies.
    """
    module = class_path.rpartition(".")[0]
    for folder in folders:
        file = module_file(module, folder)
        if file is not None:
            return _hash(module.split(".")[0], folder, file, alone)
    return None


def sources(class_path: str, folders: Iterable[Path]) -> dict[str, str]:
    """Give the files that `identity` hashes, relative path -> text; empty when no folder has the module."""
    module = class_path.rpartition(".")[0]
    for folder in folders:
        file = module_file(module, folder)
        if file is not None:
            found = _files(module.split(".")[0], folder, file)
            return {name: path.read_text(encoding="utf-8") for name, path in sorted(found.items())}
    return {}


def module_file(module: str, folder: Path) -> Path | None:
    """Give the file of a module under a code folder."""
    parts = module.split(".")
    candidates = (folder.joinpath(*parts[:-1], f"{parts[-1]}.py"), folder.joinpath(*parts, "__init__.py"))
    return next((path for path in candidates if path.is_file()), None)


def _hash(top: str, folder: Path, file: Path, alone: bool) -> str:
    import hashlib  # loads OpenSSL, which a study without code of its own does not need

    files = _files(top, folder, file, alone)
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{meaning(files[name])}\0".encode())
    return total.hexdigest()


def _files(top: str, folder: Path, file: Path, alone: bool = False) -> dict[str, Path]:
    """Give the package of a module and, unless alone, all that it imports from the folder, at any distance."""
    pending = _package(top, folder) or [file]
    files: dict[str, Path] = {}
    while pending:
        path = pending.pop()
        name = path.relative_to(folder).as_posix()
        if name in files:
            continue
        files[name] = path
        for module in () if alone else sorted(_imported(path)):
            found = module_file(module, folder)
            if found is not None:
                pending += _package(module.split(".")[0], folder) or [found]
    return files


def _package(top: str, folder: Path) -> list[Path]:
    package = folder / top
    return sorted(package.rglob("*.py")) if (package / "__init__.py").is_file() or package.is_dir() else []


def _imported(path: Path) -> set[str]:
    """Give the absolute names that a module imports; relative ones stay in its package, which is hashed whole."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    except (SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


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
