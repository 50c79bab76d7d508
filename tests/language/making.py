"""Random typed studies, made from the metadata of the model and the catalogue alone, and their text as YAML.

Every key of every block is met without being named here, so a new key is tested as soon as it is declared.
"""

import json
import math
import re

import attrs
from hypothesis import strategies as st

from tlimb.language import catalogue, model, reading
from tlimb.language.catalogue import FIXED_KINDS
from tlimb.language.shapes import RESERVED
from tlimb.language.values import Alternative, Choice, Compare, Component, Param, Range, Record

KNOWN = catalogue.load()
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True).filter(lambda name: name not in RESERVED)
ODD = ["1e3", "true", "no", "a: b", "é # ü", "~", "- x", "", " x", "null", "0x1f", "x\ny", '"', "2024-01-01", "{a}"]
TEXTS = NAMES | st.sampled_from(ODD)
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: float(f"{x:.6g}"))
PLAIN = st.booleans() | st.integers(-(10**6), 10**6) | NUMBERS | TEXTS


class Maker:
    """Draws one study; `params` collects what places refer to."""

    def __init__(self, draw):
        self.draw = draw
        self.params = {}

    def maybe(self):
        return self.draw(st.booleans())

    def rarely(self):
        return self.draw(st.integers(0, 5)) == 0

    # -- scalars --

    def scalar(self, schema):
        """Draw a value under JSON Schema keywords."""
        if schema.get("none") and self.rarely():
            return None
        if "enum" in schema:
            return self.draw(st.sampled_from(schema["enum"]))
        kinds = schema.get("type", "string")
        kind = self.draw(st.sampled_from([kinds] if isinstance(kinds, str) else [k for k in kinds if k != "object"]))
        if kind == "boolean":
            return self.maybe()
        if kind == "string":
            if "pattern" not in schema:
                return self.draw(TEXTS)
            texts = st.from_regex(schema["pattern"].replace("$", r"\Z"), fullmatch=True)
            return self.draw(texts.filter(lambda text: text.isascii() and text.isprintable() and len(text) < 80))
        low, high = self.limits(schema)
        if kind == "integer":
            return self.draw(st.integers(math.ceil(low), math.floor(high)))
        return float(f"{self.draw(st.floats(low, high)):.4g}")

    def limits(self, schema):
        tiny = 1e-3
        low = schema.get("minimum", schema.get("exclusive_minimum", schema.get("exclusiveMinimum", -100)))
        low += tiny if "exclusive_minimum" in schema or "exclusiveMinimum" in schema else 0
        high = schema.get("maximum", schema.get("exclusiveMaximum", max(low, 0) + 100))
        return low, high - (tiny if "exclusiveMaximum" in schema else 0)

    def entry(self, schema):
        """Draw one item of a list: a scalar, or a mapping with its required keys."""
        if schema.get("type") != "object":
            return self.scalar(schema)
        keys = schema["properties"]
        wanted = [name for name in keys if name in schema.get("required", ()) or self.rarely()]
        return Record({name: self.scalar(keys[name]) for name in wanted}, "")

    def varied(self, schema):
        """Draw a scalar, or a search or comparison node over such scalars, or a use of a param that holds one."""
        found = self.scalar(schema)
        if self.rarely():
            found = self.node(schema)
        if not self.rarely():
            return found
        name = f"p{len(self.params)}"
        if self.maybe() and not isinstance(found, Range):
            self.params[name] = Record({"field": found}, "")
            return Param(name, "field", "")
        self.params[name] = found
        return Param(name, None, "")

    def node(self, schema):
        kinds = schema.get("type")
        laws = (
            []
            if "enum" in schema
            else {"number": ["uniform", "log_uniform"], "integer": ["int_uniform"]}.get(
                kinds if isinstance(kinds, str) else "", []
            )
        )
        if laws and self.maybe():
            law = self.draw(st.sampled_from(laws))
            low, high = self.limits(schema)
            if law == "log_uniform":
                low = max(low, 1e-3)
            if law == "int_uniform":
                return Range(self.key(), law, math.ceil(low), math.floor(high), "")
            return Range(self.key(), law, float(low), float(high), "")
        return self.alternatives([self.scalar(schema) for _ in range(self.draw(st.integers(1, 3)))])

    def key(self):
        return self.draw(NAMES) if self.maybe() else ""

    def alternatives(self, values):
        """Make a choice, or a comparison with or without names; equal labels are one alternative."""
        if self.maybe():
            names = self.draw(st.lists(NAMES, min_size=len(values), max_size=len(values), unique=True))
            named = zip(names, values, strict=True)
            return Compare("", tuple(Alternative(name, value, "") for name, value in named), "")
        unique = {reading.label(value): value for value in reversed(values)}
        found = tuple(Alternative(label, value, "") for label, value in unique.items())
        return Choice(self.key(), found, "") if self.maybe() else Compare("", found, "")

    # -- components --

    def component(self, kind):
        listed = [one for one in KNOWN.all(kind) if all(self.simple(o) for o in one.options.values() if o.required)]
        if not listed or (self.rarely() and kind not in FIXED_KINDS):
            options = {name: self.draw(PLAIN) for name in self.draw(st.lists(NAMES, max_size=2, unique=True))}
            return Component(f"my_lab.{self.draw(NAMES)}.Own", options, "")
        chosen = self.draw(st.sampled_from(listed))
        options = {
            name: self.option(kind, option)
            for name, option in chosen.options.items()
            if option.required or (self.simple(option) and self.maybe())
        }
        return Component(chosen.name, options, "")

    @staticmethod
    def simple(option):
        schema = option.schema
        return schema.get("share") or "enum" in schema or schema.get("type") != "object" or "properties" in schema

    def option(self, kind, option):
        schema = option.schema
        if schema.get("share"):
            return self.share()
        if schema.get("type") == "array":
            low, high = schema.get("minItems", 0), schema.get("maxItems", 3)
            items = schema["items"]
            count = self.draw(st.integers(low, max(low, high)))
            one = (lambda: self.inner(items["component"])) if "component" in items else lambda: self.entry(items)
            return tuple(one() for _ in range(count))
        if schema.get("type") == "object":
            fields = {
                name: self.scalar(inner)
                for name, inner in schema["properties"].items()
                if name in schema.get("required", ()) or self.maybe()
            }
            return Record(fields, "")
        if option.component is not None:
            return self.inner(option.component)
        return self.scalar(schema) if kind in FIXED_KINDS else self.varied(schema)

    def inner(self, kind):
        """Draw a component inside options: there only the use tells that it is one, so it is held as a record."""
        found = self.component(kind)
        return Record({found.name: Record(found.options, "")}, "") if found.options or self.maybe() else found.name

    def share(self):
        return self.draw(st.sampled_from(["rest", 0.25, 0.5, 40, 7]))

    # -- blocks --

    def block(self, cls, **given):
        found = dict(given)
        for one in attrs.fields(cls):
            if one.metadata.get("hidden") or one.name in given or one.name == "like":
                continue
            if one.default is attrs.NOTHING or self.draw(st.integers(0, 2)) == 0:
                found[one.name] = self.field(one.metadata["schema"], one.metadata["varies"])
        return cls(**found)

    def field(self, schema, varies):
        kind = schema.get("type")
        makers = {"component": self.component_field, "block": self.block_field, "map": self.map_field}
        makers |= {"list": self.list_field, "name": self.name_field, "from": self.from_field}
        if isinstance(kind, str) and kind in makers:
            return makers[kind](schema, varies)
        if kind == ["string", "object"]:
            return {self.draw(NAMES): self.draw(TEXTS)} if self.maybe() else self.draw(NAMES)
        return self.varied(schema) if varies else self.scalar(schema)

    def component_field(self, schema, varies):
        kind = schema["kind"]
        if schema.get("none") and self.rarely():
            return None
        if varies and self.rarely():
            return self.alternatives([self.component(kind) for _ in range(self.draw(st.integers(1, 2)))])
        if schema.get("list"):
            return tuple(self.component(kind) for _ in range(self.draw(st.integers(1, 2))))
        return self.component(kind)

    def block_field(self, schema, varies):
        return self.block(schema["of"])

    def map_field(self, schema, varies):
        of = schema["of"]
        if "keys" in schema:
            return {name: self.share() for name in schema["keys"] if self.maybe()}
        names = self.draw(st.lists(NAMES, max_size=2, unique=True))
        return {name: self.map_value(of) for name in names}

    def map_value(self, of):
        if isinstance(of, type):
            return self.block(of)
        if of.get("share"):
            return self.share()
        if of.get("only") and self.maybe():
            return {"min": self.draw(NUMBERS)}
        if of.get("only") or of.get("where"):
            return tuple(self.draw(st.lists(PLAIN, min_size=1, max_size=2))) if self.maybe() else self.draw(PLAIN)
        if of.get("pool"):
            return self.name_field(of, of.get("varies"))
        return self.scalar(of)

    def list_field(self, schema, varies):
        of = schema["of"]
        count = self.draw(st.integers(0, 2))
        if isinstance(of, type):
            return tuple(self.block(of) for _ in range(count))
        if "kind" in of:
            return tuple(self.component(of["kind"]) for _ in range(count))
        if of.get("type") == "list":
            return tuple(tuple(self.draw(st.lists(NAMES, min_size=2, max_size=3))) for _ in range(count))
        if of.get("where"):
            return tuple({self.draw(NAMES): self.draw(PLAIN)} for _ in range(count))
        return tuple(self.draw(NAMES) if "names" in of else self.scalar(of) for _ in range(count))

    def name_field(self, schema, varies):
        if varies and self.rarely():
            return self.alternatives(self.draw(st.lists(NAMES, min_size=1, max_size=3)))
        if schema.get("pool") and self.rarely():
            return tuple(self.draw(st.lists(NAMES, min_size=1, max_size=2)))
        return self.draw(NAMES)

    def from_field(self, schema, varies):
        if self.rarely():
            return self.alternatives([None, *self.draw(st.lists(NAMES, min_size=1, max_size=2))])
        if self.rarely():
            return {self.draw(NAMES): self.draw(NAMES)}
        return None if self.rarely() else self.draw(NAMES)


