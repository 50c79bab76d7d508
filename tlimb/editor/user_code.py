"""The study's own components: found in its code folders, among its class paths and installed packages, and described.

Their source is read, not run. Only for classes below a prefix that the caller allows a process of its own imports them
and describes what it finds; what it cannot describe keeps the description from the source.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlimb.describe import installed, static
from tlimb.describe.closure import module_file
from tlimb.describe.loading import grant
from tlimb.language.catalogue import Catalogue
from tlimb.language.naming import class_paths
from tlimb.language.source import Source

MOST_FILES = 2_000
"""Most files of code that are read."""


def folders(source: Source) -> list[Path]:
    """Give the code folders that a spec names."""
    tree = source.root.get("code")
    written = [] if tree is None else [item.value for item in tree.items]
    base = source.path.resolve().parent
    return [path for text in written if isinstance(text, str) and (path := (base / text).resolve()).is_dir()]


def files(places: Sequence[Path]) -> list[tuple[str, Path]]:
    """Give module and file of what lies in code folders: single files, and packages with all that is in them."""
    found: list[tuple[str, Path]] = []
    for folder in places:
        for entry in sorted(folder.iterdir()):
            if entry.suffix == ".py" and entry.stem.isidentifier():
                found.append((entry.stem, entry))
            elif entry.name.isidentifier() and (entry / "__init__.py").is_file():
                for file in sorted(entry.rglob("*.py")):
                    parts = file.relative_to(folder).with_suffix("").parts
                    found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), file))
    return found[:MOST_FILES]


def digest(source: Source, catalogue: Catalogue) -> str:
    """Give the hash of the code that descriptions are made from."""
    places = folders(source)
    used = (module_file(path.rpartition(".")[0], place) for path in class_paths(source, catalogue) for place in places)
    total = hashlib.sha256()
    for file in sorted({*(file for _, file in files(places)), *filter(None, used)}):
        total.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    for offer in installed.offers():
        total.update(f"{offer.kind}\0{offer.path}\0{offer.package}\0".encode())
    return total.hexdigest()


def describe(source: Source, catalogue: Catalogue, allow: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Describe the study's own components as a catalogue holds them: kind -> class path -> listing.

    Args:
        source: the spec.
        catalogue: tlimb's own components.
        allow: module prefixes that may be imported.
    """
    places = folders(source)
    search = [*places, *(Path(entry) for entry in sys.path if entry and Path(entry).is_dir())]
    kinds = dict(sorted(class_paths(source, catalogue).items()))
    kinds |= {offer.path: offer.kind for offer in installed.offers() if offer.path not in kinds}
    for module, file in files(places):
        for path in static.classes(file, module):
            kind = static.kind(path, search)
            if kind is not None:
                kinds.setdefault(path, kind)
    found = {path: listing for path in kinds if (listing := static.component(path, search, kinds[path])) is not None}
    # A class for Lightning follows its rules, which only its source tells; importing it would tell no more.
    imported = {path: kind for path, kind in kinds.items() if kind not in static.FOR_LIGHTNING and grant(path, allow)}
    found |= _imported(imported, places, allow)
    made: dict[str, dict[str, Any]] = {}
    for path, listing in sorted(found.items()):
        made.setdefault(kinds[path], {})[path] = listing
    return made


def named(source: Source, catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """Describe the classes that a spec names by their paths, from their source: kind -> class path -> listing.

    Readers of cohorts are left out: what is known of them is their index. So are classes whose source is not found.
    """
    places = folders(source)
    made: dict[str, dict[str, Any]] = {}
    for path, kind in sorted(class_paths(source, catalogue).items()):
        listing = None
        if kind != "cohort":
            listing = static.component(path, places, kind) or static.component(path, installed.folders(path), kind)
        if listing is not None:
            made.setdefault(kind, {})[path] = listing
    return made


def _imported(kinds: Mapping[str, str], places: Sequence[Path], allow: Sequence[str]) -> dict[str, Any]:
    """Describe classes by importing them in a process of its own; what fails there is left out."""
    if not kinds:
        return {}
    asked = {"kinds": dict(kinds), "folders": [str(place) for place in places], "allow": list(allow)}
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "tlimb.export.own"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    lines = ended.stdout.splitlines()
    return dict(json.loads(lines[-1])) if ended.returncode == 0 and lines else {}
