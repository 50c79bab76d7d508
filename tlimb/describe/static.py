"""What a class offers, read from its source: no module of the user's is imported, so anything may be described.

Annotations are turned into the types they name and described like those of tlimb's own components. What only running
the code would tell is left open: an option of an unknown type takes any value, a class with `**kwargs` any option.
"""

import ast
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from attrs import frozen

from tlimb import describe
from tlimb.describe import installed
from tlimb.describe.annotations import UnknownError, hint, literal
from tlimb.describe.closure import module_file

KINDS: Mapping[str, str] = {
    "Reader": "cohort",
    "DataModule": "data",
    "Preprocess": "preprocess",
    "Augmentation": "augment",
    "Encoder": "architecture",
    "Head": "head",
    "Objective": "objective",
    "Auxiliary": "auxiliary",
    "Scenario": "scenario",
    "Weighting": "weighting",
    "Sampler": "sampler",
    "Optimizer": "optimizer",
    "Scheduler": "scheduler",
    "Metric": "metric",
    "Layout": "layout",
    "Callback": "callback",
    "Logger": "logger",
}
"""Class of tlimb's contracts, or of Lightning's, that a component derives from -> kind of component."""

FOR_LIGHTNING = ("callback", "logger")
"""Kinds whose classes are written for Lightning: parameters that are no keyword-only ones are options, too."""
LIGHTNING = ("lightning", "pytorch_lightning")
"""Packages that define the classes which components of these kinds derive from."""

FACTS = (
    "kind",
    "metrics",
    "direction",
    "needs_parent",
    "needs_parent_with",
    "needs_head",
    "slots",
    "roles",
    "reads",
    "unread",
    "requires",
    "dims",
    "architecture",
    "options",
    "preprocess",
    "cohorts",
    "licence",
    "expects",
    "settles",
    "scales",
    "parents",
    "domain_roles",
    "objective_kinds",
    "trains",
    "batch_at_least",
    "elastic",
    "divisible",
    "limits",
    "mirrors",
    "no_left",
    "later",
)
"""Class attributes that the compile half may need to know without importing the class."""

HERE = Path(__file__).resolve().parents[2]
MOST_STEPS = 12
"""Imports and base classes are followed so far."""


@frozen(eq=False)
class _Class:
    """A class in its module.

    Attributes:
        module: dotted name of the module that defines it.
        node: its syntax tree.
        names: what the module defines or imports, by name.
    """

    module: str
    node: ast.ClassDef
    names: Mapping[str, Any]


def component(path: str, folders: Sequence[Path], kind: str = "") -> dict[str, Any] | None:
    """Describe a class as the catalogue holds it.

    Args:
        path: module and class.
        folders: folders with code, searched in order, tlimb's own last.
        kind: kind of component it stands for; empty where that is not known.

    Returns:
        The listing; None when no folder has the class.
    """
    found = _find(path, folders)
    if found is None:
        return None
    doc = ast.get_docstring(found.node) or ""
    stand_in = type(found.node.name, (), {"__doc__": doc})
    if kind in FOR_LIGHTNING:
        folders = [*folders, *installed.folders(LIGHTNING[0])]
    options, is_open = _options(found, folders, describe.arguments(stand_in), kind)
    if kind == "logger" and options.get("save_dir", {}).get("required"):
        # A run names its own folder to a logger that is given none.
        where = options["save_dir"]
        options["save_dir"] = {**where, "required": False, "default": None, "schema": {**where["schema"], "none": True}}
    said = _attributes(found, folders)
    if kind == "callback" and any(_lightnings(one, "Timer") for one in _line(found, folders)):
        said["clock"] = "duration"
    return {
        "class": path,
        "revision": said.pop("revision", 1),
        "doc": describe.summary(stand_in),
        "source": describe.source(stand_in),
        "aka": said.pop("aka", {}),
        "facts": said,
        "options": options,
        "open": is_open,
    }


def kind(path: str, folders: Sequence[Path]) -> str | None:
    """Give the kind of component a class is by the contract that it derives from; None for no component."""
    folders = [*folders, *installed.folders(LIGHTNING[0])]
    found = _find(path, folders)
    if found is None:
        return None
    for cls in _line(found, folders):
        kind = KINDS.get(cls.node.name)
        homes = LIGHTNING if kind in FOR_LIGHTNING else ("tlimb",)
        if kind is not None and cls.module.split(".")[0] in homes:
            return kind
    return None


def _lightnings(cls: _Class, name: str) -> bool:
    return cls.node.name == name and cls.module.split(".")[0] in LIGHTNING


def classes(file: Path, module: str) -> list[str]:
    """Give the paths of the public classes that a file defines."""
    tree = _tree(file)
    nodes = [] if tree is None else tree.body
    return [f"{module}.{n.name}" for n in nodes if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]


def _attributes(cls: _Class, folders: Sequence[Path]) -> dict[str, Any]:
    """Give the class attributes that the compile half reads, the nearest class first; what is computed is left out."""
    found: dict[str, Any] = {}
    seen: set[str] = set()
    for owner in _line(cls, folders):
        for node in owner.node.body:
            name, value = _assigned(node)
            if name in seen or name not in ("revision", "aka", *FACTS):
                continue
            seen.add(name)
            with contextlib.suppress(UnknownError, describe.DescriptionError):
                if value is not None:
                    found[name] = describe.plain(literal(value, owner.names))
    return {name: found[name] for name in ("revision", "aka", *FACTS) if name in found}


