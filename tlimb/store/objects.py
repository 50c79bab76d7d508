"""Finished work: folders that appear whole, by one rename, and are verified whenever they are used.

`result.json` is written last and lists the sha256 of every artefact and of itself, so an object exists if and
only if it is complete, and any changed byte is seen.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from tlimb.manifest import canonical, digest
from tlimb.manifest.parsing import MOST_BYTES, check_format, parse_object
from tlimb.store import disk
from tlimb.store.documents.passport import PASSPORT, read_passport
from tlimb.store.documents.result import FORMAT, Result, result_of

RESULT = "result.json"


@frozen
class Published:
    """What became of a staged object.

    Attributes:
        path: folder of the object that counts from now on.
        won: this process's bytes are the ones that count.
        nondeterminism: another process had published other bytes for equal work in an equal environment;
            ours are kept in quarantine.
    """

    path: Path
    won: bool
    nondeterminism: bool = False


def seal(staged: Path, result: Mapping[str, Any]) -> Result:
    """Finish a staged object: list its files with their sha256 and write `result.json` last.

    Args:
        staged: folder with all artefacts.
        result: JSON object; `format`, `files` and `digest` are added to it.

    Returns:
        What was written.

    Raises:
        ValueError: it is not of the form of its kind's result.
    """
    files = {name: disk.sha256(staged / name) for name in disk.names(staged)}
    body = {**result, "format": FORMAT, "files": files}
    whole = {**body, "digest": digest(body)}
    sealed = result_of(whole, staged / RESULT)
    for name in files:
        disk.seal(staged / name)
    disk.write(staged / RESULT, _written(whole))
    disk.seal(staged / RESULT)
    disk.flush_folder(staged)
    return sealed


def read_result(folder: Path) -> Result:
    """Read an object's `result.json`.

    Raises:
        NewerFormatError: a newer tlimb wrote it; whether it is intact is not known.
        ValueError: it is damaged.
        OSError: it cannot be read.
    """
    # From the store on: who reads the message of a run need not see whose folder the store is in.
    path = Path(*(folder / RESULT).parts[-4:])
    try:
        data = disk.read(folder / RESULT, MOST_BYTES)
        whole = parse_object(data)
        check_format(whole, FORMAT, path)
        body = {name: value for name, value in whole.items() if name != "digest"}
        intact = digest(body) == whole.get("digest") and data == _written(whole)
    except ValueError as error:
        raise ValueError("result.json is damaged") from error
    if not intact:
        raise ValueError("result.json is damaged: its digest does not fit")
    try:
        return result_of(whole, path)
    except ValueError as error:
        raise ValueError(f"result.json is damaged: {error}") from error


def _written(whole: Mapping[str, Any]) -> bytes:
    return (canonical(dict(whole)) + "\n").encode()


def check(folder: Path) -> Result:
    """Verify every artefact of an object and give its result.

    Raises:
        NewerFormatError: a newer tlimb wrote its result or its passport.
        ValueError: an artefact is missing, too many or changed; the message names it.
        OSError: something cannot be read.
    """
    result = read_result(folder)
    present = [name for name in disk.names(folder) if name != RESULT]
    for name in sorted({*present, *result.files}):
        if name not in result.files:
            raise ValueError(f"{name} is not listed in result.json")
        try:
            found = disk.sha256(folder / name)
        except FileNotFoundError:
            raise ValueError(f"{name} is missing") from None
        if found != result.files[name]:
            raise ValueError(f"{name} is damaged: its sha256 does not fit")
    if PASSPORT in result.files:
        read_passport(folder)
    return result


@contextmanager
def staging(tmp: Path) -> Iterator[Path]:
    """Give a fresh folder to build an object in; what is left of it is removed at the end."""
    folder = disk.make(tmp / f"stage-{secrets.token_hex(8)}")
    try:
        yield folder
    finally:
        if folder.exists():
            disk.remove_tree(folder)
