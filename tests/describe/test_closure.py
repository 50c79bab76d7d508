"""The files that stand for a class are those that Python runs to import it, found without running any."""

import importlib
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tlimb.describe.closure import closure
from tlimb.describe.code import identity, sources


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


LAB = {
    "lab/__init__.py": "",
    "lab/nets.py": "IMPORT\n\n\nclass Net: ...\n",
    "lab/blocks.py": "from lab.deep import parts\n",
    "lab/deep/__init__.py": "",
    "lab/deep/parts.py": "X = 1\n",
    "lab/unrelated.py": "X = 1\n",
    "lab/deep/unrelated.py": "X = 1\n",
    "other.py": "X = 1\n",
}
NETS = {"lab/__init__.py", "lab/nets.py"}
PARTS = {"lab/deep/__init__.py", "lab/deep/parts.py"}
BLOCKS = {"lab/blocks.py", *PARTS}
STYLES = {
    "": set(),
    "import torch, numpy as np": set(),
    "import lab.blocks": BLOCKS,
    "import lab.blocks as b": BLOCKS,
    "import lab.deep.parts": PARTS,
    "from lab import blocks": BLOCKS,
    "from lab.blocks import Something": BLOCKS,
    "from . import blocks": BLOCKS,
    "from .blocks import Something as S": BLOCKS,
    "from .deep import parts": PARTS,
    "from .deep.parts import X": PARTS,
    "import lab.deep": {"lab/deep/__init__.py"},
    "from . import *": set(),
    "from .blocks import *": BLOCKS,
    "import lab\n\nY = lab.deep.parts.X": PARTS,
    "import lab.deep as d\n\nY = d.parts.X": PARTS,
    "import other": {"other.py"},
    "def f():\n    from lab import blocks": BLOCKS,
    "if 1 > 2:\n    import lab.blocks\nelse:\n    import other": {*BLOCKS, "other.py"},
    "try:\n    import lab.fast\nexcept ImportError:\n    import lab.deep.parts": PARTS,
    "class A:\n    async def g(self):\n        with self:\n            from ..lab import blocks": set(),
    "import importlib.metadata, importlib.resources\n\nX = importlib.metadata.version('x')": set(),
    "from importlib import resources": set(),
    "def f(model):\n    return model.eval()": set(),
}


@pytest.mark.parametrize("style", STYLES, ids=lambda text: text.replace("\n", " ; "))
def test_a_class_stands_for_its_module_the_packages_on_the_way_and_what_they_import(tmp_path, style):
    folder = write(tmp_path, {**LAB, "lab/nets.py": LAB["lab/nets.py"].replace("IMPORT", style)})
    assert set(closure("lab.nets", [folder])) == NETS | STYLES[style]


COMPUTED = [
    "import importlib\n\nimportlib.import_module('lab.' + NAME)",
    "import importlib as i",
    "from importlib import import_module as load",
    "import importlib.util\n\nimportlib.util.find_spec(NAME)",
    "__import__(NAME)",
    "import pkgutil\n\nfor one in pkgutil.iter_modules(): ...",
    "exec(TEXT)",
    "from hydra.utils import instantiate",
    "import lazy_loader as lazy",
    "def (",
    "def f():\n    from .listed import *",
]


@pytest.mark.parametrize("style", COMPUTED)
def test_where_imports_are_computed_the_whole_package_counts(tmp_path, style):
    files = {**LAB, "lab/nets.py": style, "lab/listed/__init__.py": "__all__ = [*dir()]\n"}
    folder = write(tmp_path, files)
    assert set(closure("lab.nets", [folder])) == set(files) - {"other.py"}


def test_a_computed_import_anywhere_on_the_way_counts(tmp_path):
    folder = write(tmp_path, {**LAB, "lab/nets.py": "from . import blocks", "lab/deep/parts.py": "__import__(X)"})
    assert set(closure("lab.nets", [folder])) == set(LAB) - {"other.py"}


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("__all__ = ['parts']", {"lab/deep/parts.py"}),
        ("__all__: list[str] = ['parts', 'nothing']", {"lab/deep/parts.py"}),
        ("__all__ = ['nothing']\n__all__ += ['parts']", {"lab/deep/parts.py"}),
        ("X = 1", set()),
    ],
)
def test_a_star_imports_the_submodules_that_a_package_lists(tmp_path, text, more):
    folder = write(tmp_path, {**LAB, "lab/nets.py": "from .deep import *", "lab/deep/__init__.py": text})
    assert set(closure("lab.nets", [folder])) == NETS | {"lab/deep/__init__.py"} | more


@pytest.mark.parametrize("text", ["__all__.append('x')", "from x import y\n__all__ = y", "if 1:\n    __all__ = ['x']"])
def test_a_star_of_a_package_that_computes_its_list_counts_for_all_of_it(tmp_path, text):
    folder = write(tmp_path, {**LAB, "lab/nets.py": "from .deep import *", "lab/deep/__init__.py": text})
    assert set(closure("lab.nets", [folder])) == set(LAB) - {"other.py"}


