"""What may stand at each place of a spec, as one tree of shapes made from the model and the catalogue.

The JSON Schema for editors and the checks of the command line are both made from shapes, so they cannot differ
by accident. A shape allows at most one form for each JSON type: that is what makes one precise message possible,
and a schema without alternatives.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import attrs
from attrs import evolve, field, frozen

from tlimb.language import model
from tlimb.language.catalogue import FIXED_KINDS, Catalogue, Listing

NODE_WORDS = ("choice", "compare", "uniform", "log_uniform", "int_uniform", "param")
"""Words that make a mapping a search entry; reserved as names and as options of components."""

RESERVED = ("none", "all", "rest", *NODE_WORDS)
"""Words that the language uses itself and that cannot be given as names."""

NAME = rf"^(?!(?:{'|'.join(RESERVED)})$)[a-z][a-z0-9_]*$"
"""Names that users give: lower case, digits and underscores, and no reserved word."""

CLASS_PATH = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$"
"""A user's own component: dotted module path and class."""

PARAM = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$"
"""A use of a param, or of a field of its record."""

SCALARS = ("boolean", "integer", "number", "string")


UNSET: Any = object()
"""The default of a place that has none."""


@frozen(eq=False)
class Shape:
    """What may stand at one place.

    Attributes:
        title: what the place is, for messages and editors.
        doc: one or two sentences.
        types: JSON types a scalar may have, of SCALARS; empty when no scalar may stand here.
        enum: the scalars that are allowed; empty for all.
        limits: JSON Schema keywords for numbers, and `pattern` for strings.
        none: the word `none` is allowed.
        share: a count from 2, a share between 0 and 1, or `rest`.
        items: shape of a list's items; None when no list may stand here.
        sizes: `minItems` and `maxItems` of the list.
        keys: fixed keys of a block; None for no block.
        required: keys that must be written.
        values: shape of the values of a mapping with free keys; None for no such mapping.
        names: pattern of the free keys; empty for any.
        kind: component kind; empty when no component may stand here.
        nodes: search entries that are allowed, of NODE_WORDS.
        anything: any value at all, as under a class path and in `params`.
        null: nothing at all may be written, as after the name of a component without required options.
        default: value when the place is absent, for editors.
        examples: for editors.
        refers: the name-space that a reference points into; empty for none.
    """

    title: str
    doc: str = ""
    types: tuple[str, ...] = ()
    enum: tuple[Any, ...] = ()
    limits: Mapping[str, Any] = field(factory=dict)
    none: bool = False
    share: bool = False
    items: "Shape | None" = None
    sizes: Mapping[str, int] = field(factory=dict)
    keys: "Mapping[str, Shape] | None" = None
    required: tuple[str, ...] = ()
    values: "Shape | None" = None
    names: str = ""
    kind: str = ""
    nodes: tuple[str, ...] = ()
    anything: bool = False
    null: bool = False
    default: Any = UNSET
    examples: tuple[Any, ...] = ()
    refers: str = ""

    @property
    def mapping(self) -> bool:
        """Say whether some mapping may stand here."""
        return self.anything or bool(self.kind or self.nodes) or self.keys is not None or self.values is not None


def anything(title: str, doc: str = "") -> Shape:
    """Give the shape of a place of which nothing is known."""
    return Shape(title, doc, types=SCALARS, nodes=NODE_WORDS, anything=True)


@frozen(eq=False)
class Grammar:
    """All shapes of the language with one catalogue: the study, and the options of each component."""

    catalogue: Catalogue
    study: Shape
    options: Mapping[tuple[str, str], Shape]

    def component(self, kind: str, name: str) -> Shape | None:
        """Give the shape of a component's options, None for an unknown name."""
        return self.options.get((kind, name))


@lru_cache(maxsize=8)
def grammar(catalogue: Catalogue) -> Grammar:
    """Give the language with one catalogue."""
    options = {
        (kind, name): _options(listing)
        for kind, listings in catalogue.listings.items()
        for name, listing in listings.items()
    }
    return Grammar(catalogue, _study(), options)


def _options(listing: Listing) -> Shape:
    """Give the block of a component's options."""
    doc = listing.doc
    if listing.open:
        return Shape(listing.name, doc, values=anything("option"), null=True)
    varies = listing.kind not in FIXED_KINDS
    keys = {}
    for name, option in listing.options.items():
        schema = {**option.schema, "none": option.schema.get("none", False)}
        if not option.required and option.default is None:
            schema["none"] = True
        shape = from_schema(name, option.doc, schema, varies)
        keys[name] = shape if option.required else evolve(shape, default=option.default)
    return Shape(listing.name, doc, keys=keys, required=listing.required, null=not listing.required)


