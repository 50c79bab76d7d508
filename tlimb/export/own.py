"""Describe a user's components by importing them: run as a process of its own, only with what the caller allows.

Reads {kinds, folders, allow} as JSON from standard input and writes class path -> listing as the last line of
standard output. A class that cannot be imported or described is left out.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tlimb.cohorts.reading import Reader
from tlimb.components.discovery import KINDS
from tlimb.describe import DescriptionError
from tlimb.describe.loading import find
from tlimb.export.components import ExportError, listing
from tlimb.problems import TlimbError
from tlimb.training.network.instantiate import open_code


def described(asked: dict[str, Any]) -> dict[str, Any]:
    """Give the listing of each class that can be imported and described."""
    open_code(tuple(Path(folder) for folder in asked["folders"]))
    found: dict[str, Any] = {}
    for path, kind in asked["kinds"].items():
        base: type[Any] | None = Reader if kind == "cohort" else KINDS[kind].base if kind in KINDS else None
        if base is None:
            continue
        try:
            found[path] = {**listing(find(path, base, tuple(asked["allow"]))), "class": path}
        except (TlimbError, DescriptionError, ExportError) as error:
            print(f"{path}: {error}", file=sys.stderr)
    return found


if __name__ == "__main__":
    answer = described(json.load(sys.stdin))
    print(json.dumps(answer))