def _assigned(node: ast.stmt) -> tuple[str, ast.expr | None]:
    """Give name and value of what a statement of a class defines; no value where it only runs."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return node.target.id, node.value
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name, None
    return "", None


def _options(
    cls: _Class, folders: Sequence[Path], documented: Mapping[str, str], kind: str
) -> tuple[dict[str, Any], bool]:
    """Give what YAML may set, and whether there may be more."""
    for owner in _line(cls, folders):
        init = next((n for n in owner.node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if init is None and not owner.node.decorator_list:
            continue
        if init is None or init.decorator_list:
            return {}, True  # a decorator makes the signature
        inherited = describe.arguments(type(owner.node.name, (), {"__doc__": ast.get_docstring(owner.node) or ""}))
        docs = {**inherited, **documented}
        pairs = [*(_positional(init.args) if kind in FOR_LIGHTNING else ())]
        pairs += zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
        found = {one.arg: _option(one, default, owner, docs.get(one.arg, "")) for one, default in pairs}
        return found, init.args.kwarg is not None
    return {}, not _complete(cls, folders)


def _positional(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """Go through the parameters behind `self` that may be given by name, each with its default."""
    every = [*arguments.posonlyargs, *arguments.args]
    defaults = [*(len(every) - len(arguments.defaults)) * [None], *arguments.defaults]
    for number, (argument, default) in enumerate(zip(every, defaults, strict=True)):
        if number and argument in arguments.args:
            yield argument, default


def _option(argument: ast.arg, default: ast.expr | None, owner: _Class, doc: str) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if argument.arg in describe.COMPONENT_LISTS:
        schema = {"type": "array", "items": {"component": argument.arg}}
    elif argument.annotation is not None:
        try:
            schema = describe.of_type(hint(argument.annotation, owner.names))
        except (UnknownError, describe.DescriptionError, TypeError, ValueError, KeyError):
            schema = {}
    option: dict[str, Any] = {"doc": doc, "required": default is None}
    if schema.get("unit"):
        option["unit"] = schema.pop("unit")
    schema.pop("unit", None)
    if default is not None:
        try:
            option["default"] = describe.plain(literal(default, owner.names))
        except (UnknownError, describe.DescriptionError):
            schema["none"] = True
        if option.get("default", 0) is None:
            schema["none"] = True
    return {**option, "schema": schema}


def _line(cls: _Class, folders: Sequence[Path]) -> Iterator[_Class]:
    """Give a class and those it derives from, as far as their source is found, nearest first."""
    waiting, seen = [cls], 0
    while waiting and seen < MOST_STEPS:
        one = waiting.pop(0)
        seen += 1
        yield one
        for base in one.node.bases:
            path = _path(base, one)
            found = None if path is None else _find(path, folders)
            waiting += [] if found is None else [found]


def _complete(cls: _Class, folders: Sequence[Path]) -> bool:
    """Say whether the source of every base class was found, so that no `__init__` can be elsewhere."""
    plain = ("object", "ABC", "Protocol")
    for one in _line(cls, folders):
        if one.module.split(".")[0] == "tlimb":
            continue  # contracts take no options
        for base in one.node.bases:
            path = _path(base, one)
            if path is None or (path.split(".")[-1] not in plain and _find(path, folders) is None):
                return False
    return True


def _path(base: ast.expr, cls: _Class) -> str | None:
    """Give the class path of a base class."""
    if isinstance(base, ast.Subscript):
        base = base.value
    if isinstance(base, ast.Name):
        known = cls.names.get(base.id)
        return known if isinstance(known, str) else f"{cls.module}.{base.id}"
    if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name):
        known = cls.names.get(base.value.id)
        return f"{known}.{base.attr}" if isinstance(known, str) else None
    return None


def _find(path: str, folders: Sequence[Path], steps: int = 0) -> _Class | None:
    """Find a class by its path, through modules that only import it."""
    module, _, name = path.rpartition(".")
    file = next((f for folder in (*folders, HERE) if (f := module_file(module, folder)) is not None), None)
    tree = None if file is None or steps > MOST_STEPS else _tree(file)
    if file is None or tree is None:
        return None
    names = _names(tree, module if file.name == "__init__.py" else module.rpartition(".")[0])
    own = names.get(name)
    if isinstance(own, ast.ClassDef):
        return _Class(module, own, names)
    return _find(own, folders, steps + 1) if isinstance(own, str) else None


def _names(tree: ast.Module, package: str) -> dict[str, Any]:
    """Give what a module defines (classes, constants and aliases as syntax) or imports (as dotted paths)."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (above, node.module or "") if part)
            found |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


@lru_cache(maxsize=256)
def _parsed(file: Path, stamp: tuple[int, int]) -> ast.Module | None:
    try:
        return ast.parse(file.read_text(encoding="utf-8", errors="replace"))
    except (SyntaxError, ValueError, RecursionError, OSError):
        return None


def _tree(file: Path) -> ast.Module | None:
    stat = file.stat()
    return _parsed(file, (stat.st_mtime_ns, stat.st_size))
