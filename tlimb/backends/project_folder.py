"""The folder of an emitted project: every file of it, and nothing that tlimb did not write."""

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from tlimb.backends.checked_manifests import Checked
from tlimb.backends.contracts import Backend, Emission
from tlimb.backends.launch import PATH
from tlimb.backends.plan_folder import OWN_PLACES
from tlimb.backends.planfiles import plan_files
from tlimb.backends.templates import NotAllowedError
from tlimb.manifest import canonical
from tlimb.problems import ExitCode, Problem, Severity, TlimbError
from tlimb.project import Project
from tlimb.store import disk

INDEX = ".tlimb-emitted.json"
"""File of a project that lists what was emitted: path -> sha256. What is not in it belongs to somebody else."""
BEGUN = ".tlimb-emitting.json"
"""The same of an emission that has not ended: files are there as it found them, or as it was to write them."""


MANIFESTS = ("plan/manifests/", "plan/packs/", "plan/others.jsonl")
"""Where a project keeps its manifests."""


def project_files(chosen: Backend, made: Emission) -> Iterator[tuple[str, Iterable[str]]]:
    """Return every file of a project: the backend's own, the plan, the user's code, and an example of places.

    Raises:
        TlimbError: a string would become code and must not.
    """
    example = {
        "code": "/absolute/path/of/this/project/code",
        "private": "/absolute/path/of/the/private/folder",
        "roots": {name: f"/absolute/path/of/{name}" for name in made.roots},
        "store": "/absolute/path/of/the/store",
    }
    try:
        yield from chosen.files(made)
    except NotAllowedError as error:
        message = f"{error.args[0]!r} would become code of the project, and it is not made of plain characters"
        raise TlimbError(Problem("not-emitted", message, "/execution", on_key=True), ExitCode.POLICY) from error
    yield from plan_files(made)
    yield from ((name, (text,)) for name, text in sorted(made.code.items()))
    yield "places.example.json", (json.dumps(example, indent=2, sort_keys=True) + "\n",)


def write_project(
    files: Iterable[tuple[str, Iterable[str]]], folder: Path, *, force: bool = False, private: Path | None = None
) -> int:
    """Write a project, and take away what an earlier emission left; return the number of files.

    Args:
        files: path and pieces of text of each file.
        folder: where the project is written.
        force: write over what tlimb did not write.
        private: folder that remembers that these manifests need no check; None for no memory.

    Raises:
        TlimbError: the folder holds files that tlimb did not write, or that were changed since.
        OSError: the folder cannot be written.
    """
    before, half = _index(folder), (folder / BEGUN).exists()
    texts = {name: "".join(pieces).encode() for name, pieces in files}
    hashes = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    listed = canonical(hashes).encode()
    if not force:
        _refuse_foreign(folder, texts, before)
    _refuse_links(folder, chain(texts, before))
    folder.mkdir(parents=True, exist_ok=True)
    disk.write_atomically(folder / BEGUN, listed)
    made: set[str] = set()
    for name, text in texts.items():
        path = f"{folder}/{name}"
        known = not force and not half and before.get(name) == {hashes[name]}
        if known and os.path.exists(path):  # noqa: PTH110 -- as below
            continue
        above = os.path.dirname(path)  # noqa: PTH120 -- pathlib doubles the time for a plan of 100,000 runs
        if above not in made:
            Path(above).mkdir(parents=True, exist_ok=True)
            made.add(above)
        with open(path, "wb", opener=disk.unlinked) as file:
            file.write(text)
    for name in sorted(before.keys() - hashes.keys()):
        (folder / name).unlink(missing_ok=True)
    disk.write_atomically(folder / INDEX, listed)
    (folder / BEGUN).unlink()
    Checked(private).note(hashes[name] for name in hashes if name.startswith(MANIFESTS))
    return len(texts) + 1


