"""Which files of some code folders a module runs: its imports at any distance, read from syntax trees.

Nothing is imported. Every import statement counts, wherever it stands: at the top, in a function, under a condition. So
do the packages that a name passes through, since Python runs their `__init__`, and submodules that are reached as
attributes of an imported package. Where a module imports by a computed name, only running it would tell which, and
its whole top-level package counts.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from attrs import frozen

BUILTINS = frozenset({"__import__", "exec", "eval"})
LOADERS = frozenset(
    {
        *("import_module", "reload", "run_module", "run_path", "exec_module", "load_module", "load_source"),
        *("find_spec", "find_loader", "get_loader", "spec_from_file_location", "spec_from_loader", "module_from_spec"),
        *("SourceFileLoader", "iter_modules", "walk_packages", "resolve_name", "import_string"),
    }
)
"""Names of functions and methods whose use means that a module may import what no import statement of it names."""
LIBRARIES = frozenset({"hydra", "lazy_loader", "pydoc", "stevedore"})
"""Packages that import what a text names."""
HARMLESS = frozenset({"metadata", "resources"})
"""Parts of `importlib` that import no module."""


@frozen
class Imports:
    """What the source of one module says about imports.

    Attributes:
        names: (level, dotted name): imported, or reached as attributes of what is imported; the level counts the dots
            of a relative import, and is 0 for an absolute one.
        stars: the same of modules from which everything is imported.
        public: what `__all__` lists; None where it is computed.
        computed: it may import by a computed name.
    """

    names: frozenset[tuple[int, str]] = frozenset()
    stars: frozenset[tuple[int, str]] = frozenset()
    public: tuple[str, ...] | None = ()
    computed: bool = False


def closure(module: str, folders: Sequence[Path], *, alone: bool = False) -> dict[str, Path]:
    """Return the files that importing a module runs, as far as they lie in the folders: relative path -> file.

    Args:
        module: dotted name.
        folders: code folders, in the order in which Python searches them.
        alone: follow no import that leaves the module's own top-level package.
    """
    places = _Places(folders, module.partition(".")[0] if alone else None)
    pending = list(places.files(module))
    found: dict[str, Path] = {}
    while pending:
        name, path = pending.pop()
        if name in found:
            continue
        found[name] = path
        said = imports(path.read_text(encoding="utf-8", errors="replace"))
        for one in _absolute(said.names, name):
            pending += places.files(one)
        for one in _absolute(said.stars, name):
            pending += places.starred(one)
        if said.computed:
            pending += places.package(name.partition("/")[0])
    return found


@lru_cache(maxsize=1024)
def imports(text: str) -> Imports:
    """Return what the source of a module says about imports; of a text that is no Python nothing is known."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return Imports(computed=True)
    names: set[tuple[int, str]] = set()
    stars: set[tuple[int, str]] = set()
    bound: dict[str, set[tuple[int, str]]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.add((0, alias.name))
                local = alias.asname or alias.name.partition(".")[0]
                bound.setdefault(local, set()).add((0, alias.name if alias.asname else local))
        elif isinstance(node, ast.ImportFrom):
            names.add((node.level, node.module or ""))
            for alias in node.names:
                if alias.name == "*":
                    stars.add((node.level, node.module or ""))
                    continue
                full = (node.level, f"{node.module}.{alias.name}" if node.module else alias.name)
                names.add(full)
                bound.setdefault(alias.asname or alias.name, set()).add(full)
    names |= set(_attributes(tree, bound))
    return Imports(frozenset(names), frozenset(stars), _public(tree), _is_computed(tree))


def _attributes(tree: ast.Module, bound: Mapping[str, Iterable[tuple[int, str]]]) -> Iterator[tuple[int, str]]:
    """Go through the dotted names that begin with something imported: `lab.blocks.Block` after `import lab`."""
    for node in ast.walk(tree):
        parts: list[str] = []
        inner: ast.expr | None = node if isinstance(node, ast.Attribute) else None
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            for level, name in bound.get(inner.id, ()):
                yield level, ".".join([name, *reversed(parts)])


def _is_computed(tree: ast.Module) -> bool:
    """Return whether a module may import by a computed name."""
    harmless = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in HARMLESS:
            harmless.add(node.value)
    return any(_imports_computed(node) and node not in harmless for node in ast.walk(tree))


def _imports_computed(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in BUILTINS or node.id in LOADERS or node.id == "importlib"
    if isinstance(node, ast.Attribute):  # `eval` and `exec` are methods of much else
        return node.attr in LOADERS or node.attr == "__import__"
    if isinstance(node, ast.Import):
        tops = {alias.name.partition(".")[0] for alias in node.names}
        return bool(tops & LIBRARIES) or any(alias.name == "importlib" and alias.asname for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        names = {alias.name for alias in node.names}
        return bool(names & LOADERS) or (node.module or "").partition(".")[0] in LIBRARIES
    return False


def _public(tree: ast.Module) -> tuple[str, ...] | None:
    """Return what `__all__` lists, nothing where there is none, and None where it is computed."""
    found: tuple[str, ...] = ()
    uses = sum(isinstance(node, ast.Name) and node.id == "__all__" for node in ast.walk(tree))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if not any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            continue
        try:
            found += tuple(str(name) for name in ast.literal_eval(value)) if value is not None else ()
        except (ValueError, TypeError, SyntaxError):
            return None
        uses -= 1
    # What is left changes the list elsewhere, such as `__all__.extend(..)`.
    return None if uses else found


def _absolute(names: Iterable[tuple[int, str]], file: str) -> Iterator[str]:
    """Go through names as seen from a file, relative ones resolved; those that lead out of its folder are left out."""
    package = file.removesuffix(".py").split("/")[:-1]
    for level, name in sorted(names):
        if not level:
            yield name
        elif level <= len(package):
            base = package[: len(package) - level + 1]
            yield ".".join([*base, *([name] if name else [])])


class _Places:
    """The code folders, as Python searches them."""

    def __init__(self, folders: Sequence[Path], only: str | None) -> None:
        """Keep the folders; with `only`, nothing outside that top-level module is found."""
        self._folders, self._only = folders, only
        self._known: dict[str, tuple[Path, ...]] = {}

    def files(self, module: str) -> Iterator[tuple[str, Path]]:
        """Go through the file of a module and the `__init__` of the packages that its name passes through."""
        parts = module.split(".")
        for folder in self._of(parts[0]):
            for count in range(1, len(parts) + 1):
                path = module_file(".".join(parts[:count]), folder)
                if path is not None:
                    yield path.relative_to(folder).as_posix(), path

    def starred(self, module: str) -> Iterator[tuple[str, Path]]:
        """Go through what `from MODULE import *` imports beside the module itself: submodules that it lists."""
        for name, path in self.files(module):
            if name != f"{module.replace('.', '/')}/__init__.py":
                continue
            public = imports(path.read_text(encoding="utf-8", errors="replace")).public
            if public is None:
                yield from self.package(module.partition(".")[0])
            for listed in public or ():
                yield from self.files(f"{module}.{listed}")

    def package(self, top: str) -> Iterator[tuple[str, Path]]:
        """Go through all files of a top-level package; nothing for a single file."""
        for folder in self._of(top):
            for path in sorted((folder / top).rglob("*.py")):
                yield path.relative_to(folder).as_posix(), path

    def _of(self, top: str) -> tuple[Path, ...]:
        """Return the folders that hold a top-level module: one, or those that share a package without `__init__`."""
        if self._only not in (None, top):
            return ()
        if top not in self._known:
            whole = (folder for folder in self._folders if module_file(top, folder) is not None)
            first = next(whole, None)
            shared = (folder for folder in self._folders if top.isidentifier() and (folder / top).is_dir())
            self._known[top] = tuple(shared) if first is None else (first,)
        return self._known[top]


def module_file(module: str, folder: Path) -> Path | None:
    """Return the file of a module under a code folder; a package hides a file of its name, as in Python."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    candidates = (folder.joinpath(*parts, "__init__.py"), folder.joinpath(*parts[:-1], f"{parts[-1]}.py"))
    return next((path for path in candidates if path.is_file()), None)
