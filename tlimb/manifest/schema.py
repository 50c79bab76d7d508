"""JSON Schema of the classes that stand for JSON files, generated from their annotations.

An annotation may be str, int, float, bool, None, `Digest`, a `Literal` of words, `Json` for anything, another such
class, a `StrEnum`, `tuple[X, ...]` for a list, `tuple[X, Y]` for a pair, `Mapping[str, X]`, or a union of these. The
words and bounds of a field are those of its `entry`; the first paragraph of a class's docstring describes it. Only
keywords that draft-07 and 2020-12 share are used; a value of several types is told apart by its form, so that an error
has one place and not one an alternative.
"""

import re
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin

import attrs

from tlimb.manifest.canonical import Json
from tlimb.manifest.contents import CONTENTS, Kind
from tlimb.manifest.fields import HEX, Digest, key_of, may_lack
from tlimb.manifest.node import FORMAT

_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}

Schema = dict[str, Json]


class Definitions:
    """Collects the schemas of classes under their names, for `$defs`."""

    def __init__(self) -> None:
        """Start with none."""
        self.found: dict[str, Schema] = {}

    def ref(self, cls: type) -> Schema:
        """Return a reference to a class, whose schema is added when it is new."""
        name = title_of(cls)
        if name not in self.found:
            self.found[name] = {}
            self.found[name] = self.object(cls)
        return {"$ref": f"#/$defs/{name}"}

    def object(self, cls: type, **first: Schema) -> Schema:
        """Return the closed object that a class stands for; `first` are keys that stand before its own."""
        properties = dict(first)
        required = list(first)
        for field in attrs.fields(attrs.resolve_types(cls)):
            properties[key_of(field)] = self._field(field)
            if not may_lack(field):
                required.append(key_of(field))
        return {
            "title": title_of(cls),
            "description": _first_paragraph(cls),
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _field(self, field: "attrs.Attribute[Any]") -> Schema:
        bounds = dict(field.metadata.get("bounds", {}))
        items = bounds.pop("items", {})
        found = self.value(field.type, key_of(field))
        if items:
            inner = "items" if "items" in found else "additionalProperties"
            found[inner] = {**found[inner], **items}
        if "$ref" in found:
            # In draft-07 nothing that stands beside a reference counts.
            found = {"allOf": [found]}
        doc = field.metadata.get("doc")
        return {"title": key_of(field), **({"description": doc} if doc else {}), **found, **bounds}

    def value(self, kind: Any, title: str) -> Schema:
        """Return the schema of a type; `title` names what stands inside lists and mappings."""
        origin = get_origin(kind)
        if kind is Any:
            return {}
        if kind is Digest:
            return {"type": "string", "pattern": HEX}
        if isinstance(kind, NewType):
            return self.value(kind.__supertype__, title)
        if kind in _NAMES:
            return {"type": _NAMES[kind]}
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return _words(tuple(one.value for one in kind))
        if attrs.has(kind):
            return self.ref(kind)
        if origin is Literal:
            return _words(get_args(kind))
        if origin is tuple:
            return self._list(get_args(kind), title)
        if origin in (Union, UnionType):
            return self._union(get_args(kind), title)
        if getattr(origin, "__name__", "") == "Mapping":
            inner = self.value(get_args(kind)[1], title)
            return {"type": "object", "additionalProperties": inner if "$ref" in inner else {"title": title, **inner}}
        raise TypeError(f"a JSON file cannot hold {kind}")

    def _list(self, kinds: tuple[Any, ...], title: str) -> Schema:
        if kinds[-1] is Ellipsis:
            return {"type": "array", "items": {"title": title, **self.value(kinds[0], title)}}
        # What stands at which place of a pair is said differently in draft-07 and 2020-12; its length is not.
        inner = self._union(tuple(dict.fromkeys(kinds)), title)
        inner["type"] = inner["type"][0] if len(inner["type"]) == 1 else inner["type"]
        length = len(kinds)
        return {"type": "array", "items": {"title": title, **inner}, "minItems": length, "maxItems": length}

    def _union(self, kinds: tuple[Any, ...], title: str) -> Schema:
        """Merge the schemas of several types: each keyword concerns values of one form only."""
        found: Schema = {"type": []}
        words: list[Json] = []
        only_words = True
        for kind in kinds:
            one = self.value(kind, title)
            if "$ref" in one:
                found |= {"if": {"type": "object"}, "then": one}
                found["type"].append("object")
                only_words = False
                continue
            types = one.pop("type")
            types = [types] if isinstance(types, str) else types
            found["type"] += [name for name in types if name not in found["type"]]
            if kind is NoneType:
                words.append(None)
            elif "enum" in one:
                words += one.pop("enum")
            else:
                only_words = False
            found |= one
        if only_words:
            return {**found, "enum": words}
        if any(word is not None for word in words):
            # Words beside an object or a number: a text must be one of them.
            found["else"] = {"if": {"type": "string"}, "then": {"enum": [w for w in words if isinstance(w, str)]}}
            found.setdefault("if", {"type": "object"})
        return found


def schema_of(cls: type, title: str | None = None) -> Schema:
    """Return the whole schema of a file that holds one object of a class; its title is the class's name by default."""
    definitions = Definitions()
    found = definitions.object(cls)
    return {**found, "title": title or found["title"], "$defs": dict(sorted(definitions.found.items()))}


def manifest_schema() -> Schema:
    """Return the schema of a manifest file."""
    definitions = Definitions()
    digest = {"type": "string", "pattern": HEX}
    works = {"type": "array", "items": {"title": "work", **digest}}
    pair = {"title": "work or candidate", "type": ["string", "integer"]}
    gate = {"title": "gate", "type": "array", "minItems": 2, "maxItems": 2, "items": pair}
    ancestors = {"title": "ancestors", "description": "The fits that a candidate descends from.", **works}
    properties: dict[str, tuple[str, Schema]] = {
        "tlimb": ("Version of the format.", {"type": "integer", "enum": [FORMAT]}),
        "work": ("sha256 of the canonical form of `hashed`.", digest),
        "hashed": ("Everything that decides the result's bits.", _hashed(definitions)),
        "uses": ("Where the plan uses it; for people, never hashed.",
                 {"type": "array", "items": {"title": "use", "type": "object"}}),
        "gates": ("Pairs of a selection's work and a candidate: it runs when one was chosen; empty for always.",
                  {"type": "array", "items": gate}),
        "after": ("Works better finished first.", works),
        "lineage": ("Of a selection: candidate -> the fits it descends from; never hashed.",
                    {"type": "object", "propertyNames": {"pattern": HEX}, "additionalProperties": ancestors}),
    }  # fmt: skip
    return {
        "title": "tlimb manifest",
        "description": "One node of a plan.",
        "type": "object",
        "properties": {name: {"title": name, "description": doc, **one} for name, (doc, one) in properties.items()},
        "required": ["tlimb", "work", "hashed"],
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.found.items())),
    }


def _hashed(definitions: Definitions) -> Schema:
    """Return the part that is digested: one closed object for each kind of node."""
    rules = []
    for kind, cls in CONTENTS.items():
        own = {"title": "kind", "description": "Kind of node.", "type": "string", "enum": [kind.value]}
        definitions.found[kind.value] = definitions.object(cls, kind=own)
        rules.append(
            {
                "if": {"properties": {"kind": {"enum": [kind.value]}}},
                "then": {"$ref": f"#/$defs/{kind.value}"},
            }
        )
    kinds = {"title": "kind", "description": "Kind of node.", "type": "string", "enum": [one.value for one in Kind]}
    return {"type": "object", "properties": {"kind": kinds}, "required": ["kind"], "allOf": rules}


def title_of(cls: type) -> str:
    """Return the name of a class in a schema, in small letters."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def _words(values: tuple[Any, ...]) -> Schema:
    types = list(dict.fromkeys(_NAMES[type(value)] for value in values))
    return {"type": types[0] if len(types) == 1 else types, "enum": list(values)}


def _first_paragraph(cls: type) -> str:
    return " ".join((cls.__doc__ or "").partition("\n\n")[0].split())
