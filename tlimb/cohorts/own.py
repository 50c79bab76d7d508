"""Readers that users and packages bring: run once by `tlimb index`, in a process of their own.

`validate`, `plan` and `run` never import such a reader. They read the file that `tlimb index` left in the private
folder, named by what decides its content: the reader's options and the code behind its class path.
"""

import contextlib
import importlib
import io
import json
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from attrs import asdict

from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.links import inside
from tlimb.cohorts.reading import Found, Reader, escapes, names, problem
from tlimb.describe import installed
from tlimb.manifest import Json, canonical, digest
from tlimb.problems import ExitCode, Problem, TlimbError

FOLDER = "indexes"
"""Folder below the private one with the indexes of users' readers."""
VERSION = 2


def path_of(declaration: Declaration) -> Path:
    """Give the file of a dataset's index; other options or other code give another name."""
    assert declaration.private_root is not None
    assert declaration.foreign is not None
    # Name and class path of a package's reader are the same work.
    key = digest([VERSION, declaration.foreign.path, dict(declaration.options), declaration.foreign.code])
    return declaration.private_root / FOLDER / f"{declaration.name}-{key[:16]}.json"


def stored(declaration: Declaration) -> "Reader | Problem":
    """Give a reader that repeats what a foreign reader once found; a problem when its index is missing or stale."""
    pointer = f"{declaration.pointer}/files"
    reader = declaration.foreign
    assert reader is not None
    if reader.code is None or declaration.private_root is None:
        if reader.package:
            message = f"`{declaration.reader}` is offered by {reader.package}, which has no source of `{reader.path}`"
            help_ = f"install it again, or ask who publishes {reader.package.split(' ')[0]}"
        else:
            message = f"`{declaration.reader}` is in no folder of `code` and in no installed package"
            help_ = "name the folder that holds the package:   code: [./]"
        return Problem("class-path", message, pointer, on_key=True, help=help_)
    path = path_of(declaration)
    if not path.is_file():
        others = list(path.parent.glob(f"{declaration.name}-{'[0-9a-f]' * 16}.json"))
        code = "index-stale" if others else "index-missing"
        message = (
            f"`{declaration.reader}` or its options have changed since `{declaration.name}` was indexed"
            if others
            else f"`{declaration.name}` has no index yet: `{declaration.reader}` is {reader.whose} and has not been run"
        )
        return Problem(code, message, pointer, help=declaration.remake)
    try:
        return _Stored(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"the index of `{declaration.name}` cannot be used: {_said(error)}"
        return Problem("index-stale", message, pointer, help=declaration.remake)


class _Stored(Reader):
    """What a user's reader found, from its index."""

    def __init__(self, content: Mapping[str, Json]) -> None:
        if content["tlimb"] != VERSION:
            raise ValueError("another version of tlimb wrote it")
        self.what, self.source, self.table = (str(content[key]) for key in ("what", "source", "table"))
        self.columns = tuple(map(str, content["columns"]))
        self.private, self.kin = frozenset(map(str, content["private"])), tuple(map(str, content["kin"]))
        self.skull_stripped = None if content["skull_stripped"] is None else bool(content["skull_stripped"])
        self.space = None if content["space"] is None else str(content["space"])
        self.found = [_found(one) for one in content["found"]]

    def find(self, declaration: Declaration, with_names: bool = False) -> tuple[list[Found], list[Problem]]:
        """Give the images, none of which may lie outside the root."""
        paths = [path for one in self.found for path in (one.image, one.mask) if path]
        out = [path for path in paths if escapes(path) or not inside(declaration.root, declaration.root / path)]
        if not out:
            return list(self.found), []
        message = f"{len(out)} paths that `{declaration.reader}` gave lead out of the root"
        return [], [problem(declaration, "path-escape", message, "", note=names(out, with_names))]


def _found(value: Any) -> Found:
    """Give an image from its JSON, with every type checked: it was written by foreign code."""
    texts = {**value["cells"], **value["entities"]}
    parts = (value["participant"], value["image"], value["session"] or "", value["mask"] or "", *texts, *texts.values())
    if not all(isinstance(part, str) for part in parts) or not value["participant"] or not value["image"]:
        raise ValueError("a row needs texts: participant, image, and cells by column")
    return Found(**{**value, "line": int(value["line"])})


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


# -- the process that runs the user's code --


def request(declaration: Declaration, folders: Iterable[Path], output: Path) -> Json:
    """Give what the process is told, as JSON."""
    assert declaration.foreign is not None
    return {
        "class": declaration.foreign.path,
        "reader": declaration.reader,
        "package": declaration.foreign.package,
        "options": dict(declaration.options),
        "folders": [str(folder) for folder in folders],
        "output": str(output),
        "declaration": {
            "name": declaration.name,
            "pointer": declaration.pointer,
            "root_name": declaration.root_name,
            "root": str(declaration.root),
        },
    }


def serve(asked: Mapping[str, Any]) -> None:
    """Run a user's reader and write what came of it: rows, or what is wrong."""
    told = asked["declaration"]
    declaration = Declaration(
        told["name"], told["pointer"], asked["reader"], asked["options"], told["root_name"], Path(told["root"])
    )
    own = [Path(folder) for folder in asked["folders"]]
    try:
        # A package is imported as Python finds it; the code folders of the study are no place to look for it.
        if asked["package"]:
            cls = _imported(asked["class"], installed.folders(asked["class"]), declaration, asked["package"])
        else:
            _refuse_hiding(own, declaration)
            sys.path += [str(folder) for folder in own]
            cls = _imported(asked["class"], own, declaration)
        made = cls(**{name: value for name, value in declaration.options.items() if value is not None})
        found, problems = made.find(declaration, True)
        answer: dict[str, Any] = {
            "tlimb": VERSION,
            "what": made.what,
            "source": made.source,
            "table": made.table,
            "columns": list(made.columns) or list(dict.fromkeys(name for one in found for name in one.cells)),
            "private": sorted(made.private),
            "kin": list(made.kin),
            "skull_stripped": made.skull_stripped,
            "space": made.space,
            "found": [_json(one) for one in found],
        }
        for one in answer["found"]:
            _found(one)
        wrong = [[one.code, one.message, one.pointer, str(one.severity), list(one.help)] for one in problems]
        answer = {"index": answer, "problems": wrong}
    except TlimbError as error:
        refused = [[one.code, one.message, one.pointer, "error", list(one.help)] for one in error.problems]
        answer = {"problems": refused, "exit": int(error.exit_code)}
    except Exception as error:  # noqa: BLE001 -- it is the user's code: whatever it raises is told, not raised
        traceback.print_exc()
        pointer = f"{declaration.pointer}/files"
        answer = {
            "problems": [["reader-failed", f"`{declaration.reader}` failed: {_said(error)}", pointer, "error", []]]
        }
    Path(asked["output"]).write_text(canonical(answer), encoding="utf-8")


def _json(one: Found) -> dict[str, Any]:
    cells = {str(name): "" if value is None else str(value) for name, value in one.cells.items()}
    return {**asdict(one), "cells": cells, "entities": dict(one.entities)}


def _refuse_hiding(folders: list[Path], declaration: Declaration) -> None:
    """Refuse code folders of which a module would be taken for an installed one.

    Raises:
        TlimbError: there is one.
    """
    for name in _modules(folders):
        if name in sys.stdlib_module_names or PathFinder.find_spec(name, sys.path) is not None:
            message = f"the module {name} of a code folder hides an installed one"
            problem = Problem("shadowing-module", message, f"{declaration.pointer}/files", help="give it another name")
            raise TlimbError(problem, ExitCode.POLICY)


def _imported(class_path: str, folders: list[Path], declaration: Declaration, package: str = "") -> type[Reader]:
    """Import a class from some folders, and from nowhere else.

    Raises:
        TlimbError: the class is not there or no reader.
    """
    pointer = f"{declaration.pointer}/files"
    module_name, _, name = class_path.rpartition(".")
    module = importlib.import_module(module_name)
    file = Path(module.__file__ or "").resolve()
    if not any(file.is_relative_to(folder.resolve()) for folder in folders):
        message = f"`{class_path}` was not imported from {package or 'a folder of `code`'}"
        raise TlimbError(Problem("class-path", message, pointer), ExitCode.POLICY)
    cls = getattr(module, name, None)
    if not (isinstance(cls, type) and issubclass(cls, Reader)):
        message = f"`{class_path}` is no cohort reader"
        raise TlimbError(Problem("class-path", message, pointer, help="derive it from tlimb.cohorts.reading.Reader"))
    return cls


def _modules(folders: Iterable[Path]) -> Iterator[str]:
    for folder in folders:
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            if entry.suffix == ".py" and entry.stem.isidentifier():
                yield entry.stem
            elif entry.name.isidentifier() and (entry / "__init__.py").exists():
                yield entry.name


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.TextIOWrapper(sys.stderr.buffer, write_through=True)):
        serve(json.loads(sys.stdin.read()))
