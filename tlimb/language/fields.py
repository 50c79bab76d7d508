"""What may be written under each key of a block: the one reading of the words with which `model.key` declares it.

A key is declared in words (`key("..", type="map", of={"share": True, "varies": True}, keys=("train", "val"))`). Here
the words become one typed description, and everything that follows the model reads descriptions: the shapes behind
the JSON Schema and the checks (`blocks`), the typed study (`lower`) and the reference (`tlimb.export.reference`).

The words of `type`, and what each becomes:

- a JSON type or a list of them: `Plain`, with `enum`, `pattern`, `minimum`, `exclusive_minimum`, `maximum`. With
  `object` among the types the `map` that `of` describes may be written too.
- `name`: `Reference` into the name-space `names`; `pool` also takes a list of names.
- `from`: `Parents`, one name of the name-spaces `names`, or one for each role.
- `component`: `ComponentOf` the kind `kind`; `list` also takes a list of components.
- `block`: `BlockOf` the class `of`; `short` names the key for which a lone scalar is short.
- `map`: `MapOf` what `of` says under names that the user gives; `keys` fixes the names, `free` takes any text for a
  name, `names` is the name-space that the names point into, `short` is that of the blocks in it, `least` is the least
  number of keys.
- `list`: `ListOf` what `of` says; `short` also takes one item without the list, `least` is the least number of items.

`of` is the class of a block, or words again: `kind` for components, `share` for `Share`, `where` for `Labels` (in a
list: a mapping of params to them), `only` for `Labels` with ranges, `param` for `Anything`, `names` with `pool` for
`Reference`, and otherwise the words of a value with `type` (`string` when it is not given).

With every value: `varies` takes a search or comparison node instead, `none` takes the word `none`, `names` is the
name-space that it points into, `examples` are for editors.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import attrs
from attrs import frozen

_LIMITS = {
    "minimum": "minimum",
    "exclusive_minimum": "exclusiveMinimum",
    "maximum": "maximum",
    "exclusive_maximum": "exclusiveMaximum",
    "pattern": "pattern",
}
"""Words for limits, and the JSON Schema keywords that say the same."""


@frozen(kw_only=True, eq=False, repr=False)
class Described:
    """What every description has.

    Attributes:
        varies: a search or comparison node may stand here.
        none: the word `none` is allowed.
        names: the name-space that a value, or the keys of a mapping, point into; empty for none.
        examples: for editors.
    """

    varies: bool = False
    none: bool = False
    names: str = ""
    examples: tuple[Any, ...] = ()


@frozen(kw_only=True, eq=False, repr=False)
class Plain(Described):
    """A scalar.

    Attributes:
        types: JSON types that it may have.
        enum: the values that are allowed; empty for all.
        limits: JSON Schema keywords.
        mapping: the mapping that may be written instead; None for none.
    """

    types: tuple[str, ...]
    enum: tuple[Any, ...] = ()
    limits: Mapping[str, Any] = {}
    mapping: "MapOf | None" = None


@frozen(kw_only=True, eq=False, repr=False)
class Reference(Described):
    """A name of `names`; with `pool` a list of names may stand here too."""

    pool: bool = False


class Parents(Described):
    """Where weights come from: one name of `names`, or a mapping of roles to such names."""


class Share(Described):
    """A count from 2, a share between 0 and 1, or `rest`."""


class Anything(Described):
    """Any value at all; what it is shows where it is used."""


@frozen(kw_only=True, eq=False, repr=False)
class Labels(Described):
    """A label or value, or a list of them; with `ranges` also {min, max}."""

    ranges: bool = False


@frozen(kw_only=True, eq=False, repr=False)
class ComponentOf(Described):
    """A component of one kind; with `many` a list of them may stand here too."""

    kind: str
    many: bool = False


@frozen(kw_only=True, eq=False, repr=False)
class BlockOf(Described):
    """A block with the keys of a class; `short` is the key for which a lone scalar is short, empty for none."""

    cls: type
    short: str = ""

    @property
    def lone(self) -> Plain:
        """Return the description of the key that a lone scalar fills."""
        found = next(one.value for one in of(self.cls) if one.name == self.short)
        assert isinstance(found, Plain)
        return found


@frozen(kw_only=True, eq=False, repr=False)
class ListOf(Described):
    """A list; with `short` one item may stand here without it."""

    item: Described
    short: bool = False
    least: int = 0


@frozen(kw_only=True, eq=False, repr=False)
class MapOf(Described):
    """A mapping with keys that the user gives, or with the keys `keys`.

    Attributes:
        value: what stands under each key.
        keys: the only keys; empty for those that the user gives.
        free: any text is a key; otherwise only a name is.
        least: the least number of keys.
    """

    value: Described
    keys: tuple[str, ...] = ()
    free: bool = False
    least: int = 0


@frozen(kw_only=True, eq=False, repr=False)
class Field:
    """One key of a block.

    Attributes:
        attribute: name of the class's attribute that holds it.
        name: the key as it is written.
        doc: description.
        default: value when it is not written; NOTHING makes it required.
        value: what may be written.
    """

    attribute: str
    name: str
    doc: str
    default: Any
    value: Described

    @property
    def required(self) -> bool:
        """Return whether the key must be written."""
        return self.default is attrs.NOTHING


@lru_cache(maxsize=64)
def of(cls: type) -> tuple[Field, ...]:
    """Return the keys of a block in the order of its class; what only lowering fills in is left out."""
    return tuple(
        Field(
            attribute=one.name,
            name=one.metadata["schema"].get("yaml", one.name),
            doc=one.metadata["doc"],
            default=one.default,
            value=_read({**one.metadata["schema"], "varies": one.metadata["varies"]}),
        )
        for one in attrs.fields(cls)
        if not one.metadata.get("hidden")
    )


def hidden(cls: type) -> tuple[str, ...]:
    """Return the attributes of a block that lowering fills in and no one writes."""
    return tuple(one.name for one in attrs.fields(cls) if one.metadata.get("hidden"))


def _read(words: Mapping[str, Any]) -> Described:
    """Read the words of one key or of one `of`."""
    every = {word: words[word] for word in ("varies", "none", "names") if word in words}
    every["examples"] = tuple(words.get("examples", ()))
    match words.get("type", "string"):
        case "component":
            return ComponentOf(kind=words["kind"], many=words.get("list", False), **every)
        case "block":
            return BlockOf(cls=words["of"], short=words.get("short", ""), **every)
        case "map":
            more = {word: words[word] for word in ("keys", "free", "least") if word in words}
            return MapOf(value=_inside(words["of"], words.get("short", "")), **more, **every)
        case "list":
            more = {word: words[word] for word in ("short", "least") if word in words}
            return ListOf(item=_item(words["of"]), **more, **every)
        case "name":
            return Reference(pool=words.get("pool", False), **every)
        case "from":
            return Parents(**every)
        case types:
            return _plain((types,) if isinstance(types, str) else tuple(types), words, every)


def _plain(types: tuple[str, ...], words: Mapping[str, Any], every: Mapping[str, Any]) -> Plain:
    mapping = _read(words["of"]) if "object" in types else None
    assert mapping is None or isinstance(mapping, MapOf)
    return Plain(
        types=tuple(name for name in types if name != "object"),
        enum=tuple(words.get("enum", ())),
        limits={keyword: words[word] for word, keyword in _LIMITS.items() if word in words},
        mapping=mapping,
        **every,
    )


def _inside(words: Any, short: str = "") -> Described:
    """Read what `of` says of the values of a mapping."""
    if isinstance(words, type):
        return BlockOf(cls=words, short=short)
    varies = words.get("varies", False)
    if words.get("param"):
        return Anything()
    if words.get("where") or words.get("only"):
        return Labels(ranges=words.get("only", False))
    if words.get("share"):
        return Share(varies=varies)
    if words.get("kind"):
        return ComponentOf(kind=words["kind"])
    if words.get("pool"):
        return Reference(pool=True, names=words["names"], varies=varies)
    return _read(words)


def _item(words: Any) -> Described:
    """Read what `of` says of the items of a list."""
    if not isinstance(words, type) and words.get("where"):
        return MapOf(value=Labels(), names=words.get("names", ""), free=True)
    return _inside(words)
