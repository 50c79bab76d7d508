"""An option in words: what may be written, and what holds when nothing is."""

import json
from collections.abc import Mapping
from typing import Any

from tlimb.language.catalogue import Option
from tlimb.language.rewriting.spelling import number

_BOUNDS = {
    "minimum": ">=",
    "exclusive_minimum": ">",
    "exclusiveMinimum": ">",
    "maximum": "<=",
    "exclusiveMaximum": "<",
}


def value_of(option: Option) -> str:
    """Say what an option may be, such as `number > 0` or `zscore, mean or none`."""
    schema = option.schema
    if option.component is not None:
        return f"a list of {option.component}" if schema.get("type") == "array" else f"a {option.component}"
    if schema.get("share"):
        return "a count, a share or rest"
    if "enum" in schema:
        names = [said(value) for value in schema["enum"]] + (["none"] if schema.get("none") else [])
        inner = schema.get("additionalProperties")
        if isinstance(inner, Mapping):
            words = [str(inner.get("type", "value")), ", ".join(bounds(inner))]
            names.append(f"{{..: {' '.join(word for word in words if word)}}}")
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    found = schema.get("type", "any")
    text = " or ".join(found) if isinstance(found, list) else str(found)
    items = schema.get("items")
    if isinstance(items, Mapping) and found == "array":
        size = schema.get("minItems") if schema.get("minItems") == schema.get("maxItems") else None
        text = f"{size or 'list of'} {items.get('type', 'value')}s"
        schema = items
    return f"{text} {', '.join(bounds(schema))}".rstrip()


def bounds(schema: Mapping[str, Any]) -> list[str]:
    """Give the limits of a number, such as `> 0` or `0 to 1`."""
    if "minimum" in schema and "maximum" in schema:
        return [f"{schema['minimum']:g} to {schema['maximum']:g}"]
    return [f"{sign} {schema[key]:g}" for key, sign in _BOUNDS.items() if key in schema]


def default_of(option: Option) -> str:
    """Give the default of an option as a spec would say it."""
    return said(option.default)


def said(value: Any) -> str:
    """Write a value as a spec does."""
    if isinstance(value, float):
        return number(value)
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