@st.composite
def studies(draw):
    """Draw a typed study; names in it refer to nothing, which is no matter of form."""
    make = Maker(draw)
    datasets = {draw(NAMES): make.block(model.Dataset)}
    stages = {draw(NAMES): make.block(model.Stage) for _ in range(draw(st.integers(1, 2)))}
    found = make.block(model.Study, tlimb=1, name="study", datasets=datasets, stages=stages, params={})
    return attrs.evolve(found, params=make.params)


# -- to YAML --


def written(value):
    """Give the data that say a typed value, in the form of YAML."""
    if isinstance(value, Component):
        return {value.name: {name: written(inner) for name, inner in value.options.items()}}
    if isinstance(value, Record):
        return {name: written(inner) for name, inner in value.fields.items()}
    if isinstance(value, Param):
        return {"param": value.name + (f".{value.field}" if value.field else "")}
    if isinstance(value, Range):
        return {value.law: [value.low, value.high], **({"key": value.place} if value.place else {})}
    if isinstance(value, Choice):
        items = [written(one.value) for one in value.alternatives]
        return {"choice": items, **({"key": value.place} if value.place else {})}
    if isinstance(value, Compare):
        named = any(one.label != reading.label(one.value) for one in value.alternatives)
        pairs = [(one.label, written(one.value)) for one in value.alternatives]
        return {"compare": dict(pairs) if named else [inner for _, inner in pairs]}
    if attrs.has(type(value)):
        fields = [one for one in attrs.fields(type(value)) if not one.metadata.get("hidden")]
        kept = [(one, getattr(value, one.name)) for one in fields]
        return {
            one.metadata["schema"].get("yaml", one.name): written(inner)
            for one, inner in kept
            if one.default is attrs.NOTHING or inner != default_of(one)
        }
    if isinstance(value, tuple | list):
        return [written(inner) for inner in value]
    return {key: written(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def default_of(one):
    return one.default.factory() if isinstance(one.default, attrs.Factory) else one.default


def yaml(data, indent=0, flow=False):
    """Write data as YAML; `flow` writes it on one line."""
    if isinstance(data, dict):
        if flow or not data:
            return "{" + ", ".join(f"{yaml_key(key)}: {yaml(value, flow=True)}" for key, value in data.items()) + "}"
        return "".join(
            f"\n{'  ' * indent}{yaml_key(key)}: {yaml(value, indent + 1, flow=indent > 2)}"
            for key, value in data.items()
        )
    if isinstance(data, list):
        return "[" + ", ".join(yaml(value, flow=True) for value in data) + "]"
    if data is None:
        return "none"
    if isinstance(data, str) and not plain(data):
        return json.dumps(data)
    return data if isinstance(data, str) else json.dumps(data)


def yaml_key(key):
    return key if plain(key) or "." in key else json.dumps(key)


def plain(text):
    words = ("none", "null", "true", "false", "yes", "no", "on", "off", "y", "n")
    return re.fullmatch(r"[a-z][a-z0-9_]*", text) is not None and text not in words


# -- to compare --


def bare(value):
    """Give a typed value without pointers, origins and the names that lowering adds; automatic places are empty."""
    if isinstance(value, dict):
        return {key: bare(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return tuple(bare(inner) for inner in value)
    if not attrs.has(type(value)):
        return value
    found = {}
    for one in attrs.fields(type(value)):
        inner = getattr(value, one.name)
        if one.metadata.get("hidden") or one.name == "pointer":
            continue
        found[one.name] = "" if one.name == "place" and "/" in inner else bare(inner)
    return type(value).__name__, found


def difference(first, second, path=""):
    """Give where two bare values differ first, and how; None when they are equal."""
    if first == second and repr(first) == repr(second):
        return None
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        pairs = [(key, first[key], second[key]) for key in first]
    elif isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second):
        pairs = list(zip(range(len(first)), first, second, strict=True))
    else:
        return f"{path}: {first!r} is not {second!r}"
    return next((found for key, a, b in pairs if (found := difference(a, b, f"{path}/{key}"))), None)
