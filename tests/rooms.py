"""Which tests belong to a room of the package, which need another system, and which files are started first.

As a command it prints the folders of tests of some rooms, for `make quick`: `rooms.py ROOM.. [--up]`.
"""

import ast
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "tlimb"

SYSTEM = ("engines", "kubernetes", "containers", "packaging")
"""Folders whose tests drive an engine, a cluster, a container or an installation: marked `system`."""

FIRST = (
    "engines/test_slurm.py",
    "engines/test_nextflow_runs.py",
    *SYSTEM,
    "acceptance",
    "training",
    "scheduler",
    "methods",
    "dryrun",
)
"""Files and folders with the longest files first: started last, one of them would keep a single worker busy."""


def place(path):
    """Return the rank of a test file among those that run side by side; a lower one is started earlier.

    Args:
        path: of the file, below the folder of the tests.
    """
    words = path.split("/")
    found = (rank for rank, first in enumerate(FIRST) if words[: first.count("/") + 1] == first.split("/"))
    return next(found, len(FIRST))


def is_system(path):
    """Return whether a test file needs another system than Python."""
    return path.split("/")[0] in SYSTEM


def rooms():
    """Return the names of all rooms of the package."""
    found = (path for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())
    return {path.stem for path in found} - {"__init__", "__main__"}


def importers(room):
    """Return the rooms with a file that imports from a room, without the room itself."""
    return {
        path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for path in PACKAGE.rglob("*.py")
        if any(name == f"tlimb.{room}" or name.startswith(f"tlimb.{room}.") for name in _imports(path))
    } - {room, "__init__", "__main__"}


def _imports(path):
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def main(words):
    """Print the folders of tests of the rooms, and with --up of the rooms that import one of them."""
    asked = [word for word in words if word != "--up"]
    unknown = [word for word in asked if word not in rooms()]
    if unknown or not asked:
        sys.exit(f"there is no room `{' '.join(unknown)}`; choose from: {', '.join(sorted(rooms()))}")
    chosen = set(asked).union(*(importers(room) for room in asked if "--up" in words))
    folders = [f"tests/{room}" for room in sorted(chosen) if (TESTS / room).is_dir()]
    if not folders:
        sys.exit(f"there are no tests of the room `{' '.join(asked)}` alone; add UP=1 for the rooms that import it")
    print(*folders)


if __name__ == "__main__":
    main(sys.argv[1:])