def unstartable(chosen: Backend, folder: Path) -> Iterator[Problem]:
    """Warn of a folder whose path the engine cannot take, before somebody copies commands out of its README."""
    path = str(folder.resolve())
    if chosen.capabilities.plain_paths and not PATH.match(path):
        odd = "".join(sorted({letter for letter in path if not PATH.match(f"/{letter}")}))
        message = f"a project of {chosen.name} cannot be started in {path!r}: its path holds {odd!r}"
        help_ = "emit into a folder whose path is of letters, digits and _ . / @ + = - only:   -o FOLDER"
        yield Problem("path-not-allowed", message, severity=Severity.WARNING, help=help_)


def _index(folder: Path) -> dict[str, set[str]]:
    """Return what tlimb wrote into a folder, path -> sha256; two of them where an emission was interrupted.

    A list that is damaged says nothing, and a path in it that leads out of the folder is nobody's.
    """
    found: dict[str, set[str]] = {}
    for name in (INDEX, BEGUN):
        try:
            listed = json.loads((folder / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            continue
        for path, digest in listed.items() if isinstance(listed, dict) else ():
            if isinstance(digest, str) and ".." not in Path(path).parts and not Path(path).is_absolute():
                found.setdefault(path, set()).add(digest)
    return found


def _refuse_foreign(folder: Path, texts: Mapping[str, bytes], before: Mapping[str, set[str]]) -> None:
    """Refuse to write over what tlimb did not write, or what somebody has edited since; nothing is written yet."""
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        # Nothing can be in the way, and asking for each of 100,000 files takes seconds.
        return
    wrong = [(name, False) for name in _in_the_way(folder, texts)]
    for name in chain(texts, before.keys() - texts.keys()):
        try:
            with open(f"{folder}/{name}", "rb", opener=disk.unlinked) as file:
                data = file.read()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EISDIR):
                raise
            wrong.append((name, False))
            continue
        known = before.get(name, ())
        # An emission that was interrupted has left the beginning of a file.
        begun = bool(known) and texts.get(name, b"").startswith(data)
        if hashlib.sha256(data).hexdigest() not in known and not begun:
            wrong.append((name, bool(known)))
    if wrong:
        name, edited = wrong[0]
        others = len(set(wrong)) - 1
        more = f", and {others} more" if others else ""
        reason = "was changed since tlimb wrote it" if edited else "was not written by tlimb"
        help_ = ("emit into another folder:   -o FOLDER", "or write over it:   --force")
        raise TlimbError(Problem("not-ours", f"`{name}` {reason}{more}", help=help_), ExitCode.CANNOT_WRITE)


def _in_the_way(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """Return what is no folder, or a link, where a folder of the project would be made."""
    for name in _folders(names):
        path = folder / name
        if os.path.lexists(path) and (path.is_symlink() or not path.is_dir()):
            yield name.as_posix()


def _refuse_links(folder: Path, names: Iterable[str]) -> None:
    """Refuse folders of a project that are links, `--force` or not: files elsewhere would be written and removed.

    Raises:
        TlimbError: there is one; nothing is written yet.
    """
    for name in _folders(names):
        if (folder / name).is_symlink():
            help_ = ("remove the link", "or emit into another folder:   -o FOLDER")
            raise TlimbError(Problem("not-ours", f"`{name}` is a link", help=help_), ExitCode.CANNOT_WRITE)


def _folders(names: Iterable[str]) -> list[Path]:
    """Return the folders of some files below a project's own."""
    above = {Path(one) for one in {os.path.dirname(name) for name in names}}  # noqa: PTH120 -- as above
    return sorted({name for one in above for name in (one, *one.parents)} - {Path()})


def write_places(folder: Path, place: Project) -> Path:
    """Write where things lie on this machine, for the runs of a project; no part of the project."""
    content = {
        "code": str((folder / "code").resolve()),
        "private": str(place.private),
        "roots": {name: str(path) for name, path in sorted(place.roots.items())},
        "store": str(place.store),
        "weights": {digest: str(path) for digest, path in sorted(place.weights.items())},
    }
    path = folder / OWN_PLACES
    disk.make_below(folder, path.parent)
    disk.write_atomically(path, (json.dumps(content, indent=2) + "\n").encode(), 0o600)
    return path
