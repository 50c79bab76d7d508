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

from tlimb import manifest
from tlimb.components.discovery import instantiate
from tlimb.describe.installed import identity
from tlimb.describe.loading import find, grant
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import Places

T = TypeVar("T")


def build(component: manifest.Component | Mapping[str, Any], slot: type[T], places: Places, *positional: Any) -> T:
    """Make a component and the components in its options.

    Args:
        component: as it stands in a manifest, or its JSON where it stands in options.
        slot: the class that it must derive from.
        places: gives the code folders and what is allowed.
        *positional: what the runner hands over before the options.

    Raises:
        TlimbError: the code is not allowed (77), not of the kind, of another revision, or refuses its options.
    """
    as_json = component.to_json() if isinstance(component, manifest.Component) else component
    if any(grant(path, places.allow) for path in classes(as_json)):
        open_code(places.code)
        as_json = _checked(as_json, places)
    return instantiate(as_json, slot, *positional, allow=places.allow)


def _checked(value: Any, places: Places) -> Any:
    """Check the code of every user's component inside, and give each the revision that its class has.

    A user's component has no planned revision: its identity is its code.
    """
    if isinstance(value, list | tuple):
        return [_checked(inner, places) for inner in value]
    if not isinstance(value, Mapping):
        return value
    found = {key: _checked(inner, places) for key, inner in value.items()}
    path = found.get("class")
    if not isinstance(path, str) or not grant(path, places.allow):
        return found
    planned = {name: found[name] for name in ("package", "code") if name in found}
    here = identity(path, places.code)
    if planned and here != planned:
        message = f"the code of {path} is not the code that was planned with"
        if here.get("package") != planned.get("package"):
            one, other = (fields.get("package") or "a folder of `code`" for fields in (planned, here))
            message = f"{path} was planned with as part of {one}, and is part of {other} here"
        raise TlimbError(Problem("changed-code", message, help="plan the study again"), ExitCode.POLICY)
    if not found.get("revision"):
        found["revision"] = getattr(find(path, object, places.allow), "revision", 1)
    return found


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
