"""A plan as files: manifests by digest, and tables of runs and edges that engines and people read."""

import csv
import io
from collections.abc import Iterable, Iterator

from tlimb.manifest import Graph, Json, Kind, Manifest, canonical

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
    texts = Texts(graph)
    yield "manifests.jsonl", (texts.of(node) for node in graph)
    if len(graph) <= SINGLE_FILES:
        yield from ((manifest_path(node.work), (texts.of(node),)) for node in graph)


class Texts:
    """Canonical texts of a graph's manifests; what many runs share is encoded once.

    The planner gives equal parts of manifests as one object, so a part is known by its identity for as long as the
    graph, which is kept here, holds it.
    """

    def __init__(self, graph: Graph) -> None:
        """Start without any text."""
        self.graph = graph
        self._parts: dict[int, str] = {}

    def of(self, node: Manifest, *, bare: bool = False) -> str:
        """Give a manifest of the graph as its file holds it: `canonical` of its JSON, and a line's end.

        Args:
            node: a node of the graph.
            bare: leave out what it is used for, so that a new name for it makes no other file.
        """
        uses = "" if bare else ",".join([canonical(use) for use in node.uses])
        gates = ",".join([f'["{gate.select}",{gate.candidate}]' for gate in node.gates])
        after = ",".join([f'"{work}"' for work in node.after])
        lineage = f'"lineage":{canonical(node.lineage)},' if node.lineage else ""
        return (
            f'{{"after":[{after}],"gates":[{gates}],"hashed":{self._hashed(node)},{lineage}"tlimb":1,'
            f'"uses":[{uses}],"work":"{node.work}"}}\n'
        )

    def _hashed(self, node: Manifest) -> str:
        hashed = node.hashed
        if node.kind is not Kind.FIT:
            return canonical(hashed)
        return "{" + ",".join([f'"{name}":{self._part(hashed[name])}' for name in sorted(hashed)]) + "}"

    def _part(self, value: Json) -> str:
        text = self._parts.get(id(value))
        if text is None:
            text = self._parts[id(value)] = canonical(value)
        return text


def runs_csv(graph: Graph) -> str:
    """Give one line a node, its first use described."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(RUN_COLUMNS)
    writer.writerows(map(_run_line, graph))
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
    writer.writerows(line for node in graph for line in _edges(node))
    return text.getvalue()


def _edges(node: Manifest) -> Iterator[tuple[str, str, str]]:
    for role, parents in sorted(node.hashed.get("parents", {}).items()):
        for parent in _flat(parents):
            yield node.work, role, parent
    for gate in node.gates:
        yield node.work, f"gate:{gate.candidate}", gate.select
    for work in node.after:
        yield node.work, "after", work


def _flat(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _flat(item)
