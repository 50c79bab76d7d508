"""What may stand at each place of a spec, as one tree of shapes made from the model and the catalogue.

The JSON Schema for editors and the checks of the command line are both made from shapes, so they cannot differ
by accident. A shape allows at most one form for each JSON type: that is what makes one precise message possible,
and a schema without alternatives.
"""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

NODE_WORDS = ("choice", "compare", "uniform", "log_uniform", "int_uniform", "param")
"""Words that make a mapping a search entry; reserved as names and as options of components."""

RESERVED = ("none", "all", "rest", *NODE_WORDS)
"""Words that the language uses itself and that cannot be given as names."""

NAME = rf"^(?!(?:{'|'.join(RESERVED)})$)[a-z][a-z0-9_]*$"
"""Names that users give: lower case, digits and underscores, and no reserved word."""

CLASS_PATH = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$"
"""A user's own component: dotted module path and class."""

PARAM = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$"
"""A use of a param, or of a field of its record."""

SCALARS = ("boolean", "integer", "number", "string")


LIMITS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "pattern", "multipleOf")
"""JSON Schema keywords that a shape keeps."""

UNSET: Any = object()
"""The default of a place that has none."""


@frozen(eq=False)
class Shape:
    """What may stand at one place.

    Attributes:
        title: what the place is, for messages and editors.
        doc: one or two sentences.
        types: JSON types a scalar may have, of SCALARS; empty when no scalar may stand here.
        enum: the scalars that are allowed; empty for all.
        limits: JSON Schema keywords for numbers, and `pattern` for strings.
        none: the word `none` is allowed.
        share: a count from 2, a share between 0 and 1, or `rest`.
        items: shape of a list's items; None when no list may stand here.
        sizes: `minItems` and `maxItems` of the list.
        keys: fixed keys of a block; None for no block.
        required: keys that must be written.
        values: shape of the values of a mapping with free keys; None for no such mapping.
        names: pattern of the free keys; empty for any.
        kind: component kind; empty when no component may stand here.
        nodes: search entries that are allowed, of NODE_WORDS.
        anything: any value at all, as under a class path and in `params`.
        null: nothing at all may be written, as after the name of a component without required options.
        default: value when the place is absent, for editors.
        examples: for editors.
        refers: the name-space that a reference points into; empty for none.
        keyed: the name-space that free keys of a mapping point into; empty for none.
    """

    title: str
    doc: str = ""
    types: tuple[str, ...] = ()
    enum: tuple[Any, ...] = ()
    limits: Mapping[str, Any] = field(factory=dict)
    none: bool = False
    share: bool = False
    items: "Shape | None" = None
    sizes: Mapping[str, int] = field(factory=dict)
    keys: "Mapping[str, Shape] | None" = None
    required: tuple[str, ...] = ()
    values: "Shape | None" = None
    names: str = ""
    kind: str = ""
    nodes: tuple[str, ...] = ()
    anything: bool = False
    null: bool = False
    default: Any = UNSET
    examples: tuple[Any, ...] = ()
    refers: str = ""
    keyed: str = ""

    @property
    def mapping(self) -> bool:
        """Say whether some mapping may stand here."""
        return self.anything or bool(self.kind or self.nodes) or self.keys is not None or self.values is not None


def anything(title: str, doc: str = "") -> Shape:
    """Give the shape of a place of which nothing is known."""
    return Shape(title, doc, types=SCALARS, nodes=NODE_WORDS, anything=True)


def search_words(types: tuple[str, ...], enum: tuple[Any, ...]) -> tuple[str, ...]:
    """Give the search entries that make sense for these types."""
    words = ["choice", "compare"]
    if "number" in types and not enum:
        words += ["uniform", "log_uniform"]
    if ("number" in types or "integer" in types) and not enum:
        words.append("int_uniform")
    return (*words, "param")
