"""What a component's signature and docstring say, as JSON Schema: standard library only.

Keyword-only parameters are what YAML may set. Their types become schemas, the `Args:` of the class docstring
their documentation. A type may carry more, as in
`Annotated[float, {"minimum": 0, "unit": "mm"}]`; `unit` is taken out, `below`, `multiple_of`, `divides`, `odd` and
`needs` say what an option must be beside others (see `tlimb.language.rules.options`), all else is JSON Schema.
Parameters called `preprocess` and `augment` hold lists of components of these kinds.
"""

import inspect
import re
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

COMPONENT_LISTS = ("preprocess", "augment")
_PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean"}
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Source|Note|Example|Examples):\s*(.*)$")
_ARGUMENT = re.compile(r"^(\w+)(?: \([^)]*\))?:\s*(.*)$")


class DescriptionError(Exception):
    """A component cannot be described; the message says which parameter and why."""


def options(cls: type) -> dict[str, dict[str, Any]]:
    """Describe what YAML may set in a class: name -> {schema, doc, required, default?, unit?}.

    Raises:
        DescriptionError: a parameter has no type, no documentation, an unknown type, or takes any keyword.
    """
    documented = arguments(cls)
    hints = get_type_hints(inspect.getattr_static(cls, "__init__"), include_extras=True)
    found: dict[str, dict[str, Any]] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        where = f"{cls.__module__}.{cls.__qualname__}, parameter {name!r}"
        if parameter.kind is parameter.VAR_KEYWORD:
            raise DescriptionError(f"{where}: **{name} would hide what may be set")
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        if name not in hints:
            raise DescriptionError(f"{where}: no type")
        if name not in documented:
            raise DescriptionError(f"{where}: not documented under `Args:` of the class")
        schema = dict(_list_of(name) if name in COMPONENT_LISTS else of_type(hints[name], where))
        option: dict[str, Any] = {"doc": documented[name], "required": parameter.default is parameter.empty}
        unit = schema.pop("unit", "")
        if unit:
            option["unit"] = unit
        if not option["required"]:
            option["default"] = plain(parameter.default, where)
            if parameter.default is None:
                schema["none"] = True
        option["schema"] = schema
        found[name] = option
    return found


def _list_of(kind: str) -> dict[str, Any]:
    return {"type": "array", "items": {"component": kind}}


def of_type(hint: Any, where: str = "") -> dict[str, Any]:
    """Give the schema of a type; `none` marks that None, written `none`, is allowed.

    Raises:
        DescriptionError: the type has no counterpart in YAML.
    """
    origin = get_origin(hint)
    if origin is Annotated:
        schema = of_type(get_args(hint)[0], where)
        for more in hint.__metadata__:
            if isinstance(more, Mapping):
                schema |= more
        return schema
    if hint is Any:
        return {}
    if isinstance(hint, type) and hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if origin is Literal:
        return _literal(get_args(hint))
    if origin in (Union, types.UnionType):
        return _union(get_args(hint), where)
    if origin is tuple and Ellipsis not in get_args(hint):
        return _fixed(get_args(hint), where)
    if origin in (list, tuple, Sequence):
        return {"type": "array", "items": of_type(get_args(hint)[0], where)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": of_type(get_args(hint)[1], where)}
    raise DescriptionError(f"{where}: the type {hint!r} cannot be written in YAML")


def _literal(values: tuple[Any, ...]) -> dict[str, Any]:
    names = sorted({_PLAIN[type(value)] for value in values if value is not None})
    schema: dict[str, Any] = {"type": names[0] if len(names) == 1 else names}
    schema["enum"] = [value for value in values if value is not None]
    return schema if None not in values else {**schema, "none": True}


def _fixed(hints: tuple[Any, ...], where: str) -> dict[str, Any]:
    items = [of_type(hint, where) for hint in hints]
    if any(item != items[0] for item in items):
        raise DescriptionError(f"{where}: the items of a tuple must have one type")
    return {"type": "array", "items": items[0], "minItems": len(items), "maxItems": len(items)}


def _union(hints: tuple[Any, ...], where: str) -> dict[str, Any]:
    """Merge alternatives into one schema with a list of types; no two may share a JSON type."""
    merged: dict[str, Any] = {}
    names: list[str] = []
    for hint in hints:
        if hint is type(None):
            merged["none"] = True
            continue
        schema = of_type(hint, where)
        own = schema.pop("type", None)
        own = own if isinstance(own, list) else [own]
        clash = set(schema) & set(merged) - {"none"}
        if None in own or set(own) & set(names) or clash:
            raise DescriptionError(f"{where}: the alternatives of {hint!r} cannot be told apart")
        merged |= schema
        names += own
    if "number" in names and "integer" in names:
        names.remove("integer")
    merged["type"] = names[0] if len(names) == 1 else names
    return merged


def plain(value: Any, where: str = "") -> Any:
    """Give a default as JSON.

    Raises:
        DescriptionError: it has no counterpart in JSON.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(item, where) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item, where) for key, item in value.items()}
    raise DescriptionError(f"{where}: the default {value!r} cannot be written in YAML")


def sections(cls: type) -> dict[str, list[str]]:
    """Cut a class's own docstring into its sections; the text before the first has an empty name."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for line in inspect.cleandoc(cls.__dict__.get("__doc__") or "").splitlines():
        heading = _SECTION.match(line)
        if heading:
            name = heading[1]
            found.setdefault(name, [])
            line = "    " + heading[2] if heading[2] else ""
        found[name].append(line)
    return found


def summary(cls: type) -> str:
    """Give the first paragraph of a class's docstring on one line."""
    text = "\n".join(sections(cls)[""]).strip()
    return " ".join(text.split("\n\n")[0].split())


def source(cls: type) -> str:
    """Give the `Source:` section on one line, empty when there is none."""
    return " ".join(" ".join(sections(cls).get("Source", [])).split())


def arguments(cls: type) -> dict[str, str]:
    """Give the documentation of each argument, on one line each."""
    found: dict[str, str] = {}
    name = None
    lines = inspect.cleandoc("\n".join(["x", *sections(cls).get("Args", [])])).splitlines()[1:]
    for line in lines:
        own = _ARGUMENT.match(line)
        if own:
            name = own[1]
            found[name] = own[2].strip()
        elif name is not None and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found
