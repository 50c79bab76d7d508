"""The whole language with one catalogue: the shape of a study, and of the options of each component."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from attrs import evolve, field, frozen

from tlimb.language.blocks import study
from tlimb.language.catalogue import FIXED_KINDS, Catalogue, Listing
from tlimb.language.shapes import LIMITS, NAME, SCALARS, Shape, anything, search_words


@frozen(eq=False)
class Grammar:
    """All shapes of the language with one catalogue: the study, and the options of each component.

    A study names ten components of more than a hundred, so the options of one are worked out when it is first met.
    """

    catalogue: Catalogue
    study: Shape
    _known: dict[tuple[str, str], Shape] = field(factory=dict, init=False)

    def component(self, kind: str, name: str) -> Shape | None:
        """Return the shape of a component's options, None for an unknown name."""
        if (kind, name) not in self._known:
            listing = self.catalogue.get(kind, name)
            if listing is None:
                return None
            self._known[kind, name] = _options(listing)
        return self._known[kind, name]


@lru_cache(maxsize=8)
def grammar(catalogue: Catalogue) -> Grammar:
    """Return the language with one catalogue."""
    return Grammar(catalogue, study())


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
    limits = {name: schema[name] for name in LIMITS if name in schema}
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
        varies = varies and bool(scalars)  # a mapping alone is not searched; its values go together in `params`
    return evolve(shape, nodes=search_words(scalars, shape.enum) if varies else ())


def _object(shape: Shape, schema: Mapping[str, Any]) -> Shape:
    if "properties" in schema:
        keys = {
            name: from_schema(name, inner.get("doc", ""), inner, False) for name, inner in schema["properties"].items()
        }
        return evolve(shape, keys=keys, required=tuple(schema.get("required", ())))
    inner = schema.get("additionalProperties", {})
    names = NAME if schema.get("names") else ""
    keyed = shape.refers if "string" not in shape.types else ""
    return evolve(shape, values=from_schema(shape.title, "", inner, False), names=names, keyed=keyed)
