"""JSON that comes from a file: read within bounds, and in a format that this tlimb knows.

A file may come from a stranger, a broken disk or a newer tlimb. Whatever it holds, reading it ends with a value or with
a ValueError in words; a format that is newer than this tlimb is an error of its own, since such a file is intact.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tlimb.manifest.canonical import Json
from tlimb.problems import ExitCode, Problem, TlimbError

MOST_BYTES = 1 << 24
"""Largest JSON document that is read, bytes."""
MOST_DEPTH = 100
"""Deepest nesting of lists and objects that is read."""


class NewerFormatError(TlimbError):
    """A file is in a format that only a newer tlimb reads; it is left as it is."""

    def __init__(self, path: Path | str, found: int, known: int) -> None:
        """Take the file, the format it is in, and the highest format that this tlimb reads."""
        super().__init__(newer_format(path, found, known), ExitCode.CANNOT_WRITE)


def newer_format(path: Path | str, found: int, known: int) -> Problem:
    """Return the problem of a file in a newer format."""
    message = f"{path} is in format {found}; this tlimb reads format {known} and older ones"
    return Problem(
        "newer-format", message, help="update tlimb: pip install --upgrade tlimb", note="the file was left as it is"
    )


def parse(data: bytes | str, most_bytes: int = MOST_BYTES) -> Json:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is no JSON, holds NaN or an infinity, or is too large or too deep.
    """
    if len(data) > most_bytes:
        raise ValueError(f"the file is larger than {most_bytes} bytes")
    try:
        value = json.loads(data, parse_constant=_refuse)
    except RecursionError:
        raise ValueError(f"lists and objects are nested more than {MOST_DEPTH} deep") from None
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            raise ValueError(f"lists and objects are nested more than {MOST_DEPTH} deep")
        boxes = [one for one in level if isinstance(one, dict | list)]
        level = [inner for box in boxes for inner in (box.values() if isinstance(box, dict) else box)]
    return value


def parse_object(data: bytes | str, most_bytes: int = MOST_BYTES) -> dict[str, Json]:
    """Return the JSON object that a text holds.

    Raises:
        ValueError: as for `parse`, or the value is no object.
    """
    value = parse(data, most_bytes)
    if not isinstance(value, dict):
        raise ValueError("the file must hold a JSON object")
    return value


def check_format(value: Mapping[str, Json], known: int, path: Path | str, key: str = "format") -> int:
    """Return the format that an object is in; one without the key is in format 0, which came before it.

    Args:
        value: the object.
        known: highest format that can be read.
        path: its file, for the message.
        key: the key that holds the format.

    Raises:
        NewerFormatError: the format is higher.
        ValueError: the key holds no format.
    """
    found = value.get(key, 0)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ValueError(f"`{key}` must be a whole number of at least 0")
    if found > known:
        raise NewerFormatError(path, found, known)
    return found


def _refuse(word: str) -> Json:
    raise ValueError(f"{word} is not a number of JSON")
