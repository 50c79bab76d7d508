"""Files of manifests: each is valid by its schema, and has the digest that it says, before anything is done with it."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from tlimb.backends.checked_manifests import Checked
from tlimb.manifest import Json, Manifest
from tlimb.manifest.node import FORMAT
from tlimb.manifest.parsing import check_format, parse
from tlimb.problems import ExitCode, Place, Problem, Span, TlimbError

MOST_FAULTS = 1000
HELP = "write manifests anew: tlimb plan SPEC -o DIR"


def read_files(paths: Iterable[Path], private: Path | None) -> dict[str, Manifest]:
    """Read manifests by work; a file holds one (.json) or one a line (.jsonl).

    Args:
        paths: the files.
        private: folder that remembers which files were checked; None for no memory.

    Raises:
        NewerFormatError: a newer tlimb wrote one.
        TlimbError: some are not valid (65); a file cannot be read, or was edited (64).
    """
    nodes: dict[str, Manifest] = {}
    checked = Checked(private)
    found: list[str] = []
    faults: list[Problem] = []
    for path in paths:
        try:
            data = path.read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            lines = data.splitlines() if path.suffix == ".jsonl" else [data]
            if checked.knows(sha256):
                values: list[Json] = [json.loads(line) for line in lines]
            else:
                values = [parse(line) for line in lines]
                faults += islice(_faults(path, values), MOST_FAULTS - len(faults))
                found.append(sha256)
            nodes |= {node.work: node for node in map(Manifest.from_json, values)} if not faults else {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = Problem("manifest-unreadable", f"{path}: {error}", help=HELP)
            raise TlimbError(problem, ExitCode.USAGE) from error
    if faults:
        raise TlimbError(faults, ExitCode.DATA)
    checked.note(found)
    return nodes


def _faults(path: Path, values: list[Json]) -> Iterator[Problem]:
    """Go through what the schema forbids, each with the line of its manifest and a pointer into it."""
    from tlimb.manifest.faults import manifest_checker
    from tlimb.manifest.validity import manifest_validity

    valid = manifest_validity()
    for number, value in enumerate(values, start=1):
        # What is no format at all is told by the schema.
        with contextlib.suppress(ValueError):
            check_format(value if isinstance(value, dict) else {}, FORMAT, path, "tlimb")
        if valid(value):
            continue
        place = Place(str(path), Span(number, 1, number, 2))
        for fault in manifest_checker()(value):
            yield Problem("manifest-invalid", str(fault), help=HELP, place=place)
