"""The reference of the language as Markdown: every block with its keys, every component with its options."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from tlimb.language import fields, model
from tlimb.language.catalogue import KINDS, Catalogue, Listing, Option
from tlimb.language.fields import BlockOf, ComponentOf, Described, Field, ListOf, MapOf, Parents, Plain, Reference

BEGIN, END = "<!-- generated: reference -->", "<!-- /generated -->"
BLOCKS = (
    model.Study,
    model.Dataset,
    model.Label,
    model.Join,
    model.Images,
    model.Identity,
    model.Pretrained,
    model.Stage,
    model.Head,
    model.Trainer,
    model.Monitor,
    model.EarlyStopping,
    model.Freeze,
    model.Adapt,
    model.Test,
    model.Replicates,
    model.Constraints,
    model.Select,
    model.Report,
    model.Execution,
    model.Resources,
    model.Profile,
)
"""Blocks in the order in which a reader meets them."""


def reference(catalogue: Catalogue) -> str:
    """Give the whole reference."""
    parts = ["## Blocks", ""]
    for block in BLOCKS:
        parts += [f"### {_title(block.__name__)}", "", _sentence(block), "", *_keys(block), ""]
    parts += ["## Components", ""]
    for kind in KINDS:
        listings = list(catalogue.all(kind))
        if listings:
            parts += [f"### {kind}", ""]
            for listing in listings:
                parts += [*_component(listing), ""]
    return "\n".join(parts)


def put(text: str, content: str) -> str:
    """Replace what stands between the markers of a document.

    Raises:
        ValueError: the markers are missing.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the markers {BEGIN} and {END} are missing")
    return f"{head}{BEGIN}\n\n{content.rstrip()}\n\n{END}{tail}"


def _title(name: str) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return words.strip()


def _sentence(block: type) -> str:
    return " ".join((block.__doc__ or "").split())


def _keys(block: type) -> Iterator[str]:
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for one in fields.of(block):
        varies = ", may vary" if one.value.varies else ""
        yield f"| `{one.name}` | {_value(one.value)}{varies} | {_default(one)} | {_cell(one.doc)} |"


def _value(value: Described) -> str:
    match value:
        case Plain() if value.enum:
            return ", ".join(f"`{_written(word)}`" for word in value.enum)
        case Plain():
            types = [*value.types, *(["object"] if value.mapping is not None else [])]
            return " or ".join(types) + _range(value.limits)
        case Reference() | Parents():
            return f"a name of {value.names.replace('|', ' or ')}"
        case ComponentOf():
            return f"a component: {value.kind}"
        case BlockOf():
            return f"block {_title(value.cls.__name__)}"
        case MapOf():
            return "names -> " + (_value(value.value) if isinstance(value.value, BlockOf) else "values")
        case ListOf(item=BlockOf() as item):
            return f"a list of blocks {_title(item.cls.__name__)}"
        case ListOf():
            return "a list"
    return "any"


def _range(schema: Mapping[str, Any]) -> str:
    said = {
        "minimum": ">=",
        "exclusiveMinimum": ">",
        "maximum": "<=",
        "exclusiveMaximum": "<",
    }
    bounds = [f"{sign} {schema[key]:g}" for key, sign in said.items() if key in schema]
    return f" ({', '.join(bounds)})" if bounds else ""


def _default(field: Field) -> str:
    default = field.default
    if field.required:
        return "required"
    if isinstance(default, attrs.Factory) or default in (None, (), ""):  # type: ignore[arg-type]
        return ""
    return f"`{_written(default)}`"


def _component(listing: Listing) -> Iterator[str]:
    yield f"#### `{listing.name}`"
    yield ""
    yield _cell(listing.doc)
    if listing.source:
        yield ""
        yield f"Source: {_cell(listing.source)}"
    if listing.options:
        yield ""
        yield "| option | value | default | meaning |"
        yield "|---|---|---|---|"
        for option in listing.options.values():
            yield f"| `{option.name}` | {_option(option)} | {_option_default(option)} | {_cell(option.doc)} |"


def _option(option: Option) -> str:
    schema = option.schema
    if option.component is not None:
        many = "a list of components" if schema.get("type") == "array" else "a component"
        return f"{many}: {option.component}"
    if "enum" in schema:
        names = [f"`{_written(value)}`" for value in schema["enum"]]
        return ", ".join([*names, "a mapping"] if "additionalProperties" in schema else names)
    found = schema.get("type", "any")
    text = " or ".join(found) if isinstance(found, list) else str(found)
    unit = f" {option.unit}" if option.unit else ""
    return text + unit + _range(schema)


def _option_default(option: Option) -> str:
    return "required" if option.required else f"`{_written(option.default)}`"


def _written(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