_LIMITS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "pattern", "multipleOf")


def from_schema(title: str, doc: str, schema: Mapping[str, Any], varies: bool) -> Shape:
    """Give the shape of an option from the schema that describes it."""
    unit = f" [{schema['unit']}]" if schema.get("unit") else ""
    shape = Shape(title, doc + unit, none=schema.get("none", False), examples=tuple(schema.get("examples", ())))
    if schema.get("share"):
        return evolve(shape, share=True, types=("number", "string"), none=False)
    if schema.get("component"):
        nodes = ("choice", "compare", "param") if varies else ()
        return evolve(shape, kind=schema["component"], nodes=nodes)
    if "type" not in schema and "enum" not in schema:
        return anything(title, doc)
    types = schema.get("type", "string")
    types = (types,) if isinstance(types, str) else tuple(types)
    scalars = tuple(name for name in types if name in SCALARS)
    limits = {name: schema[name] for name in _LIMITS if name in schema}
    shape = evolve(shape, types=scalars, enum=tuple(schema.get("enum", ())), limits=limits)
    shape = evolve(shape, refers=str(schema.get("names", "")))
    if "array" in types:
        inner = schema.get("items", {})
        items = from_schema(title, "", inner, varies and "component" in inner)
        sizes = {name: schema[name] for name in ("minItems", "maxItems") if name in schema}
        shape = evolve(shape, items=items, sizes=sizes)
        # a list of components may be left out by the word itself
        shape = evolve(shape, none=shape.none or "component" in inner)
    if "object" in types:
        shape = _object(shape, schema)
        varies = False
    return evolve(shape, nodes=_nodes(scalars, shape.enum) if varies else ())


def _object(shape: Shape, schema: Mapping[str, Any]) -> Shape:
    if "properties" in schema:
        keys = {
            name: from_schema(name, inner.get("doc", ""), inner, False) for name, inner in schema["properties"].items()
        }
        return evolve(shape, keys=keys, required=tuple(schema.get("required", ())))
    inner = schema.get("additionalProperties", {})
    names = NAME if schema.get("names") else ""
    return evolve(shape, values=from_schema(shape.title, "", inner, False), names=names)


def _nodes(types: tuple[str, ...], enum: tuple[Any, ...]) -> tuple[str, ...]:
    """Give the search entries that make sense for these types."""
    words = ["choice", "compare"]
    if "number" in types and not enum:
        words += ["uniform", "log_uniform"]
    if ("number" in types or "integer" in types) and not enum:
        words.append("int_uniform")
    return (*words, "param")


_SCALAR = Shape("value", types=("boolean", "number", "string"))
_WHERE = evolve(_SCALAR, title="label or value", items=_SCALAR)


def _study() -> Shape:
    """Give the shape of a whole spec."""
    study = block(model.Study, "study")
    stage = study.keys["stages"].values if study.keys else None
    assert stage is not None
    assert stage.keys is not None
    defaults = evolve(
        stage,
        title="defaults",
        doc="Settings of all stages; a stage's own keys replace or extend them.",
        keys={name: shape for name, shape in stage.keys.items() if name not in ("like", "from", "where")},
        required=(),
    )
    keys: dict[str, Shape] = {}
    for name, shape in (study.keys or {}).items():
        if name == "stages":
            keys["defaults"] = defaults
        keys[name] = shape
    return evolve(study, keys=keys)


def block(cls: type, title: str) -> Shape:
    """Give the shape of a block from its attrs class."""
    keys: dict[str, Shape] = {}
    required = []
    for attribute in attrs.fields(cls):
        if attribute.metadata.get("hidden"):
            continue
        schema = attribute.metadata["schema"]
        name = schema.get("yaml", attribute.name)
        if attribute.default is attrs.NOTHING:
            required.append(name)
        keys[name] = _field(name, attribute.metadata["doc"], schema, attribute.metadata["varies"])
        if _plain(attribute.default):
            keys[name] = evolve(keys[name], default=attribute.default)
    doc = " ".join((cls.__doc__ or "").split())
    return Shape(title, doc, keys=keys, required=tuple(required))


def _plain(default: Any) -> bool:
    return isinstance(default, bool | int | float | str) and default != ""


