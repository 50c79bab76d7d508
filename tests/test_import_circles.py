"""No module of tlimb imports itself over others, imports inside functions and for types alone counted."""

from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import grimp
import pytest


def circle(package):
    """Return the modules of one circle of imports, with the line of each import; nothing where there is none."""
    graph = grimp.build_graph(package, cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        # Python's sorter lists each module before those that import it.
        modules = error.args[1]
        return [
            f"{importer}:{graph.get_import_details(importer=importer, imported=module)[0]['line_number']} -> {module}"
            for module, importer in pairwise(modules)
        ]
    return []


def test_modules_import_in_one_direction_only():
    assert not circle("tlimb"), "move what both need into a module below them"


@pytest.mark.parametrize(
    ("name", "back"),
    [
        ("plain", "from {name}.upper import rise"),
        ("inside", "def fall():\n    from {name}.upper import rise"),
        ("typed", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {name}.upper import rise"),
    ],
)
def test_a_circle_is_found_however_the_import_back_is_written(tmp_path, monkeypatch, name, back):
    package = tmp_path / f"circle_{name}"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "lower.py").write_text("")
    (package / "upper.py").write_text(f"from {package.name}.lower import fall\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert circle(package.name) == []
    (package / "lower.py").write_text(back.format(name=package.name))
    found = circle(package.name)
    assert len(found) == 2
    assert f"{package.name}.upper:1 -> {package.name}.lower" in found
