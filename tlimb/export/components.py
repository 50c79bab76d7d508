"""The catalogue of components, from their classes: signatures, docstrings and class attributes."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

import tlimb.cohorts
import tlimb.components
from tlimb import describe
from tlimb.cohorts.reading import Reader
from tlimb.describe.static import FACTS
from tlimb.language.builtins import BUILTINS
from tlimb.language.catalogue import KINDS
from tlimb.language.shapes import RESERVED

FOLDERS = {
    "architectures": "architecture",
    "augments": "augment",
    "auxiliaries": "auxiliary",
    "callbacks": "callback",
    "data": "data",
    "heads": "head",
    "layouts": "layout",
    "loggers": "logger",
    "metrics": "metric",
    "objectives": "objective",
    "optimizers": "optimizer",
    "preprocess": "preprocess",
    "samplers": "sampler",
    "scenarios": "scenario",
    "schedulers": "scheduler",
    "weightings": "weighting",
}
"""Folder of `tlimb/components` -> component kind."""


class ExportError(Exception):
    """A component breaks a rule of the catalogue; the message says which."""


def catalogue() -> dict[str, Any]:
    """Describe all components, each kind and name in order."""
    kinds: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    for name, cls in BUILTINS:
        kinds[cls.kind][name] = builtin(cls)  # type: ignore[attr-defined]
    for kind, name, cls in (*readers(), *components()):
        if name in kinds[kind]:
            raise ExportError(f"two components of the kind {kind} are called {name}")
        kinds[kind][name] = listing(cls)
    return {"tlimb": 1, "kinds": {kind: dict(sorted(found.items())) for kind, found in kinds.items()}}


def readers() -> Iterator[tuple[str, str, type]]:
    """Give kind, name and class of every cohort reader: the modules of `tlimb.cohorts` that define one."""
    for found in sorted(pkgutil.iter_modules(tlimb.cohorts.__path__), key=lambda module: module.name):
        module = importlib.import_module(f"tlimb.cohorts.{found.name}")
        for cls in vars(module).values():
            own = inspect.isclass(cls) and cls.__module__ == module.__name__
            if own and issubclass(cls, Reader) and cls is not Reader and not cls.__name__.startswith("_"):
                yield "cohort", found.name, cls


def components() -> Iterator[tuple[str, str, type]]:
    """Give kind, name and class of every component, by importing each module of `tlimb/components`."""
    for path in map(Path, tlimb.components.__path__):
        for folder in sorted(path.iterdir()):
            kind = FOLDERS.get(folder.name)
            if kind is None or not folder.is_dir():
                continue
            for found in sorted(pkgutil.iter_modules([str(folder)]), key=lambda module: module.name):
                if found.name.startswith("_"):
                    continue
                module = importlib.import_module(f"tlimb.components.{folder.name}.{found.name}")
                yield kind, found.name, only_class(module)


def only_class(module: ModuleType) -> type:
    """Give the one public class that a component's module defines.

    Raises:
        ExportError: it defines none or several.
    """
    found = [
        cls
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and cls.__module__ == module.__name__ and not name.startswith("_")
    ]
    if len(found) != 1:
        names = ", ".join(cls.__name__ for cls in found) or "none"
        raise ExportError(f"{module.__name__} must define exactly one public class; it defines {names}")
    return found[0]


def listing(cls: type) -> dict[str, Any]:
    """Describe a component class as the catalogue holds it.

    Raises:
        ExportError: an option has the name of a word of the language.
    """
    options = describe.options(cls)
    for name in options:
        if name in RESERVED:
            raise ExportError(f"{cls.__module__}: the option {name!r} is a word of the language")
    facts = {name: describe.plain(getattr(cls, name)) for name in FACTS if hasattr(cls, name) and _plain(cls, name)}
    return {
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "revision": getattr(cls, "revision", 1),
        "doc": describe.summary(cls),
        "source": describe.source(cls),
        "aka": dict(getattr(cls, "aka", {})),
        "facts": facts,
        "options": options,
    }


def _plain(cls: type, name: str) -> bool:
    value = getattr(cls, name)
    return not callable(value) and not isinstance(value, property) and not inspect.ismemberdescriptor(value)


def builtin(cls: type) -> dict[str, Any]:
    """Describe a component of the compile half from its attrs fields."""
    options: dict[str, Any] = {}
    for attribute in attrs.fields(cls):
        option = {
            "doc": attribute.metadata["doc"],
            "required": attribute.default is attrs.NOTHING,
            "schema": _field_schema(attribute.metadata["schema"]),
        }
        if attribute.default is not attrs.NOTHING:
            default = attribute.default.factory() if isinstance(attribute.default, attrs.Factory) else attribute.default  # type: ignore[arg-type]
            option["default"] = describe.plain(default)
        options[attribute.name] = option
    return {
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "revision": 1,
        "doc": describe.summary(cls),
        "source": "",
        "aka": {},
        "facts": {},
        "options": options,
    }


def _field_schema(schema_: Mapping[str, Any]) -> dict[str, Any]:
    """Give the schema of a field; an inner block becomes an object with its own fields."""
    if "block" not in schema_:
        return dict(schema_)
    inner = builtin(schema_["block"])["options"]
    return {
        "type": "object",
        "properties": {name: {**option["schema"], "doc": option["doc"]} for name, option in inner.items()},
        "required": [name for name, option in inner.items() if option["required"]],
        "additionalProperties": False,
    }
