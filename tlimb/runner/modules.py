"""Which modules of ours a graph needs, so that the warm parent can import them once."""

from typing import Any

from tlimb.manifest import Graph


def modules_of(graph: Graph) -> list[str]:
    """Give the modules of our own components that the graph's manifests name, for the warm parent to import."""
    found: set[str] = set()
    for manifest in graph:
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
