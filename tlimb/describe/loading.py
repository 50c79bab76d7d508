"""The only place where a class that something names by its path is imported and made.

A spec, a manifest or an installed package says which code it needs; only what the caller allows grants it. The object
that was found is checked, not only its name, and so is the revision that was planned with.
"""

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar, cast

from tlimb.problems import ExitCode, Problem, TlimbError

T = TypeVar("T")
TRUSTED = "tlimb.components"
"""What no caller has to allow."""


def grant(path: str, allow: Iterable[str]) -> str | None:
    """Return the prefix that allows the module of a class path; None where none does."""
    module = path.rpartition(".")[0]
    return next((prefix for prefix in allow if _under(module, prefix)), None)


def find(path: str, base: type[T], allow: Sequence[str] = ()) -> type[T]:
    """Import a class by its path.

    Args:
        path: module and class, such as `my_lab.nets.Tiny`.
        base: what it must derive from.
        allow: module prefixes that the caller trusts; tlimb's own components always are.

    Raises:
        TlimbError: with exit code 77 when it is not allowed or not what the place asks for, 64 when there is none.
    """
    module_name, _, name = path.rpartition(".")
    granted = grant(path, (TRUSTED, *allow))
    if granted is None:
        top = module_name.split(".")[0] or path
        message = f"{path} is no part of tlimb and was not allowed"
        refuse("code-not-allowed", message, f"add --allow {top} if you trust it")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        problem = Problem("no-such-class", f"{path} cannot be imported ({type(error).__name__})")
        raise TlimbError(problem, ExitCode.USAGE) from error
    if not inspect.isclass(found) or not issubclass(found, base):
        refuse("wrong-kind", f"{path} is not a {base.__name__}")
    # A name such as my_lab.nets.os.system passes any check of the name; what counts is where the class was defined.
    if not _under(found.__module__, granted):
        refuse("foreign-class", f"{path} is defined elsewhere, in {found.__module__}")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        refuse("unfinished-class", f"{path} lacks {missing}", exit_code=ExitCode.USAGE)
    return found


def instantiate(
    component: Mapping[str, Any],
    base: type[T],
    *positional: Any,
    allow: Sequence[str] = (),
    inner: Callable[[str], type[Any]] = lambda _: object,
) -> T:
    """Make a component, and the components in its options.

    Args:
        component: {"class", "revision", "options"} as in a manifest; options may hold such mappings, alone or in lists.
        base: what it must derive from.
        *positional: what the caller hands over before the options.
        allow: module prefixes that the caller trusts.
        inner: name of an option -> what a component in it must derive from.

    Raises:
        TlimbError: it is not allowed, of another revision than planned, or refuses its options.
    """
    cls = find(component["class"], base, allow)
    expected, revision = component.get("revision", 1), getattr(cls, "revision", 1)
    if expected != revision:
        message = f"{component['class']} has revision {revision} here, the plan was made for revision {expected}"
        refuse("other-revision", message, "plan the study again with this version of tlimb", exit_code=ExitCode.USAGE)

    def made(value: Any, kind: type[Any]) -> Any:
        if isinstance(value, Mapping) and {"class", "options"} <= set(value):
            return instantiate(value, kind, allow=allow, inner=inner)
        if isinstance(value, list | tuple):
            return [made(item, kind) for item in value]
        return value

    options = {name: made(value, inner(name)) for name, value in component.get("options", {}).items()}
    try:
        return cast("T", cast("Any", cls)(*positional, **options))
    except ImportError as error:
        problem = Problem("backend-missing", f"{component['class']} needs what is not installed: {error.name or error}")
        raise TlimbError(problem, ExitCode.BACKEND_MISSING) from error
    except (TypeError, ValueError) as error:
        problem = Problem("bad-option", f"{component['class']} cannot be made: {error}")
        raise TlimbError(problem, ExitCode.USAGE) from error


def refuse(code: str, message: str, *hints: str, exit_code: ExitCode = ExitCode.POLICY) -> NoReturn:
    """Raise a problem that has no place in a spec.

    Raises:
        TlimbError: always.
    """
    raise TlimbError(Problem(code, message, help=hints), exit_code)


def _under(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")
