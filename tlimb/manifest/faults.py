"""What is wrong with a JSON value, by jsonschema: a pointer and words for each fault."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from attrs import frozen

from tlimb.manifest.canonical import Json

_LONGEST = 60
_ARTICLES = {
    "integer": "an integer", "object": "an object", "array": "a list", "string": "a text", "number": "a number",
    "boolean": "true or false", "null": "null",
}  # fmt: skip


@frozen
class Fault:
    """One thing that a schema forbids.

    Attributes:
        pointer: JSON pointer to it; empty for the whole.
        message: what is wrong there.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        """Write pointer and message."""
        return f"{self.pointer or 'the whole'}: {self.message}"


Checker = Callable[[Json], Iterator[Fault]]


def checker(schema: Mapping[str, Json]) -> Checker:
    """Return a function that goes through the faults of values under a schema, which itself is taken as right."""
    from jsonschema import Draft7Validator

    validator = Draft7Validator(dict(schema))

    def faults(value: Json) -> Iterator[Fault]:
        for error in validator.iter_errors(value):
            yield from _faults(error)

    return faults


@cache
def manifest_checker() -> Checker:
    """Return the checker of manifests."""
    from tlimb.manifest.schema import manifest_schema

    return checker(manifest_schema())


def _faults(error: Any) -> Iterator[Fault]:
    pointer = "".join(f"/{_escaped(step)}" for step in error.absolute_path)
    rule, wanted, value = error.validator, error.validator_value, error.instance
    if rule == "additionalProperties" and wanted is False:
        for key in sorted(value.keys() - error.schema.get("properties", {}).keys()):
            yield Fault(f"{pointer}/{_escaped(key)}", "unknown key")
    else:
        yield Fault(pointer, _words(rule, wanted, value, error.message))


def _words(rule: str, wanted: Json, value: Json, message: str) -> str:
    shown = _shown(value)
    if rule == "type":
        kinds = [_ARTICLES[name] for name in ([wanted] if isinstance(wanted, str) else wanted)]
        return f"{shown} is not {' or '.join(kinds)}"
    if rule == "enum":
        return f"{shown} is not {' or '.join(_shown(one) for one in wanted)}"
    if rule == "required":
        return f"the key {message.split(' is a required')[0].replace(chr(39), chr(34))} is missing"
    if rule == "pattern":
        return f"{shown} is not a sha256, 64 hex digits" if "64" in str(wanted) else f"{shown} does not fit {wanted}"
    if rule in ("minimum", "exclusiveMinimum"):
        return f"{shown} is not {'at least' if rule == 'minimum' else 'more than'} {wanted}"
    return message if len(message) <= 2 * _LONGEST else f"{shown} breaks the rule {rule}"


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]}.."


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
