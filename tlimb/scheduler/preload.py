"""Which modules of ours a graph needs, so that the process that forks can import them once, and no others.

A task of an engine is often one test or one cache fill, and importing what trains takes longer than either.
"""

from collections.abc import Iterator

from tlimb.manifest import Component, Graph, Json
from tlimb.protocol.executors import EXECUTORS

OURS = "tlimb.components."


def modules_of(graph: Graph) -> list[str]:
    """Return the modules of our own that the graph's manifests need, for the process that forks their children."""
    found: set[str] = set()
    for manifest in graph:
        if manifest.kind in EXECUTORS:
            found.add(EXECUTORS[manifest.kind])
            for component in manifest.content.components:
                found.update(path.rpartition(".")[0] for path in _classes(component) if path.startswith(OURS))
    return sorted(found)


def _classes(component: Component) -> Iterator[str]:
    yield component.path
    yield from _inside(component.options)


def _inside(value: Json) -> Iterator[str]:
    """Go through the class paths of components inside options."""
    if isinstance(value, dict):
        if isinstance(value.get("class"), str):
            yield value["class"]
        for inner in value.values():
            yield from _inside(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _inside(inner)
