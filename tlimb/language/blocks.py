"""The shapes of the blocks with fixed keys, made from the attrs classes of the model."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from attrs import evolve

from tlimb.language import model
from tlimb.language.shapes import LIMITS, NAME, Shape, anything, search_words

_SCALAR = Shape("value", types=("boolean", "number", "string"))
_WHERE = evolve(_SCALAR, title="label or value", items=_SCALAR)


def study() -> Shape:
    """Give the shape of a whole spec."""
    whole = block(model.Study, "study")
    stage = whole.keys["stages"].values if whole.keys else None
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
    for name, shape in (whole.keys or {}).items():
        if name == "stages":
            keys["defaults"] = defaults
        keys[name] = shape
    return evolve(whole, keys=keys)


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
        return evolve(shape, types=("string",), values=_SCALAR, keyed="params", names=NAME, sizes={"minProperties": 1})
    if isinstance(kind, str) and kind in makers:
        return makers[kind](shape, schema, varies)
    types = (kind,) if isinstance(kind, str) else tuple(kind or ())
    renamed = {"exclusive_minimum": "exclusiveMinimum"}
    limits = {renamed.get(k, k): v for k, v in schema.items() if renamed.get(k, k) in LIMITS}
    shape = evolve(shape, types=types, enum=tuple(schema.get("enum", ())), limits=limits)
    return evolve(shape, nodes=search_words(types, shape.enum) if varies else ())


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
    return evolve(shape, values=values, names="" if free else NAME, keyed=shape.refers, refers="")


def _list(shape: Shape, schema: Mapping[str, Any], varies: bool) -> Shape:
    of = schema["of"]
    if isinstance(of, type):
        items = block(of, shape.title)
    elif "kind" in of:
        items = Shape(shape.title, kind=of["kind"])
    else:
        items = _value(shape.title, of)
    if schema.get("scalar"):
        return evolve(shape, items=items, types=("string",), refers=items.refers)
    return evolve(shape, items=items)


def _name(shape: Shape, schema: Mapping[str, Any], varies: bool) -> Shape:
    shape = evolve(shape, types=("string",), nodes=search_words(("string",), ()) if varies else ())
    item = evolve(shape, items=None, nodes=())
    return evolve(shape, items=item, sizes={"minItems": 1}) if schema.get("pool") else shape


def _from(shape: Shape, schema: Mapping[str, Any], varies: bool) -> Shape:
    one = evolve(shape, types=("string",), nodes=("choice", "compare", "param"))
    return evolve(one, values=evolve(one, title="parent"), names=NAME)


def _value(title: str, of: Mapping[str, Any]) -> Shape:
    """Give the shape of a value in a map or list from the model's shorthand."""
    nodes: tuple[str, ...] = ("choice", "compare", "param") if of.get("varies") else ()
    if of.get("param"):
        return anything(title)
    if of.get("where"):
        inner = evolve(_WHERE, title=title)
        return inner if title == "where" else Shape(title, values=inner, keyed=of.get("names", ""))
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
