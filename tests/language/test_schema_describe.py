from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pytest

from tlimb import describe


class Net:
    """Make a small network.

    It is for tests.

    Args:
        depth: layers,
            18 or 34.
        crop: voxels along x, y and z; None for all.
        lr: rate of learning.
        spacing: edge length, one or three.
        preprocess: steps, in order.
        mask: words.

    Source: He et al. 2016,
        Table 1.
    """

    def __init__(
        self,
        inputs: Any,
        *,
        depth: Literal[18, 34] = 18,
        crop: tuple[int, int, int] | None = None,
        lr: Annotated[float, {"exclusiveMinimum": 0, "unit": "1/step"}],
        spacing: float | Sequence[float] = 1.0,
        preprocess: Sequence[Any] = (),
        mask: str | Mapping[str, str] | None = None,
    ) -> None:
        pass


def test_keyword_only_parameters_become_options_with_types_defaults_and_docs():
    assert describe.options(Net) == {
        "depth": {
            "doc": "layers, 18 or 34.",
            "required": False,
            "default": 18,
            "schema": {"type": "integer", "enum": [18, 34]},
        },
        "crop": {
            "doc": "voxels along x, y and z; None for all.",
            "required": False,
            "default": None,
            "schema": {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 3, "none": True},
        },
        "lr": {
            "doc": "rate of learning.",
            "required": True,
            "unit": "1/step",
            "schema": {"type": "number", "exclusiveMinimum": 0},
        },
        "spacing": {
            "doc": "edge length, one or three.",
            "required": False,
            "default": 1.0,
            "schema": {"type": ["number", "array"], "items": {"type": "number"}},
        },
        "preprocess": {
            "doc": "steps, in order.",
            "required": False,
            "default": [],
            "schema": {"type": "array", "items": {"component": "preprocess"}},
        },
        "mask": {
            "doc": "words.",
            "required": False,
            "default": None,
            "schema": {"type": ["string", "object"], "additionalProperties": {"type": "string"}, "none": True},
        },
    }


def test_summary_and_source_are_one_line_each():
    assert describe.summary(Net) == "Make a small network."
    assert describe.source(Net) == "He et al. 2016, Table 1."


def _class(parameters: str, doc: str = "x.\n\n    Args:\n        a: b.\n") -> type:
    space: dict[str, Any] = {"Any": Any, "Sequence": Sequence}
    exec(f"class C:\n    def __init__(self, *, {parameters}): pass\n", space)
    space["C"].__doc__ = doc
    return space["C"]


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ("a", "no type"),
        ("b: int", "not documented"),
        ("b: int = 1, **a: int", "would hide|not documented"),
        ("a: complex", "cannot be written in YAML"),
        ("a: Sequence[int] | list[str]", "cannot be told apart"),
        ("a: tuple[int, str]", "one type"),
        ("a: object = object()", "cannot be written in YAML"),
    ],
)
def test_what_yaml_cannot_hold_is_refused_with_the_parameter(parameters, why):
    with pytest.raises(describe.DescriptionError, match=why):
        describe.options(_class(parameters))
