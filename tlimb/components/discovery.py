"""Finding components: by kind and name, by class path, and all that there are.

A component's name is the name of its file; there is no list to edit. A third party gives components by entry points
of the groups `tlimb.architectures` and so on, or is named by a class path. The manifest says which code it needs; only
the caller's `allow` grants it, and the object that was found is checked, not only its name.
"""

import importlib
import importlib.metadata
import inspect
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar, cast

from attrs import frozen

from tlimb.components import contracts
from tlimb.problems import ExitCode, Problem, TlimbError

T = TypeVar("T")
HERE = "tlimb.components"


@frozen
class Kind:
    """A kind of component: the folder with its files and the class that all derive from."""

    folder: str
    base: type[contracts.Component]


KINDS: Mapping[str, Kind] = {
    "architecture": Kind("architectures", contracts.Encoder),
    "data": Kind("data", contracts.DataModule),
    "preprocess": Kind("preprocess", contracts.Preprocess),
    "augment": Kind("augments", contracts.Augmentation),
    "objective": Kind("objectives", contracts.Objective),
    "head": Kind("heads", contracts.Head),
    "auxiliary": Kind("auxiliaries", contracts.Auxiliary),
    "optimizer": Kind("optimizers", contracts.Optimizer),
    "scheduler": Kind("schedulers", contracts.Scheduler),
    "scenario": Kind("scenarios", contracts.Scenario),
    "weighting": Kind("weightings", contracts.Weighting),
    "sampler": Kind("samplers", contracts.Sampler),
    "metric": Kind("metrics", contracts.Metric),
    "layout": Kind("layouts", contracts.Layout),
}


def names(kind: str) -> tuple[str, ...]:
    """Give the names of tlimb's own components of a kind, sorted; imports none of them."""
    folder = importlib.import_module(f"{HERE}.{KINDS[kind].folder}")
    return tuple(sorted(module.name for module in pkgutil.iter_modules(folder.__path__)))


def built_in() -> Iterator[tuple[str, str, type[contracts.Component]]]:
    """Give kind, name and class of each of tlimb's own components, sorted."""
    for kind in sorted(KINDS):
        for name in names(kind):
            yield kind, name, public_class(f"{HERE}.{KINDS[kind].folder}.{name}", KINDS[kind].base)


def public_class(module_name: str, base: type[T]) -> type[T]:
    """Give the one public class of a component's file.

    Raises:
        TypeError: there is none, or more than one.
    """
    module = importlib.import_module(module_name)
    found = [
        value
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module_name and not name.startswith("_")
    ]
    if len(found) != 1 or not issubclass(found[0], base):
        raise TypeError(f"{module_name} must hold one public class, a {base.__name__}; it holds {len(found)}")
    return found[0]


def entry_points(kind: str) -> dict[str, str]:
    """Give class path by name of the components that other packages offer; imports none of them.

    Raises:
        TlimbError: two packages offer one name, or one offers a name of tlimb's own.
    """
    found: dict[str, str] = {}
    owners = dict.fromkeys(names(kind), "tlimb")
    for entry in importlib.metadata.entry_points(group=f"tlimb.{KINDS[kind].folder}"):
        owner = entry.dist.name if entry.dist is not None else "an unnamed package"
        if entry.name in owners:
            _refuse("name-twice", f"the {kind} `{entry.name}` is given by {owners[entry.name]} and by {owner}")
        owners[entry.name] = owner
        found[entry.name] = entry.value.replace(":", ".")
    return found


def path_of(kind: str, name: str) -> str:
    """Give the class path of a component that is named as in a spec, by its file's name or by its class path.

    Raises:
        TlimbError: there is no such component.
    """
    if "." in name:
        return name
    if name in names(kind):
        found = public_class(f"{HERE}.{KINDS[kind].folder}.{name}", KINDS[kind].base)
        return f"{found.__module__}.{found.__qualname__}"
    foreign = entry_points(kind)
    if name in foreign:
        return foreign[name]
    known = [*names(kind), *foreign]
    near = get_close_matches(name, known, n=1)
    hint = (f"did you mean `{near[0]}`?",) if near else ()
    return _refuse(f"unknown-{kind}", f"no {kind} is called `{name}`", *hint, f"there are: {', '.join(sorted(known))}")


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
    granted = next((prefix for prefix in (HERE, *allow) if _under(module_name, prefix)), None)
    if granted is None:
        top = module_name.split(".")[0] or path
        _refuse(
            "code-not-allowed", f"{path} is no part of tlimb and was not allowed", f"add --allow {top} if you trust it"
        )
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        problem = Problem("no-such-class", f"{path} cannot be imported ({type(error).__name__})")
        raise TlimbError(problem, ExitCode.USAGE) from error
    if not inspect.isclass(found) or not issubclass(found, base):
        _refuse("wrong-kind", f"{path} is not a {base.__name__}")
    # A name such as my_lab.nets.os.system passes any check of the name; what counts is where the class was defined.
    if not _under(found.__module__, granted):
        _refuse("foreign-class", f"{path} is defined elsewhere, in {found.__module__}")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        _refuse("unfinished-class", f"{path} lacks {missing}", exit_code=ExitCode.USAGE)
    return found


def instantiate(component: Mapping[str, Any], base: type[T], *positional: Any, allow: Sequence[str] = ()) -> T:
    """Make a component, and the components in its options.

    Args:
        component: {"class", "revision", "options"} as in a manifest; options may hold such mappings, alone or in lists.
        base: what it must derive from.
        *positional: what the runner hands over before the options.
        allow: module prefixes that the caller trusts.

    Raises:
        TlimbError: it is not allowed, of another revision than planned, or refuses its options.
    """
    cls = find(component["class"], base, allow)
    expected, revision = component.get("revision", 1), getattr(cls, "revision", 1)
    if expected != revision:
        _refuse(
            "other-revision",
            f"{component['class']} has revision {revision} here, the plan was made for revision {expected}",
            "plan the study again with this version of tlimb",
            exit_code=ExitCode.USAGE,
        )
    options = {name: _inner(value, _base_of(name), allow) for name, value in component.get("options", {}).items()}
    try:
        return cast("Any", cls)(*positional, **options)
    except (TypeError, ValueError) as error:
        problem = Problem("bad-option", f"{component['class']} cannot be made: {error}")
        raise TlimbError(problem, ExitCode.USAGE) from error


def _base_of(option: str) -> type[contracts.Component]:
    """Give what a component in an option must be: of the kind that the option is called after, if there is one."""
    return KINDS[option].base if option in KINDS else contracts.Component


def _inner(value: Any, base: type[contracts.Component], allow: Sequence[str]) -> Any:
    if isinstance(value, Mapping) and {"class", "options"} <= set(value):
        return instantiate(value, base, allow=allow)
    if isinstance(value, list | tuple):
        return [_inner(item, base, allow) for item in value]
    return value


def _under(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def _refuse(code: str, message: str, *hints: str, exit_code: ExitCode = ExitCode.POLICY) -> NoReturn:
    raise TlimbError(Problem(code, message, help=hints), exit_code)
