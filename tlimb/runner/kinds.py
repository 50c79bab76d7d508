"""Which trainings of a graph are alike, so that two batches of one stand for all; imports no torch."""

from typing import Any

from tlimb.manifest import Graph, Kind, Manifest, digest
from tlimb.problems import ExitCode
from tlimb.store import Store

MANY = 8
"""With fewer trainings to do a check is not worth its time: the first run finds the fault as soon."""
VERBATIM = frozenset({"architecture", "data", "inputs"})
"""Parts of a manifest whose numbers decide shapes and memory."""
LEFT_OUT = frozenset({"seed", "views", "parents", "weights", "facts"})


def kinds(graph: Graph, store: Store) -> list[list[Manifest]]:
    """Give the trainings that are to do, those that are alike together; empty where they are few.

    Alike are trainings of equal classes, architecture, data module, image size, and batch that differ in people,
    seed, weights and numbers of their options: what fails for one on two batches fails for all. One that is alone
    in its kind is not given, since its check would be half of what it finds.
    """
    todo = [node for node in graph if node.kind is Kind.FIT and not node.gates and not store.has(node.work)]
    if len(todo) < MANY:
        return []
    found: dict[str, list[Manifest]] = {}
    for node in todo:
        found.setdefault(digest(_shape(dict(node.hashed))), []).append(node)
    return [alike for alike in found.values() if len(alike) > 1]


def stands_for_all(code: int) -> bool:
    """Say whether a check that ended so fails its kind.

    Bad images, a full disk and diverging are the affair of single runs; so is a signal from outside.
    """
    if code in (ExitCode.USAGE, ExitCode.BACKEND_MISSING, ExitCode.INTERNAL, ExitCode.POLICY):
        return True
    return code >= 128 and code - 128 not in (2, 15)


def _shape(hashed: dict[str, Any]) -> dict[str, Any]:
    trainer = hashed.get("trainer") or {}
    sizes = {key: trainer.get(key) for key in ("batch_size", "accumulate", "precision", "threads", "device", "devices")}
    outputs = [len((head.get("facts") or {}).get("classes") or ()) for head in hashed.get("heads") or ()]
    parents = sorted((*(hashed.get("parents") or {}), *(hashed.get("weights") or {})))
    rest = {key: _masked(value) for key, value in hashed.items() if key not in VERBATIM | LEFT_OUT | {"trainer"}}
    return {**rest, **{key: hashed.get(key) for key in VERBATIM}, "sizes": sizes, "outputs": outputs, "from": parents}


def _masked(value: Any) -> Any:
    """Replace numbers by a mark: they are what searches vary, and change no shape."""
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items() if key not in LEFT_OUT}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else value
