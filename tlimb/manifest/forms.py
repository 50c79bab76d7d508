"""Whether a JSON value has the form of a class: quickly, for files of which a store may hold 100,000.

`tlimb.manifest.faults` says what is wrong and where, by JSON Schema; this only says yes or no, from the same
annotations and bounds, in a hundredth of the time.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin

import attrs

from tlimb.manifest.canonical import Json
from tlimb.manifest.fields import Digest, key_of

Form = Callable[[Json], bool]
_HEX = re.compile("[0-9a-f]{64}")
_BOUNDS: dict[str, Callable[[float, float], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
}


def fits(value: Json, cls: type) -> bool:
    """Return whether a JSON value has the form of a class; keys that the class does not know are passed over."""
    return _object(cls)(value)


@cache
def _object(cls: type) -> Form:
    required: list[tuple[str, Form]] = []
    optional: list[tuple[str, Form]] = []
    for field in attrs.fields(attrs.resolve_types(cls)):
        value_form = _bounded(_form(field.type), field.metadata.get("bounds", {}))
        (required if field.default is attrs.NOTHING else optional).append((key_of(field), value_form))

    def form(value: Json) -> bool:
        return (
            isinstance(value, dict)
            and all(key in value and one(value[key]) for key, one in required)
            and all(key not in value or one(value[key]) for key, one in optional)
        )

    return form


def _form(kind: Any) -> Form:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda _: True
    if kind is Digest:
        return lambda value: isinstance(value, str) and _HEX.fullmatch(value) is not None
    if isinstance(kind, NewType):
        return _form(kind.__supertype__)
    if kind in (int, float):
        kinds = (int,) if kind is int else (int, float)
        return lambda value: isinstance(value, kinds) and not isinstance(value, bool)
    if kind in (str, bool, NoneType):
        return lambda value: isinstance(value, kind)
    if attrs.has(kind):
        return _object(kind)
    if origin is Literal:
        return lambda value: any(type(value) is type(word) and value == word for word in arguments)
    if origin in (Union, UnionType):
        several = [_form(one) for one in arguments]
        return lambda value: any(one(value) for one in several)
    inner = _form(arguments[0] if origin is tuple else arguments[1])
    if origin is tuple:
        return lambda value: isinstance(value, list) and all(map(inner, value))
    return lambda value: isinstance(value, dict) and all(map(inner, value.values()))


def _bounded(form: Form, bounds: Mapping[str, Json]) -> Form:
    """Return a form with the bounds of a field, which concern numbers only."""
    known = [(_BOUNDS[name], bound) for name, bound in bounds.items() if name in _BOUNDS]
    if not known:
        return form

    def bounded(value: Json) -> bool:
        number = isinstance(value, int | float)
        return form(value) and (not number or all(holds(value, bound) for holds, bound in known))

    return bounded
