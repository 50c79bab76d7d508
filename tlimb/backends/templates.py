"""Templates of a backend, filled with identifiers, numbers and allow-listed strings; nothing else is let in."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tlimb import resources

ALLOWED = re.compile(r"[A-Za-z0-9_.,:;|&*()\[\]@%+=/ -]*\Z")
"""Infrastructure strings: no quote, no dollar, no backslash, no backtick, no control character."""
ENDING = ".j2"


class NotAllowedError(ValueError):
    """A string that must not become text of a project."""


@cache
def environment(folder: str) -> Environment:
    """Give the templates of a backend."""
    made = Environment(
        loader=FileSystemLoader(resources.folder("generators") / folder),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["groovy"] = groovy
    made.filters["allowed"] = allowed
    return made


def allowed(text: str) -> str:
    """Give a string back that may stand in a project.

    Raises:
        NotAllowedError: it has a character that a shell or a template language could read.
    """
    if not ALLOWED.match(text):
        raise NotAllowedError(text)
    return text


def groovy(value: str | None) -> str:
    """Give a string as a Groovy literal, in single quotes, in which nothing is interpolated; None is null.

    The one way in which a string becomes text of a Nextflow project.
    """
    return "null" if value is None else f"'{''.join(map(_escaped, value))}'"


def _escaped(letter: str) -> str:
    known = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if letter in known:
        return known[letter]
    if " " <= letter <= "~":
        return letter
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))


def folder_files(folder: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fill every template of a backend's folder; files without the ending of templates are copied.

    Args:
        folder: name of the folder in `generators/`.
        values: what the templates name; each one is filled with the same values.
    """
    base = resources.folder("generators") / folder
    for path in sorted(_all(base)):
        name = path.relative_to(base).as_posix()
        text = path.read_text(encoding="utf-8")
        if name.endswith(ENDING):
            name = name.removesuffix(ENDING)
            text = environment(folder).get_template(name + ENDING).render(values)
        # A dot file in a source folder would be left out by some packagers.
        yield name.replace("gitignore", ".gitignore") if name == "gitignore" else name, text


def _all(base: Path) -> Iterator[Path]:
    return (path for path in base.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def json_text(value: object) -> str:
    """Give indented JSON with sorted keys, as files for people hold it."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=True) + "\n"
