"""From a component of a manifest to an object, user code included.

A manifest says which code it needs; only the caller's `allow` grants it. Folders with user code come last on the
path, and a module in one of them that hides an installed one is refused.
"""

import importlib
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, TypeVar

from tlimb.components.discovery import HERE, instantiate
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.runner.api import Places

T = TypeVar("T")


def build(component: Mapping[str, Any], slot: type[T], places: Places, *positional: Any) -> T:
    """Make a component and the components in its options.

    Args:
        component: {"class", "revision", "options"} as it stands in a manifest.
        slot: the class that it must derive from.
        places: gives the code folders and what is allowed.
        *positional: what the runner hands over before the options.

    Raises:
        TlimbError: the code is not allowed (77), not of the kind, of another revision, or refuses its options.
    """
    foreign = [path for path in classes(component) if not path.startswith(HERE + ".")]
    if any(_granted(path, places.allow) for path in foreign):
        open_code(places.code)
    return instantiate(component, slot, *positional, allow=places.allow)


def classes(value: Any) -> Iterator[str]:
    """Go through the class paths in a component or in a whole manifest."""
    if isinstance(value, Mapping):
        if isinstance(value.get("class"), str):
            yield value["class"]
        for inner in value.values():
            yield from classes(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from classes(inner)


def open_code(folders: tuple[Path, ...]) -> None:
    """Put the code folders last on the path, after checking that they hide nothing.

    Raises:
        TlimbError: a module of a code folder has the name of an installed one (77).
    """
    ours = {str(folder) for folder in folders}
    others = [entry for entry in sys.path if entry not in ours]
    for folder in folders:
        for name in _modules(folder):
            if name in sys.stdlib_module_names or PathFinder.find_spec(name, others) is not None:
                message = f"the module {name} of a code folder hides an installed one"
                problem = Problem("shadowing-module", message, help="give it another name")
                raise TlimbError(problem, ExitCode.POLICY)
    sys.path[:] = [*others, *(str(folder) for folder in folders)]
    importlib.invalidate_caches()


def _modules(folder: Path) -> Iterator[str]:
    for entry in sorted(folder.iterdir()):
        if entry.suffix == ".py" and entry.stem.isidentifier():
            yield entry.stem
        elif entry.name.isidentifier() and (entry / "__init__.py").exists():
            yield entry.name


def _granted(path: str, allow: tuple[str, ...]) -> bool:
    module = path.rpartition(".")[0]
    return any(module == prefix or module.startswith(prefix + ".") for prefix in allow)
