"""A plan as files: manifests by digest, and tables of runs and edges that engines and people read."""

import csv
import io
from collections.abc import Iterable, Iterator

from tlimb.manifest import Graph, Manifest, canonical

RUN_COLUMNS = ("work", "kind", "stage", "test", "row", "configuration", "replicate", "fold", "inner", "gated")

SINGLE_FILES = 20_000
"""Most nodes for which each manifest also gets a file of its own."""


def manifest_path(work: str) -> str:
    """Give the path of a manifest inside a plan folder."""
    return f"manifests/{work[:2]}/{work}.json"


def files(graph: Graph) -> Iterator[tuple[str, Iterable[str]]]:
    """Give path and pieces of text of every file of a plan folder, in a fixed order.

    The manifests stand in one file, a line each, parents first; each also has a file of its own, but in plans of
    more than `SINGLE_FILES` nodes: file systems of clusters count files.
    """
    yield "runs.csv", (runs_csv(graph),)
    yield "edges.csv", (edges_csv(graph),)
    yield "manifests.jsonl", (manifest_text(node) for node in graph)
    if len(graph) <= SINGLE_FILES:
        yield from ((manifest_path(node.work), (manifest_text(node),)) for node in graph)


def manifest_text(node: Manifest) -> str:
    """Give a manifest as its file holds it."""
    return canonical(node.to_json()) + "\n"


def runs_csv(graph: Graph) -> str:
    """Give one line a node, its first use described."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(RUN_COLUMNS)
    for node in graph:
        writer.writerow(_run_line(node))
    return text.getvalue()


def _run_line(node: Manifest) -> list[str]:
    use = node.uses[0] if node.uses else {}
    return [
        node.work,
        node.kind.value,
        cell(use.get("stage", use.get("dataset", ""))),
        cell(use.get("test", "")),
        cell("; ".join(f"{place}={label}" for place, label in use.get("row", {}).items())),
        cell("; ".join(f"{place}={label}" for place, label in use.get("configuration", {}).items())),
        cell(use.get("replicate", "")),
        cell(use.get("fold", "")),
        cell(use.get("inner", "")),
        "yes" if node.gates else "no",
    ]


def cell(value: object) -> str:
    """Give a cell that no spreadsheet takes for a formula."""
    text = "/".join(str(item) for item in value) if isinstance(value, list) else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def edges_csv(graph: Graph) -> str:
    """Give one line for each pair of nodes of which the second waits for the first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("work", "role", "parent"))
    for node in graph:
        for role, parents in sorted(node.hashed.get("parents", {}).items()):
            for parent in _flat(parents):
                writer.writerow((node.work, role, parent))
        for gate in node.gates:
            writer.writerow((node.work, f"gate:{gate.candidate}", gate.select))
        for work in node.after:
            writer.writerow((node.work, "after", work))
    return text.getvalue()


def _flat(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _flat(item)
