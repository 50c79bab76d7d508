"""Whether manifests are valid under their JSON Schema: for the 100,000 of a plan, which repeat most of what they say.

A manifest is taken apart into the values of its keys. What jsonschema has found valid under a key is not asked
again, and two values that differ in digests only count as one, since the schema knows a digest by its form alone.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from tlimb.manifest.canonical import Json

_DIGEST = re.compile("'[0-9a-f]{64}'")
_MOST = 20_000
"""Values that are remembered at a time."""


class Validity:
    """Knows what was found valid; it says yes or no, and `tlimb.manifest.faults` what is wrong."""

    def __init__(self) -> None:
        """Make a validator for each key, and one for which keys there are."""
        from tlimb.manifest.schema import manifest_schema

        schema = manifest_schema()
        definitions = schema["$defs"]
        kinds = [kind for kind in definitions if "kind" in definitions[kind]["properties"]]
        self._shell = _validator(_without_values(schema), definitions, kinds)
        self._parts = {
            ("", key): _validator(one, definitions) for key, one in schema["properties"].items() if key != "hashed"
        }
        for kind in kinds:
            for key, one in definitions[kind]["properties"].items():
                self._parts[kind, key] = _validator(one, definitions)
        self._shapes: set[Any] = set()
        self._seen: set[Any] = set()

    def __call__(self, value: Json) -> bool:
        """Return whether a JSON value is a valid manifest."""
        hashed = value.get("hashed") if isinstance(value, dict) else None
        kind = hashed.get("kind") if isinstance(hashed, dict) else None
        if not isinstance(hashed, dict) or not isinstance(kind, str):
            return False
        shape = (frozenset(value), kind, frozenset(hashed))
        if shape not in self._shapes:
            if not self._shell.is_valid(value):
                return False
            self._shapes.add(shape)
        top = all(self._valid(("", key), one) for key, one in value.items() if key != "hashed")
        return top and all(self._valid((kind, key), one) for key, one in hashed.items())

    def _valid(self, place: tuple[str, str], value: Json) -> bool:
        known = (place, _DIGEST.sub("", repr(value)))
        if known in self._seen:
            return True
        part = self._parts.get(place)
        if part is not None and not part.is_valid(value):
            return False
        if len(self._seen) >= _MOST:
            self._seen.clear()
        self._seen.add(known)
        return True


@cache
def manifest_validity() -> Validity:
    """Return the one that this process remembers in."""
    return Validity()


def _validator(schema: Mapping[str, Json], definitions: Mapping[str, Json], bare: Iterable[str] = ()) -> Any:
    from jsonschema import Draft7Validator

    emptied = {kind: {**definitions[kind], "properties": _emptied(definitions[kind])} for kind in bare}
    return Draft7Validator({**schema, "$defs": {**definitions, **emptied}})


def _without_values(schema: Mapping[str, Json]) -> dict[str, Json]:
    """Return the schema of manifests that says which keys there are, and nothing of their values."""
    return {**schema, "properties": {**_emptied(schema), "hashed": schema["properties"]["hashed"]}}


def _emptied(schema: Mapping[str, Json]) -> dict[str, Json]:
    return {key: {} for key in schema["properties"]}