def _field(name: str, doc: str, schema: Mapping[str, Any], varies: bool) -> Shape:
    """Give the shape of one key of a block from its metadata."""
    kind = schema.get("type")
    shape = Shape(
        name,
        doc,
        none=schema.get("none", False),
        examples=tuple(schema.get("examples", ())),
        refers=schema.get("names", ""),
    )
    makers: dict[str, Callable[..., Shape]] = {
        "component": _component,
        "block": _block,
        "map": _map,
        "list": _list,
        "name": _name,
        "from": _from,
    }
    if name == "against":
        return evolve(shape, types=("string",), values=_SCALAR, names=NAME, sizes={"minProperties": 1})
    if isinstance(kind, str) and kind in makers:
        return makers[kind](shape, schema, varies)
    types = (kind,) if isinstance(kind, str) else tuple(kind or ())
    renamed = {"exclusive_minimum": "exclusiveMinimum"}
    limits = {renamed.get(k, k): v for k, v in schema.items() if renamed.get(k, k) in _LIMITS}
    shape = evolve(shape, types=types, enum=tuple(schema.get("enum", ())), limits=limits)
    return evolve(shape, nodes=_nodes(types, shape.enum) if varies else ())


def _component(shape: Shape, schema: Mapping[str, Any], varies: bool) -> Shape:
    nodes = ("choice", "compare", "param") if varies else ()
    shape = evolve(shape, kind=schema["kind"], nodes=nodes)
    return evolve(shape, items=evolve(shape, none=True)) if schema.get("list") else shape


def _block(shape: Shape, schema: Mapping[str, Any], varies: bool) -> Shape:
    inner = block(schema["of"], shape.title)
    shape = evolve(inner, doc=shape.doc)
    return evolve(shape, types=("integer",), limits={"minimum": 1}) if schema.get("integer") else shape


def _map(shape: Shape, schema: Mapping[str, Any], varies: bool) -> Shape:
    of = schema["of"]
    if "keys" in schema:
        return evolve(shape, keys={name: _value(name, of) for name in schema["keys"]})
    values = block(of, shape.title.removesuffix("s")) if isinstance(of, type) else _value(shape.title, of)
    if schema.get("scalar"):
        values = evolve(values, types=("string",))
    free = shape.title in ("where", "only", "map")
    return evolve(shape, values=values, names="" if free else NAME)


def _list(shape: Shape, schema: Mapping[str, Any], varies: bool) -> Shape:
    of = schema["of"]
    if isinstance(of, type):
        items = block(of, shape.title)
    elif "kind" in of:
        items = Shape(shape.title, kind=of["kind"])
    else:
        items = _value(shape.title, of)
    types = ("string",) if schema.get("scalar") else ()
    return evolve(shape, items=items, types=types)


def _name(shape: Shape, schema: Mapping[str, Any], varies: bool) -> Shape:
    shape = evolve(shape, types=("string",), nodes=_nodes(("string",), ()) if varies else ())
    item = evolve(shape, items=None, nodes=())
    return evolve(shape, items=item, sizes={"minItems": 1}) if schema.get("pool") else shape


def _from(shape: Shape, schema: Mapping[str, Any], varies: bool) -> Shape:
    one = evolve(shape, types=("string",), nodes=("choice", "compare", "param"))
    return evolve(one, values=evolve(one, title="parent"), names=NAME)


def _value(title: str, of: Mapping[str, Any]) -> Shape:
    """Give the shape of a value in a map or list from the model's shorthand."""
    nodes = ("choice", "compare", "param") if of.get("varies") else ()
    if of.get("param"):
        return anything(title)
    if of.get("where"):
        inner = evolve(_WHERE, title=title)
        return inner if title == "where" else Shape(title, values=inner)
    if of.get("only"):
        limit = Shape("limit", types=("number",))
        range_ = {"min": evolve(limit, title="min"), "max": evolve(limit, title="max")}
        return evolve(_WHERE, title=title, keys=range_)
    if of.get("share"):
        nodes = (*nodes[:2], "uniform", "int_uniform", "param") if nodes else ()
        return Shape(title, share=True, types=("number", "string"), nodes=nodes)
    if of.get("type") == "list":
        return Shape(title, items=Shape(title, types=("string",), refers=of.get("names", "")), sizes={"minItems": 2})
    types = of.get("type", "string")
    shape = Shape(title, types=(types,) if isinstance(types, str) else tuple(types), refers=of.get("names", ""))
    if of.get("pool"):
        shape = evolve(shape, items=shape, sizes={"minItems": 1})
    return evolve(shape, nodes=nodes)
