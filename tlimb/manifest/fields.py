"""How the classes of JSON files describe their fields: one declaration serves attrs, cattrs and JSON Schema.

The annotation of a field says what it may hold; `entry` adds the words and the bounds that an annotation cannot say.
What an annotation may be is listed in `tlimb.manifest.schema`, which turns these classes into JSON Schema.
"""

from collections.abc import Callable, Sequence
from typing import Any, NewType

import attrs

Digest = NewType("Digest", str)
"""A sha256 as 64 lower-case hex digits."""

HEX = "^[0-9a-f]{64}$"
"""Pattern of such a digest."""
REQUIRED = object()


def entry(
    doc: str,
    *,
    key: str | None = None,
    default: Any = REQUIRED,
    factory: Any = None,
    always: bool = False,
    computed: Callable[[Any], Any] | None = None,
    **bounds: Any,
) -> Any:
    """Declare a field of a class that stands for a JSON object.

    Args:
        doc: a sentence for the schema.
        key: name of the JSON key where it is no Python name; None for the field's own.
        default: value that is neither written nor required in JSON; without one the key must be there.
        factory: makes such a default.
        always: the key is written and required although the field has a default in Python.
        computed: makes the value from the object itself; it is always written, and nobody can pass another one.
        **bounds: keywords of JSON Schema that hold for the value, such as `minimum`; for a list or mapping those of
            its items are given as `items`. A `type` here takes the place of the annotation's.
    """
    metadata = {"doc": doc, "key": key, "bounds": bounds, "always": always or computed is not None}
    if computed is not None:
        return attrs.field(init=False, default=attrs.Factory(computed, takes_self=True), metadata=metadata)
    if factory is not None:
        return attrs.field(factory=factory, metadata=metadata)
    if default is not REQUIRED:
        return attrs.field(default=default, metadata=metadata)
    return attrs.field(metadata=metadata)


def may_lack(field: "attrs.Attribute[Any]") -> bool:
    """Return whether a JSON object may lack a field's key: then the field has its default."""
    return field.default is not attrs.NOTHING and not field.metadata.get("always", False)


def key_of(field: "attrs.Attribute[Any]") -> str:
    """Return the JSON key that a field stands for."""
    return str(field.metadata.get("key") or field.name)


def keys_of(cls: type, names: Sequence[str]) -> list[str]:
    """Return the JSON keys that some fields of a class stand for."""
    fields = {one.name: one for one in attrs.fields(cls)}
    return [key_of(fields[name]) for name in names]
