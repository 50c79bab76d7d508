"""Which components exist and what may be set in each, without importing any of them.

The catalogue is made by `tlimb.export` from the signatures and docstrings of the component classes and is
committed as `schema/v1/catalogue.json`. Everything that reads specs knows components only through it.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from tlimb import resources

KINDS = (
    "cohort",
    "split",
    "data",
    "preprocess",
    "augment",
    "architecture",
    "head",
    "objective",
    "auxiliary",
    "weighting",
    "sampler",
    "scenario",
    "optimizer",
    "scheduler",
    "metric",
    "callback",
    "logger",
    "layout",
    "search",
    "backend",
)
"""All kinds of components; each is written in one kind of place."""

FIXED_KINDS = frozenset({"cohort", "split", "search", "backend", "logger"})
"""Kinds whose options say how a study is made or run; they cannot be searched or compared."""


@frozen
class Option:
    """One thing that may be set in a component.

    Attributes:
        name: as it is written in YAML.
        schema: how the value looks: JSON Schema keywords, and of our own `none` (the word `none` is allowed),
            `component` (a component of that kind), `share`, `names` (the name-space a reference points into).
        doc: one or two sentences.
        required: it has no default.
        default: the value when it is not written; None stands for `none`.
        unit: unit of the value, empty for none.
    """

    name: str
    schema: Mapping[str, Any]
    doc: str = ""
    required: bool = False
    default: Any = None
    unit: str = ""

    @property
    def component(self) -> str | None:
        """Give the kind of component it holds, one or a list of them; None for a plain value."""
        items = self.schema.get("items")
        found = self.schema.get("component") or (items.get("component") if isinstance(items, Mapping) else None)
        return None if found is None else str(found)


@frozen
class Listing:
    """One component of the catalogue.

    Attributes:
        kind: one of KINDS.
        name: the name in YAML.
        cls: module and class that implement it.
        revision: raised when a change alters results.
        doc: what it is, one sentence.
        source: where the method is from; empty for none.
        options: what may be set, by name.
        aka: other tools' words for it -> what to write here.
        facts: what else the compile half must know, such as an objective's `kind` or a metric's `direction`.
        open: any option is accepted, because nothing is known of the class.
        package: distribution and version that offers it; empty for tlimb's own and for a class of the study.
    """

    kind: str
    name: str
    cls: str
    revision: int = 1
    doc: str = ""
    source: str = ""
    options: Mapping[str, Option] = field(factory=dict)
    aka: Mapping[str, str] = field(factory=dict)
    facts: Mapping[str, Any] = field(factory=dict)
    open: bool = False
    package: str = ""

    @property
    def foreign(self) -> bool:
        """Say whether it is no component of tlimb's own, so that its code is its identity."""
        return bool(self.package) or "." in self.name

    @property
    def defaults(self) -> dict[str, Any]:
        """Give the default of every option that has one."""
        return {name: option.default for name, option in self.options.items() if not option.required}

    @property
    def required(self) -> tuple[str, ...]:
        """Give the options that must be written."""
        return tuple(name for name, option in self.options.items() if option.required)


@frozen(eq=False)
class Catalogue:
    """All components by kind and name."""

    listings: Mapping[str, Mapping[str, Listing]]

    def get(self, kind: str, name: str) -> Listing | None:
        """Give a component, None when there is none of that name."""
        return self.listings.get(kind, {}).get(name)

    def facts(self, kind: str, name: str) -> Mapping[str, Any]:
        """Give the facts of a component, none for an unknown one."""
        found = self.get(kind, name)
        return {} if found is None else found.facts

    def names(self, kind: str) -> tuple[str, ...]:
        """Give the names of a kind, sorted."""
        return tuple(sorted(self.listings.get(kind, {})))

    def by_class(self, kind: str, cls: str) -> Listing | None:
        """Give the component that a class implements, None when the catalogue does not know the class."""
        return next((found for found in self.listings.get(kind, {}).values() if found.cls == cls), None)

    def all(self, kind: str) -> Iterator[Listing]:
        """Give the components of a kind, by name."""
        for name in self.names(kind):
            yield self.listings[kind][name]

    def with_extra(self, extra: Mapping[str, Mapping[str, Any]]) -> "Catalogue":
        """Give a catalogue with more components, written as in the file: kind -> name -> listing."""
        read = _read(extra)
        merged = {kind: {**self.listings.get(kind, {}), **read.get(kind, {})} for kind in {**self.listings, **read}}
        return evolve(self, listings=merged)


def from_json(content: Mapping[str, Any]) -> Catalogue:
    """Read a catalogue from its JSON form."""
    return Catalogue(_read(content["kinds"]))


@lru_cache(maxsize=4)
def load(path: Path | None = None) -> Catalogue:
    """Read the catalogue that is shipped, or another one.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    path = path or resources.folder("schema") / "v1" / "catalogue.json"
    return from_json(json.loads(path.read_text(encoding="utf-8")))


def _read(kinds: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Listing]]:
    return {
        kind: {name: _listing(kind, name, content) for name, content in listings.items()}
        for kind, listings in kinds.items()
    }


def _listing(kind: str, name: str, content: Mapping[str, Any]) -> Listing:
    return Listing(
        kind=kind,
        name=name,
        cls=content.get("class", name),
        revision=content.get("revision", 1),
        doc=content.get("doc", ""),
        source=content.get("source", ""),
        options={option: _option(option, given) for option, given in content.get("options", {}).items()},
        aka=content.get("aka", {}),
        facts=content.get("facts", {}),
        open=content.get("open", False),
        package=content.get("package", ""),
    )


def _option(name: str, content: Mapping[str, Any]) -> Option:
    return Option(
        name=name,
        schema=content.get("schema", {}),
        doc=content.get("doc", ""),
        required=content.get("required", False),
        default=content.get("default"),
        unit=content.get("unit", ""),
    )
