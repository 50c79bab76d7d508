"""From the JSON of a file to the frozen class that stands for it, and back, by cattrs.

Numbers, texts and options of components stay what JSON made them: a manifest whose weight is `1` has another digest
than one whose weight is `1.0`. What comes from a file is held against its schema before; see `tlimb.manifest.schema`.
"""

from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, NewType, TypeVar, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from tlimb.manifest.canonical import Json
from tlimb.manifest.contents import CONTENTS, Content, Fit, Kind
from tlimb.manifest.fields import key_of, may_lack

T = TypeVar("T")
_PLAIN = (str, int, float, bool, NoneType)


def structure(value: Json, cls: type[T]) -> T:
    """Return the object of a class that a JSON value stands for.

    Raises:
        ValueError: the value lacks a key, or something in it is of another form; a schema tells where.
    """
    try:
        return _CONVERTER.structure(value, cls)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = f"this is no {cls.__name__.lower()} as tlimb writes one ({type(error).__name__}: {error})"
        raise ValueError(message) from error


def unstructure(value: Any) -> Json:
    """Return the JSON value of an object; fields that have their default are left out where their key is optional."""
    return _CONVERTER.unstructure(value)


def _is_plain(kind: Any) -> bool:
    """Return whether JSON already has a type's form: scalars, words, digests, and unions of these."""
    if isinstance(kind, NewType):
        return _is_plain(kind.__supertype__)
    if get_origin(kind) in (Union, UnionType):
        return all(_is_plain(one) for one in get_args(kind))
    return kind is Any or kind in _PLAIN or get_origin(kind) is Literal


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType) and not _is_plain(kind)


def _is_tuple(kind: Any) -> bool:
    origin: Any = get_origin(kind)
    return origin is tuple


def _is_mapping(kind: Any) -> bool:
    origin: Any = get_origin(kind)
    return origin is Mapping


def _union(kind: Any) -> Callable[[Json, Any], Any]:
    """Structure a value of several types by its form in JSON: an object, a list, or a plain value."""
    objects = [one for one in get_args(kind) if attrs.has(one)]
    lists = [one for one in get_args(kind) if _is_tuple(one)]
    as_object = _CONVERTER.get_structure_hook(objects[0]) if objects else None
    as_list = _CONVERTER.get_structure_hook(lists[0]) if lists else None

    def hook(value: Json, _: Any) -> Any:
        if as_object is not None and isinstance(value, Mapping):
            return as_object(value, objects[0])
        if as_list is not None and isinstance(value, list | tuple):
            return as_list(value, lists[0])
        return value

    return hook


def _tuple(kind: Any) -> Callable[[Json, Any], Any]:
    item = get_args(kind)[0]
    if _is_plain(item):
        return lambda value, _: tuple(value)
    hook = _CONVERTER.get_structure_hook(item)
    return lambda value, _: tuple([hook(one, item) for one in value])


def _mapping(kind: Any) -> Callable[[Json, Any], Any]:
    item = get_args(kind)[1]
    if _is_plain(item):
        return lambda value, _: value
    hook = _CONVERTER.get_structure_hook(item)
    # An empty one is as JSON has it: most trainings of a large plan have no parents, and share that object.
    return lambda value, _: {key: hook(one, item) for key, one in value.items()} if value else value


def _from_object(cls: type) -> Callable[[Json, Any], Any]:
    names: Any = {field.name: override(rename=key_of(field)) for field in attrs.fields(cls)}
    return make_dict_structure_fn(cls, _CONVERTER, _cattrs_detailed_validation=False, **names)


def _to_object(cls: type) -> Callable[[Any], Json]:
    names: Any = {
        field.name: override(rename=key_of(field), omit_if_default=may_lack(field)) for field in attrs.fields(cls)
    }
    return make_dict_unstructure_fn(cls, _CONVERTER, _cattrs_include_init_false=True, **names)


_CONVERTER = cattrs.Converter(detailed_validation=False)
for _kind in (str, int, float, bool):
    _CONVERTER.register_structure_hook(_kind, lambda value, _: value)
_CONVERTER.register_structure_hook_factory(attrs.has, _from_object)
_CONVERTER.register_structure_hook_factory(_is_tuple, _tuple)
_CONVERTER.register_structure_hook_factory(_is_mapping, _mapping)
_CONVERTER.register_structure_hook_factory(_is_union, _union)
_CONVERTER.register_structure_hook_factory(_is_plain, lambda _: lambda value, _kind: value)
_CONVERTER.register_unstructure_hook_factory(attrs.has, _to_object)
_CONVERTER.register_unstructure_hook_factory(_is_plain, lambda _: lambda value: value)


def content(hashed: Mapping[str, Json]) -> Content:
    """Return the content of a node as an object of its kind's class.

    Raises:
        ValueError: nothing executes nodes of this kind, or the content is not of its form.
    """
    cls = CONTENTS.get(Kind(hashed["kind"]))
    if cls is None:
        raise ValueError(f"nothing executes a node of the kind {hashed['kind']}")
    return structure(hashed, cls)


class Reader:
    """Reads the contents of one plan's nodes; a part that many trainings share becomes one object.

    The planner gives equal parts of manifests as one JSON object, so a part is known by its identity. What was read is
    kept for as long as the reader, so that no identity is given twice.
    """

    def __init__(self) -> None:
        """Start with nothing read."""
        self._shared: list[tuple[str, str, Any, Callable[[Json, Any], Any], dict[int, tuple[Json, Any]]]] = []
        self._own: list[tuple[str, str, Any, Callable[[Json, Any], Any], bool]] = []
        for one in attrs.fields(attrs.resolve_types(Fit)):
            hook, required = _CONVERTER.get_structure_hook(one.type), one.default is attrs.NOTHING
            if _is_plain(one.type) or one.name == "parents" or not required:
                self._own.append((one.name, key_of(one), one.type, hook, required))
            else:
                self._shared.append((one.name, key_of(one), one.type, hook, {}))

    def content(self, hashed: Mapping[str, Json]) -> Content:
        """Return the content of a node as an object of its kind's class.

        Raises:
            ValueError: nothing executes nodes of this kind, or the content is not of its form.
        """
        if hashed["kind"] != Kind.FIT.value:
            return content(hashed)
        try:
            return self._fit(hashed)
        except (KeyError, TypeError, AttributeError, ValueError):
            # The other way finds the same fault, and words for it.
            return content(hashed)

    def _fit(self, hashed: Mapping[str, Json]) -> Fit:
        parts: dict[str, Any] = {}
        for name, key, kind, hook, known in self._shared:
            value = hashed[key]
            found = known.get(id(value))
            if found is None:
                found = known[id(value)] = (value, hook(value, kind))
            parts[name] = found[1]
        for name, key, kind, hook, required in self._own:
            if required or key in hashed:
                parts[name] = hook(hashed[key], kind)
        return Fit(**parts)


def content_json(found: Content) -> dict[str, Json]:
    """Return the JSON that a node's work is digested from."""
    return {"kind": found.kind.value, **unstructure(found)}
