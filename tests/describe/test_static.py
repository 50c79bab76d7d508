"""Reading a class's source tells what importing it would, and runs nothing."""

import pytest

from tlimb.describe import static
from tlimb.language import catalogue

MODULE = '''"""A module that must not be imported."""

from __future__ import annotations

import typing as t
from typing import Annotated, Literal, Optional

from tlimb.components.contracts import Encoder
from .parts import Base, WIDTH

raise RuntimeError("imported")

Positive = Annotated[float, {"exclusiveMinimum": 0, "unit": "mm"}]


class Net(Base):
    """A network.

    It has layers.

    Args:
        size: edge of a
            voxel.
        mode: how.
    """

    def __init__(
        self,
        inputs,
        *,
        size: Positive,
        mode: Literal["a", "b"] = "a",
        steps: Optional[int] = None,
        shape: tuple[int, int, int] = (1, 2, 3),
        names: "t.Sequence[str] | None" = None,
        width: int = WIDTH,
        other: torch.dtype = torch.float32,
    ):
        pass


class Same(Net):
    """Has the options of what it derives from."""


class Loose(Net):
    """Takes anything.

    Args:
        known: is known.
    """

    def __init__(self, inputs, *, known: int = 1, **more):
        pass


@register
class Made(Encoder):
    """A decorator makes its signature."""


class Helper:
    """No component."""


class _Hidden(Encoder):
    """Not public."""
'''
PARTS = '''"""Parts."""

from tlimb.components import contracts

WIDTH = 8


class Base(contracts.Encoder):
    """Ours."""
'''


@pytest.fixture
def folder(tmp_path):
    package = tmp_path / "lab"
    package.mkdir()
    (package / "__init__.py").write_text("from .nets import Net as Renamed\n")
    (package / "nets.py").write_text(MODULE)
    (package / "parts.py").write_text(PARTS)
    return tmp_path


def test_the_source_of_each_of_our_components_tells_what_importing_it_told():
    own = [one for kind in catalogue.KINDS for one in catalogue.load().all(kind) if "builtins" not in one.cls]
    assert len(own) > 25
    for one in own:
        read = static.component(one.cls, [])
        told = catalogue.load().with_extra({one.kind: {one.name: read}}).get(one.kind, one.name)
        assert (told.options, told.doc, told.source) == (one.options, one.doc, one.source)
        assert (told.facts, told.revision, told.aka) == (one.facts, one.revision, one.aka), one.name
        assert not told.open
        assert static.kind(one.cls, []) == one.kind


def test_every_contract_makes_a_kind():
    discovery = pytest.importorskip("tlimb.components.discovery")
    contracts = {found.base.__name__: kind for kind, found in discovery.KINDS.items()}
    assert contracts | {"Reader": "cohort"} == dict(static.KINDS)


def test_annotations_become_schemas_without_an_import(folder):
    listing = static.component("lab.nets.Net", [folder])
    options = listing["options"]
    assert listing["doc"] == "A network."
    size = {"type": "number", "exclusiveMinimum": 0}
    assert options["size"] == {"doc": "edge of a voxel.", "required": True, "unit": "mm", "schema": size}
    assert options["mode"]["schema"] == {"type": "string", "enum": ["a", "b"]}
    assert options["steps"] == {
        "doc": "",
        "required": False,
        "default": None,
        "schema": {"type": "integer", "none": True},
    }
    assert options["shape"]["default"] == [1, 2, 3]
    assert options["shape"]["schema"]["maxItems"] == 3
    assert options["names"]["schema"] == {"type": "array", "items": {"type": "string"}, "none": True}


def test_what_only_running_would_tell_is_left_open(folder):
    options = static.component("lab.nets.Net", [folder])["options"]
    assert options["other"]["schema"] == {"none": True}
    assert not options["other"]["required"]
    assert "default" not in options["width"]
    assert static.component("lab.nets.Loose", [folder])["open"]
    assert static.component("lab.nets.Made", [folder])["open"]


def test_a_class_is_found_through_bases_and_imports(folder):
    assert static.component("lab.nets.Same", [folder])["options"].keys() >= {"size", "mode"}
    assert static.component("lab.nets.Same", [folder])["options"]["size"]["doc"] == "edge of a voxel."
    assert static.component("lab.Renamed", [folder])["doc"] == "A network."
    assert static.kind("lab.nets.Net", [folder]) == "architecture"
    assert static.kind("lab.nets.Helper", [folder]) is None
    assert static.component("lab.nets.Nothing", [folder]) is None
    assert static.component("nowhere.Net", [folder]) is None


def test_the_public_classes_of_a_file_are_listed(folder):
    found = static.classes(folder / "lab" / "nets.py", "lab.nets")
    assert found == [f"lab.nets.{name}" for name in ("Net", "Same", "Loose", "Made", "Helper")]


def test_a_file_that_is_no_python_has_no_classes(folder):
    (folder / "broken.py").write_text("class :")
    assert static.classes(folder / "broken.py", "broken") == []
    assert static.component("broken.Net", [folder]) is None
