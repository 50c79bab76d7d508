"""Which trainings of a graph are alike, so that two batches of one stand for all; imports no torch."""

from typing import Any

from tlimb.manifest import Fit, Graph, Kind, Manifest
from tlimb.manifest.alike import Alike
from tlimb.problems import ExitCode
from tlimb.store import Store

MANY = 8
"""With fewer trainings to do a check is not worth its time: the first run finds the fault as soon."""


def kinds(graph: Graph, store: Store) -> list[list[Manifest]]:
    """Return the trainings that are to do, those that are alike together; empty where they are few.

    Alike are trainings as `tlimb.manifest.alike` has it, on images of one size: what fails for one on two batches fails
    for all. One that is alone in its kind is not given, since its check would be half of what it finds.
    """
    todo = [node for node in graph if node.kind is Kind.FIT and not node.gates and not store.has(node.work)]
    if len(todo) < MANY:
        return []
    alike = Alike()
    found: dict[tuple[Any, ...], list[Manifest]] = {}
    for node in todo:
        fit = node.as_a(Fit)
        found.setdefault((alike.key(node), fit.inputs, *sorted((*fit.parents, *fit.weights))), []).append(node)
    return [nodes for nodes in found.values() if len(nodes) > 1]


def stands_for_all(code: int) -> bool:
    """Return whether a check that ended so fails its kind.

    Bad images, a full disk and diverging are the affair of single runs; so is a signal from outside.
    """
    if code in (ExitCode.USAGE, ExitCode.BACKEND_MISSING, ExitCode.INTERNAL, ExitCode.POLICY):
        return True
    return code >= 128 and code - 128 not in (2, 15)
