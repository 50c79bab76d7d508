"""The folder `.tlimb` beside a spec: where it is and what its catalogue says, at the cost of a look."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlimb.language.source import Source
from tlimb.version import __version__

FOLDER, SCHEMA, CATALOGUE = ".tlimb", "schema.json", "catalogue.json"
_MODELINE = re.compile(r"^#\s*yaml-language-server:\s*\$schema=(\S+)", re.MULTILINE)


def home(source: Source) -> Path:
    """Return the folder of the editor's files: where the spec's first line points, else upward, else beside it.

    It is a `.tlimb` in the spec's folder or above: a spec of somebody else cannot name a schema of another project.
    """
    base = source.path.resolve().parent
    line = _MODELINE.search(source.text)
    if line is not None and "://" not in line[1]:
        named = Path(os.path.normpath(base / line[1]))
        if named.parts[-2:] == (FOLDER, SCHEMA) and named.parent.parent in (base, *base.parents):
            return named.parent
    return above(base) or base / FOLDER


def above(base: Path) -> Path | None:
    """Give the nearest `.tlimb` folder with a catalogue, from a folder upward; None when there is none."""
    found = (folder / FOLDER for folder in (base, *base.parents))
    return next((folder for folder in found if (folder / CATALOGUE).is_file()), None)


def stored(folder: Path | None) -> Mapping[str, Any]:
    """Give the catalogue of a folder; empty when there is none or it is no catalogue of this version."""
    try:
        content = json.loads((folder / CATALOGUE).read_text(encoding="utf-8")) if folder is not None else {}
    except (OSError, ValueError):
        return {}
    fits = (
        isinstance(content, dict) and content.get("version") == __version__ and isinstance(content.get("kinds"), dict)
    )
    return content if fits else {}


def there(source: Source) -> bool:
    """Say whether an editor's files lie there, so that what makes and reads them is worth loading."""
    folder = home(source)
    return (folder / SCHEMA).is_file() or (folder / CATALOGUE).is_file()
