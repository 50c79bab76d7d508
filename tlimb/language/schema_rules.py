"""Rules of JSON Schema for mappings with one key and for search entries, in the form that editors complete well."""

from collections.abc import Mapping
from typing import Any

from tlimb.language.shapes import CLASS_PATH, Shape

RANGES = ("uniform", "log_uniform", "int_uniform")
"""Search entries with a lowest and a highest value."""


def end(word: str, shape: Shape) -> dict[str, Any]:
    """Give the schema of the lowest and highest value of a search entry."""
    limits = {name: limit for name, limit in shape.limits.items() if name != "pattern"}
    if word == "log_uniform" and limits.get("minimum", 0) <= 0:
        limits.setdefault("exclusiveMinimum", 0)
        limits.pop("minimum", None)
    return {"title": "end", "type": "integer" if word == "int_uniform" else "number", **limits}


def one_of(keys: Mapping[str, Any], nodes: tuple[str, ...], free: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Give the rules of a mapping with one key: a component, or a search entry, which may have `key` beside it.

    Editors offer what stands under `properties`. Here that is a condition: as long as none of the keys is written
    all are offered, afterwards at most `key`. What is written is checked under `patternProperties`, which no
    editor offers.

    Args:
        keys: schema by key, with `key` itself where it is allowed.
        nodes: words of search entries among them.
        free: schemas of other keys by pattern.
    """
    names = [name for name in keys if name != "key"]
    written = "|".join(_plain(name) for name in names)
    # a class path that is being typed has dots already
    other = "" if any("." in name for name in names) else "[^.]*$"
    keyed = [word for word in nodes if word in ("choice", *RANGES)] if "key" in keys else []
    offered: dict[str, Any] = {
        "if": {"propertyNames": {"pattern": f"^(?!(?:{written})$){other}"}},
        "then": {"title": "one of", "properties": {name: keys[name] for name in names}},
    }
    if keyed:
        chosen = {"propertyNames": {"pattern": f"^(?!(?:{'|'.join(keyed)})$)"}}
        offered["else"] = {"if": chosen, "else": {"title": "beside", "properties": {"key": keys["key"]}}}
    if "param" in nodes:
        # once written it is not offered again, but what may stand under it is
        under = {"if": {"required": ["param"]}, "then": {"title": "param", "properties": {"param": keys["param"]}}}
        offered["else"] = {**offered.get("else", {}), "allOf": [under]}
    allowed: dict[str, Any] = {"enum": [name for name in keys if "." not in name]}
    if free:
        allowed = {"if": {"pattern": r"\."}, "then": {"pattern": next(iter(free))}, "else": allowed}
    patterns = {f"^{_plain(name)}$": schema for name, schema in keys.items()} | dict(free or {})
    return {"patternProperties": patterns, "allOf": [offered, {"propertyNames": allowed}, _one_key(keyed)]}


def _plain(name: str) -> str:
    return name.replace(".", r"\.")


def bare_names(bare: list[str]) -> dict[str, Any]:
    """Say which texts name a component: those of components without required options, and class paths."""
    path = {"pattern": CLASS_PATH, "patternErrorMessage": "Its options are missing: write name: {option: value}."}
    plain = [name for name in bare if "." not in name]
    named = {"if": {"pattern": r"\."}, "then": path, "else": {"enum": plain}} if plain else path
    return {"if": {"type": "string"}, "then": named}


def _one_key(keyed: list[str]) -> dict[str, Any]:
    """Say that a mapping has one key; some search entries may have `key` beside them."""
    one = {"minProperties": 1, "maxProperties": 1}
    if not keyed:
        return one
    both = {"minProperties": 2, "maxProperties": 2, "propertyNames": {"enum": [*keyed, "key"]}}
    return {"if": {"type": "object", "required": ["key"]}, "then": both, "else": one}


def open_nodes(nodes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Say for a mapping with free keys that a word of a search entry stands alone in it."""
    rules = []
    for word in nodes:
        names = [word, "key"] if word in ("choice", *RANGES) else [word]
        rules.append({"if": {"type": "object", "required": [word]}, "then": {"propertyNames": {"enum": names}}})
    return rules
