"""Finding components: by kind and name, by class path, and all that there are.

A component's name is the name of its file; there is no list to edit. A third party gives components by entry points
of the groups `tlimb.architectures` and so on, or is named by a class path. `describe.loading` imports what was found.
"""

import importlib
import importlib.metadata
import inspect
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from attrs import frozen

from tlimb.components import contracts
from tlimb.describe import loading
from tlimb.describe.loading import refuse

T = TypeVar("T")
HERE = "tlimb.components"


@frozen
class Kind:
    """A kind of component.

    Attributes:
        folder: the folder with its files.
        path: path of the class that all derive from.
    """

    folder: str
    path: str

    @property
    def base(self) -> type[Any]:
        """Import the class that all derive from; Lightning's are loaded only where one of them is asked for."""
        module, _, name = self.path.rpartition(".")
        found: type[Any] = getattr(importlib.import_module(module), name)
        return found


def _of(folder: str, contract: type[contracts.Component]) -> Kind:
    return Kind(folder, f"{contract.__module__}.{contract.__qualname__}")


KINDS: Mapping[str, Kind] = {
    "architecture": _of("architectures", contracts.Encoder),
    "data": _of("data", contracts.DataModule),
    "preprocess": _of("preprocess", contracts.Preprocess),
    "augment": _of("augments", contracts.Augmentation),
    "objective": _of("objectives", contracts.Objective),
    "head": _of("heads", contracts.Head),
    "auxiliary": _of("auxiliaries", contracts.Auxiliary),
    "optimizer": _of("optimizers", contracts.Optimizer),
    "scheduler": _of("schedulers", contracts.Scheduler),
    "scenario": _of("scenarios", contracts.Scenario),
    "weighting": _of("weightings", contracts.Weighting),
    "sampler": _of("samplers", contracts.Sampler),
    "metric": _of("metrics", contracts.Metric),
    "layout": _of("layouts", contracts.Layout),
    "callback": Kind("callbacks", "lightning.pytorch.callbacks.Callback"),
    "logger": Kind("loggers", "lightning.pytorch.loggers.Logger"),
}


def names(kind: str) -> tuple[str, ...]:
    """Give the names of tlimb's own components of a kind, sorted; imports none of them."""
    folder = importlib.import_module(f"{HERE}.{KINDS[kind].folder}")
    return tuple(sorted(module.name for module in pkgutil.iter_modules(folder.__path__)))


def built_in() -> Iterator[tuple[str, str, type[Any]]]:
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
            refuse("name-twice", f"the {kind} `{entry.name}` is given by {owners[entry.name]} and by {owner}")
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
    return refuse(f"unknown-{kind}", f"no {kind} is called `{name}`", *hint, f"there are: {', '.join(sorted(known))}")


def instantiate(component: Mapping[str, Any], base: type[T], *positional: Any, allow: Sequence[str] = ()) -> T:
    """Make a component as `loading.instantiate` does, where an option called after a kind holds components of it."""
    return loading.instantiate(component, base, *positional, allow=allow, inner=_base_of)


def _base_of(option: str) -> type[Any]:
    return KINDS[option].base if option in KINDS else contracts.Component