def test_imports_are_followed_from_one_code_folder_into_another(tmp_path):
    one = write(tmp_path / "one", {"nets.py": "import blocks\nimport lab.parts\n", "lab/here.py": ""})
    two = write(tmp_path / "two", {"blocks.py": "X = 1\n", "nets.py": "never = 1\n", "lab/parts.py": ""})
    assert closure("nets", [one, two]) == {
        "nets.py": one / "nets.py",
        "blocks.py": two / "blocks.py",
        "lab/parts.py": two / "lab" / "parts.py",
    }
    assert sources("nets.Net", [one, two])["blocks.py"] == "X = 1\n"


def test_a_package_hides_a_file_of_its_name_as_in_python(tmp_path):
    folder = write(tmp_path, {"nets.py": "import blocks\n", "blocks.py": "X = 1\n", "blocks/__init__.py": "X = 2\n"})
    assert set(closure("nets", [folder])) == {"nets.py", "blocks/__init__.py"}


def test_of_an_installed_package_what_it_imports_from_others_is_left_out(tmp_path):
    files = {"lab/__init__.py": "", "lab/nets.py": "import other\nfrom . import blocks\n", "lab/blocks.py": ""}
    folder = write(tmp_path, {**files, "other.py": ""})
    assert set(closure("lab.nets", [folder], alone=True)) == set(files)


@pytest.mark.parametrize("path", ["lab.missing.Net", "nowhere.Net", "lab.nets.Net.Inner", "../lab.nets.Net", "Net", ""])
def test_a_class_path_without_a_module_has_no_identity(tmp_path, path):
    folder = write(tmp_path, LAB)
    assert identity(path, [folder]) is None
    assert sources(path, [folder]) == {}


@pytest.mark.parametrize("changed", sorted(LAB))
def test_an_identity_moves_with_what_is_imported_and_with_nothing_else(tmp_path, changed):
    files = {**LAB, "lab/nets.py": "from .blocks import Something\n"}
    folder = write(tmp_path, files)
    before = identity("lab.nets.Net", [folder])
    write(folder, {changed: files[changed] + "# a note\n", "lab/later.py": "X = 1\n"})
    assert identity("lab.nets.Net", [folder]) == before
    write(folder, {changed: files[changed] + "Y = 2\n"})
    assert (identity("lab.nets.Net", [folder]) != before) == (changed in NETS | BLOCKS)


# -- against Python itself --

# No two leaves of one name: where a package has an attribute of a submodule's name, Python does not load the submodule.
NAMES = [("a",), ("b",), ("p",), ("p", "x"), ("p", "y"), ("p", "q"), ("p", "q", "v"), ("p", "q", "w")]
PACKAGES = {("p",), ("p", "q")}


def file_of(root, name):
    stem = "/".join((root, *name))
    return f"{stem}/__init__.py" if name in PACKAGES else f"{stem}.py"


def statement(draw, root, name):
    """Write one import of a module of the tree, in one of Python's ways."""
    wanted = draw(st.sampled_from(NAMES))
    dotted, above = ".".join((root, *wanted)), ".".join((root, *wanted[:-1]))
    ways = [f"import {dotted}", f"import {dotted} as m", f"from {above} import {wanted[-1]}", f"from {dotted} import *"]
    package = (root, *(name if name in PACKAGES else name[:-1]))
    shared = 0
    while shared < min(len(package), len(wanted)) and package[shared] == (root, *wanted)[shared]:
        shared += 1
    dots = "." * (len(package) - shared + 1)
    rest = (root, *wanted)[shared:]
    if rest:
        ways.append(f"from {dots}{'.'.join(rest[:-1])} import {rest[-1]}")
    line = draw(st.sampled_from(ways))
    if "*" in line:
        return line
    return draw(
        st.sampled_from(
            [line, f"if True:\n    {line}", f"def f():\n    {line}\nf()", f"try:\n    {line}\nfinally: ..."]
        )
    )


@st.composite
def trees(draw):
    root = "closed_tree"
    files = {f"{root}/__init__.py": ""}
    for name in NAMES:
        lines = [statement(draw, root, name) for _ in range(draw(st.integers(0, 2)))]
        files[file_of(root, name)] = "\n".join(lines) + "\n"
    return root, files, ".".join((root, *draw(st.sampled_from(NAMES))))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees())
def test_the_files_are_those_that_python_loads_for_any_tree_of_imports_with_cycles(tmp_path_factory, tree):
    root, files, module = tree
    folder = write(tmp_path_factory.mktemp("tree"), files)
    found = {str(folder / name) for name in closure(module, [folder])}
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        importlib.import_module(module)
        loaded = {one.__file__ for name, one in sys.modules.items() if name.split(".")[0] == root}
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.split(".")[0] == root]:
            del sys.modules[name]
    assert found == loaded
