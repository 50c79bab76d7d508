"""The shapes of the blocks with fixed keys, made from the attrs classes of the model."""

from typing import Any

from attrs import evolve

from tlimb.language import fields, model
from tlimb.language.fields import (
    BlockOf,
    ComponentOf,
    Described,
    Labels,
    ListOf,
    MapOf,
    Parents,
    Plain,
    Reference,
    Share,
)
from tlimb.language.shapes import NAME, Shape, anything, search_words

_SCALAR = Shape("value", types=("boolean", "number", "string"))
_LABEL = evolve(_SCALAR, title="label or value", items=_SCALAR)
_LIMIT = Shape("limit", types=("number",))
_RANGE = {"min": evolve(_LIMIT, title="min"), "max": evolve(_LIMIT, title="max")}
_PICKED = ("choice", "compare", "param")
"""Search entries of what is no number."""


def study() -> Shape:
    """Return the shape of a whole spec."""
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
    """Return the shape of a block from its attrs class."""
    keys: dict[str, Shape] = {}
    required = []
    for one in fields.of(cls):
        if one.required:
            required.append(one.name)
        keys[one.name] = _shape(one.name, one.value, one.doc)
        if _plain(one.default):
            keys[one.name] = evolve(keys[one.name], default=one.default)
    doc = " ".join((cls.__doc__ or "").split())
    return Shape(title, doc, keys=keys, required=tuple(required))


def _plain(default: Any) -> bool:
    return isinstance(default, bool | int | float | str) and default != ""


def _shape(title: str, value: Described, doc: str = "") -> Shape:
    """Return the shape of one place from its description."""
    picked = _PICKED if value.varies else ()
    base = Shape(title, doc, none=value.none, examples=value.examples, refers=value.names)
    match value:
        case Plain():
            return _scalar(base, value)
        case Reference():
            one = evolve(base, types=("string",), nodes=picked)
            return evolve(one, items=evolve(one, nodes=()), sizes={"minItems": 1}) if value.pool else one
        case Parents():
            one = evolve(base, types=("string",), nodes=_PICKED)
            return evolve(one, values=evolve(one, title="parent"), names=NAME)
        case Share():
            nodes = (*_PICKED[:2], "uniform", "int_uniform", "param") if value.varies else ()
            return evolve(base, share=True, types=("number", "string"), nodes=nodes)
        case Labels():
            return evolve(_LABEL, title=title, keys=_RANGE if value.ranges else None)
        case ComponentOf():
            one = evolve(base, kind=value.kind, nodes=picked)
            return evolve(one, items=evolve(one, none=True)) if value.many else one
        case BlockOf():
            return _block(base, value)
        case ListOf():
            return _list(base, value)
        case MapOf():
            return _map(base, value)
    return anything(title)


def _scalar(base: Shape, value: Plain) -> Shape:
    shape = evolve(base, types=value.types, enum=value.enum, limits=value.limits)
    if value.mapping is not None:
        other = _map(evolve(base, title="value", refers=value.mapping.names), value.mapping)
        shape = evolve(shape, values=other.values, keyed=other.keyed, names=other.names, sizes=other.sizes)
    return evolve(shape, nodes=search_words(value.types, value.enum) if value.varies else ())


def _block(base: Shape, value: BlockOf) -> Shape:
    inner = block(value.cls, base.title)
    inner = evolve(inner, doc=base.doc or inner.doc)
    return evolve(inner, types=value.lone.types, limits=value.lone.limits) if value.short else inner


def _map(base: Shape, value: MapOf) -> Shape:
    if value.keys:
        return evolve(base, keys={name: _shape(name, value.value) for name in value.keys})
    many = isinstance(value.value, BlockOf)
    values = _shape(base.title.removesuffix("s") if many else base.title, value.value)
    sizes = {"minProperties": value.least} if value.least else {}
    return evolve(base, values=values, names="" if value.free else NAME, keyed=value.names, refers="", sizes=sizes)


def _list(base: Shape, value: ListOf) -> Shape:
    items = _shape(base.title, value.item)
    shape = evolve(base, items=items, sizes={"minItems": value.least} if value.least else {})
    return evolve(shape, types=("string",), refers=items.refers) if value.short else shape
