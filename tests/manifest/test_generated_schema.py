"""What an annotation of a class becomes: in JSON Schema, and in the JSON that is written."""

from collections.abc import Mapping
from enum import StrEnum

import pytest
from attrs import evolve, frozen

from tlimb.manifest.canonical import Json
from tlimb.manifest.faults import checker
from tlimb.manifest.fields import entry
from tlimb.manifest.schema import schema_of
from tlimb.manifest.structure import structure, unstructure


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@frozen
class Inner:
    """An inner object."""

    low: float | None = entry("Lower end.", default=None, always=True)


@frozen
class Outer:
    """An outer object.

    More words, which the schema leaves out.
    """

    colour: Colour = entry("Its colour.")
    counts: tuple[tuple[str, int], ...] = entry("Numbers by name.")
    inner: Mapping[str, Inner | None] = entry("Objects by name.")
    mean: float = entry("A mean; null where it is not finite.", type=["number", "null"])
    extra: tuple[int, ...] = entry("Left out where it is empty.", default=())
    more: Json = entry("Anything.", default=None)
    many: bool = entry("Whether there are several counts.", computed=lambda outer: len(outer.counts) > 1)


ONE = Outer(Colour.RED, (("a", 1),), {"x": Inner(), "y": None}, 0.5)
WRITTEN = {
    "colour": "red",
    "counts": [["a", 1]],
    "inner": {"x": {"low": None}, "y": None},
    "mean": 0.5,
    "many": False,
}
SCHEMA = schema_of(Outer, "an example")


def faults(**changes):
    return [str(fault) for fault in checker(SCHEMA)({**WRITTEN, **changes})]


def listed(value):
    """Return a value as JSON has it, with lists for tuples."""
    if isinstance(value, Mapping):
        return {key: listed(one) for key, one in value.items()}
    return [listed(one) for one in value] if isinstance(value, list | tuple) else value


def test_a_key_with_a_default_is_left_out_unless_it_is_always_written_or_computed():
    assert listed(unstructure(ONE)) == WRITTEN
    assert listed(unstructure(evolve(ONE, extra=(1,))))["extra"] == [1]
    assert SCHEMA["required"] == ["colour", "counts", "inner", "mean", "many"]
    assert SCHEMA["$defs"]["inner"]["required"] == ["low"]


def test_what_is_computed_follows_from_the_object_whatever_json_says():
    assert structure(WRITTEN, Outer) == ONE
    assert structure({**WRITTEN, "many": True}, Outer) == ONE
    assert evolve(ONE, counts=(("a", 1), ("b", 2))).many


def test_the_title_and_the_first_paragraph_head_the_schema():
    assert (SCHEMA["title"], SCHEMA["description"]) == ("an example", "An outer object.")
    assert faults() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "green"}, '/colour: "green" is not "red" or "blue"'),
        ({"counts": [["a"]]}, "/counts/0: ['a'] is too short"),
        ({"counts": [["a", 1, 2]]}, "/counts/0: ['a', 1, 2] is too long"),
        ({"counts": [["a", None]]}, "/counts/0/1: null is not a text or an integer"),
        ({"inner": {"x": {}}}, '/inner/x: the key "low" is missing'),
        ({"inner": {"x": 1}}, "/inner/x: 1 is not an object or null"),
        ({"mean": "1"}, '/mean: "1" is not a number or null'),
        ({"other": 1}, "/other: unknown key"),
    ],
)
def test_each_form_of_annotation_is_held_to(changes, message):
    assert faults(**changes) == [message]
