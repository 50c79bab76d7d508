"""Which modules of ours a graph needs, so that the warm parent can import them once, and no others.

A task of an engine is often one test or one cache fill, and importing what trains takes longer than either.
"""

from typing import Any

from tlimb.manifest import Graph, Kind

NOT_TRAINING = "tlimb.runner.nodes"
RUNNERS = {
    Kind.PREPARE: NOT_TRAINING,
    Kind.FIT: "tlimb.runner.fit",
    Kind.PREDICT: NOT_TRAINING,
    Kind.SELECT: NOT_TRAINING,
}
"""Where the function of a kind's name is that does a node of it."""


def modules_of(graph: Graph) -> list[str]:
    """Give the modules of our own that the graph's manifests need, for the warm parent to import."""
    found: set[str] = set()
    for manifest in graph:
        found.update({RUNNERS[manifest.kind]} if manifest.kind in RUNNERS else ())
        _collect(dict(manifest.hashed), found)
    return sorted(found)


def _collect(value: Any, found: set[str]) -> None:
    if isinstance(value, dict):
        path = value.get("class")
        if isinstance(path, str) and path.startswith("tlimb.components."):
            found.add(path.rpartition(".")[0])
        for inner in value.values():
            _collect(inner, found)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, found)
