"""From a component of a manifest to an object: the only place that imports code by name.

A manifest says which code it needs; only the caller's `allow` grants it. Checked is the object that was
found: a class, of the kind that the place asks for, and defined under the granted prefix, because names such as
`torch.os.system` pass any check of the name alone.
"""

import importlib
import sys
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.runner.api import Places

BUILT_IN = "tlimb.components"
T = TypeVar("T")


def build(component: Mapping[str, Any], slot: type[T], places: Places, *positional: Any) -> T:
    """Make a component.

    Args:
        component: {"class", "revision", "options"} as it stands in a manifest.
        slot: the class that it must derive from.
        places: gives the code folders and what is allowed.
        *positional: what the runner hands over before the options.

    Raises:
        TlimbError: the code is not allowed, not of the kind, of another revision, or refuses its options.
    """
    cls = resolve(component["class"], slot, places)
    expected, found = component.get("revision", 1), getattr(cls, "revision", 1)
    if expected != found:
        _refuse(
            "other-revision",
            f"{component['class']} has revision {found} here, the plan was made for revision {expected}",
            "plan the study again with this version of tlimb",
            ExitCode.USAGE,
        )
    make = cast("Any", cls)
    try:
        return cast("T", make(*positional, **component.get("options", {})))
    except (TypeError, ValueError) as error:
        raise TlimbError(
            Problem("bad-option", f"{component['class']} cannot be made: {error}"), ExitCode.USAGE
        ) from error


def resolve(path: str, slot: type[T], places: Places) -> type[T]:
    """Find a class by its path, refusing what is not allowed before anything is imported.

    Raises:
        TlimbError: with exit code 77 when it is not allowed, 64 when there is no such class.
    """
    module_name, _, name = path.rpartition(".")
    prefix = _granted(module_name, places.allow)
    if prefix is None:
        _refuse(
            "code-not-allowed",
            f"{path} is not part of tlimb and was not allowed",
            f"--allow {module_name.split('.')[0]} if you trust this code",
            ExitCode.POLICY,
        )
    if prefix != BUILT_IN:
        _open_code(places.code)
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise TlimbError(
            Problem("no-such-class", f"{path} cannot be imported ({type(error).__name__})"), ExitCode.USAGE
        ) from error
    if not isinstance(found, type) or not issubclass(found, slot):
        _refuse("wrong-kind", f"{path} is not a {slot.__name__}", "", ExitCode.POLICY)
    if not _under(found.__module__, prefix):
        _refuse("foreign-class", f"{path} is defined elsewhere, in {found.__module__}", "", ExitCode.POLICY)
    return cast("type[T]", found)


def _granted(module: str, allow: tuple[str, ...]) -> str | None:
    return next((prefix for prefix in (BUILT_IN, *allow) if _under(module, prefix)), None)


def _under(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def _open_code(folders: tuple[Path, ...]) -> None:
    """Put the code folders last on the path, after checking that they hide nothing."""
    ours = {str(folder) for folder in folders}
    others = [entry for entry in sys.path if entry not in ours]
    for folder in folders:
        for entry in sorted(folder.iterdir()):
            name = entry.stem if entry.suffix == ".py" else entry.name
            is_module = entry.suffix == ".py" or (entry / "__init__.py").exists()
            if not is_module or not name.isidentifier():
                continue
            if name in sys.stdlib_module_names or PathFinder.find_spec(name, others) is not None:
                _refuse(
                    "shadowing-module",
                    f"the module {name} of a code folder hides an installed one",
                    "give it another name",
                    ExitCode.POLICY,
                )
    sys.path[:] = [*others, *(str(folder) for folder in folders)]
    importlib.invalidate_caches()


def _refuse(code: str, message: str, help: str, exit_code: ExitCode) -> NoReturn:
    raise TlimbError(Problem(code, message, help=help or ()), exit_code)
