"""Write what is generated from the code: catalogue, JSON Schemas and reference; check that they are current.

This is the only room that imports all components, so it needs the run half installed. `python -m tlimb.export`
writes, `--check` only compares and names what is out of date.
"""

import json
import re
from pathlib import Path
from typing import Any

from tlimb import resources
from tlimb.export import pages, reference
from tlimb.export.components import catalogue
from tlimb.language import schema
from tlimb.language.catalogue import from_json
from tlimb.manifest.schema import manifest_schema, schema_of
from tlimb.plan.draw import Drawing
from tlimb.problems.machine import ProblemLine
from tlimb.report.status import Status
from tlimb.report.table import Table
from tlimb.store.documents.schemas import document_schemas


def generate(write: bool = True, folder: Path | None = None) -> list[Path]:
    """Write all generated files, or only compare; give the files that differ from what they should be.

    Args:
        write: write them; otherwise nothing is touched.
        folder: folder of the schemas of version 1; by default the one beside the package.
    """
    folder = folder or resources.folder("schema") / "v1"
    content = {folder / name: text for name, text in files().items()}
    # A wheel has no docs/; a checkout's reference is made from the same catalogue.
    document = folder.parent.parent / "docs" / "language.md"
    if document.is_file():
        known = from_json(json.loads(content[folder / "catalogue.json"]))
        content[document] = reference.put(document.read_text(encoding="utf-8"), reference.reference(known))
        place = document.parent / "reference"
        content |= {place / name: text for name, text in pages.pages(known).items()}
        gone = [path for path in sorted(place.rglob("*.md")) if path not in content]
    else:
        gone = []
    stale = [path for path, text in content.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if write:
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content[path], encoding="utf-8")
        for path in gone:
            path.unlink()
    return [*stale, *gone]


def files() -> dict[str, str]:
    """Give the text of every generated file by name."""
    listed = catalogue()
    known = from_json(listed)
    return {
        "catalogue.json": _text(listed),
        "spec.json": _text(schema.spec(known)),
        **{f"{name}.json": _text(stamped(name, one)) for name, one in schemas().items()},
    }


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas of the JSON files that tlimb writes, by the name of their file, made from their classes."""
    return {
        "manifest": manifest_schema(),
        "plan": schema_of(Drawing, "tlimb plan --format json"),
        "problems": schema_of(ProblemLine, "a line of tlimb validate --format json"),
        "rank": schema_of(Table, "tlimb rank --format json"),
        "status": schema_of(Status, "tlimb status --format json"),
        **document_schemas(),
    }


def stamped(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with the draft that it is written in and an address of its own."""
    return {"$schema": schema.DRAFT, "$id": schema.ID.replace("spec", name), **found}


def _text(content: Any) -> str:
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    return re.sub(r'\{\s+("\$ref": "[^"]+")\s+\}', r"{\1}", text)


def main(arguments: list[str]) -> int:
    """Write the generated files, or with `--check` say which are out of date (exit code 1)."""
    check = "--check" in arguments
    stale = generate(write=not check)
    for path in stale:
        print(f"{'out of date' if check else 'wrote'}: {path}")
    if check and stale:
        print("run: make generate")
    return 1 if check and stale else 0
