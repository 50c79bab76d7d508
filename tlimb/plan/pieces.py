"""Resolved values to manifest JSON, as pieces that runs share.

A run's digest is taken over the canonical text of its whole manifest; since most of that text is common to many
runs, each part is written once as a `Piece` and joined.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from attrs import field, frozen

from tlimb.language.catalogue import Catalogue, Listing, Option
from tlimb.language.values import Component, Record, Value
from tlimb.manifest import Json, canonical, digest_text


@frozen(eq=False)
class Piece:
    """A JSON value together with its canonical text."""

    value: Json
    text: str = field()

    @text.default
    def _text(self) -> str:
        return canonical(self.value)


NOTHING = Piece(None)
NONE_WORD = "none"
EMPTY = Piece({})


def works(found: Mapping[str, str]) -> Piece:
    """Give the piece of works by role; names of roles are plain identifiers, so the text needs no encoder."""
    text = ",".join(f'"{role}":"{found[role]}"' for role in sorted(found))
    return Piece(dict(found), f"{{{text}}}") if found else EMPTY


def joined(pieces: Mapping[str, Piece]) -> tuple[dict[str, Json], str]:
    """Give the object made of the pieces, and the sha256 of its canonical form."""
    names = sorted(pieces)
    text = ",".join(f'"{name}":{pieces[name].text}' for name in names)
    return {name: pieces[name].value for name in names}, digest_text(f"{{{text}}}")


class Components:
    """Names and written options to what a manifest holds: class path, revision and every option."""

    def __init__(self, catalogue: Catalogue, code: Callable[[str], Mapping[str, str]]) -> None:
        """Use a catalogue, and what gives the identity of the code behind a class path, as fields of a manifest."""
        self.catalogue = catalogue
        self.code = code

    def json(self, kind: str, component: Component) -> Json:
        """Give the manifest form of a resolved component, defaults filled in."""
        entry = self.catalogue.get(kind, component.name)
        if entry is None or entry.foreign:
            return self._foreign(entry, component)
        options: dict[str, Json] = {}
        later = entry.facts.get("later", ())
        for name, option in entry.options.items():
            default = None if option.required else self._option(option.component, option.default)
            written = default
            if name in component.options:
                written = self._option(option.component, _said(component.options[name], option.schema))
            elif option.required:
                continue
            # What was added after a release is no new work for those who do not use it.
            if name not in later or option.required or written != default:
                options[name] = written
        return {"class": entry.cls, "options": options, "revision": entry.revision}

    def _foreign(self, entry: Listing | None, component: Component) -> Json:
        """Give the manifest form of a class that is not tlimb's: its code is its identity, defaults included."""
        known: Mapping[str, Option] = {} if entry is None else entry.options
        options = {
            name: self._option(known[name].component if name in known else None, value)
            for name, value in component.options.items()
        }
        path = component.name if entry is None else entry.cls
        return {"class": path, "options": options, "revision": 0, **self.code(path)}

    def _option(self, kind: str | None, value: Value) -> Json:
        """Give an option's JSON; components inside options are resolved like any other."""
        if kind is None:
            return plain(value)
        if isinstance(value, tuple | list):
            return [self._option(kind, item) for item in value]
        inner = as_component(value)
        return None if inner is None else self.json(kind, inner)


def _said(value: Value, schema: Mapping[str, Any]) -> Value:
    """Give a value in which a quoted `none` is none, where that word has a meaning: all of JSON is quoted."""
    return None if schema.get("none") and value == NONE_WORD else value


def as_component(value: Value) -> Component | None:
    """Read a resolved value as a component: inside `params` and options only the use tells what a value is."""
    if isinstance(value, Component):
        return value
    if isinstance(value, str):
        return None if value == NONE_WORD else Component(value, {}, "")
    if isinstance(value, Record) and len(value.fields) == 1:
        ((name, inner),) = value.fields.items()
        return Component(name, dict(inner.fields) if isinstance(inner, Record) else {}, value.pointer)
    return None


def plain(value: Value) -> Json:
    """Give a resolved value as JSON; a whole float becomes an integer, so that 1.0 and 1 are one number."""
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Record):
        return {key: plain(inner) for key, inner in value.fields.items()}
    if isinstance(value, Component):
        return {value.name: {key: plain(inner) for key, inner in value.options.items()}}
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def block(found: Any, resolve: Callable[[Value], Value], skip: tuple[str, ...] = ()) -> dict[str, Json]:
    """Give a block of the study as JSON, each field resolved."""
    return {
        attribute.name: plain(_said(resolve(getattr(found, attribute.name)), attribute.metadata["schema"]))
        for attribute in attrs.fields(type(found))
        if not attribute.metadata.get("hidden") and attribute.name not in skip
    }
