"""What readers of cohorts must do."""

from pathlib import Path
from typing import Any

from tlimb import describe
from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.reading import Found, Reader, escapes


def check_reader(cls: type[Reader], root: Path, **options: Any) -> list[Found]:
    """Check a reader of cohorts on a folder, and give what it found, in order.

    Args:
        cls: the class.
        root: folder that paths start from.
        **options: what YAML would set.

    Raises:
        AssertionError: the reader breaks a rule; the message says which.
    """
    assert issubclass(cls, Reader), f"{cls.__name__} is no Reader"
    described = describe.options(cls)
    assert describe.summary(cls).endswith("."), f"{cls.__name__}: the docstring's first paragraph is no full sentence"
    lacking = [name for name, option in described.items() if option["required"] and name not in options]
    assert not lacking, f"{cls.__name__} needs the options {lacking}"
    told = Declaration("checked", "/datasets/checked", "checked.Reader", options, "spec", root.resolve())
    reader = cls(**options)
    found, problems = reader.find(told, True)
    assert not problems, f"problems: {[problem.message for problem in problems]}"
    assert found, "no image was found"
    assert isinstance(reader.source, str)
    assert reader.source, "`source` does not say the folder or table that it reads"
    for one in found:
        _check_found(one, root)
    images = [one.image for one in found]
    assert len(set(images)) == len(images), "an image was given twice"
    again, _ = cls(**options).find(told, False)
    assert sorted(map(repr, again)) == sorted(map(repr, found)), "a second reading, without names, gave something else"
    return sorted(found, key=lambda one: one.image)


def _check_found(one: Found, root: Path) -> None:
    assert one.participant, f"{one.image} belongs to nobody"
    for path in filter(None, (one.image, one.mask)):
        assert not escapes(path), f"{path!r} leads out of the root: {escapes(path)}"
        assert (root / path).is_file(), f"{path!r} is no file below the root"
    texts = [*one.cells, *one.cells.values(), *one.entities.values()]
    assert all(isinstance(text, str) for text in texts), f"{one.image}: cells and entities are texts, as in a table"
