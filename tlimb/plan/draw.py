"""The plan as a picture: groups of equal nodes, for Mermaid, Graphviz, or any program by JSON.

A study of a thousand runs is drawn with one box a stage; edges say how many runs of the lower box start from how
many of the upper.
"""

from collections.abc import Mapping

from attrs import frozen

from tlimb.manifest import Json, Kind, Manifest
from tlimb.manifest.contents import CONTENTS
from tlimb.manifest.fields import Digest, entry
from tlimb.plan.plan import Plan

_SHAPES = {
    Kind.PREPARE: ("[(", ")]", "cylinder"),
    Kind.SELECT: ("{{", "}}", "diamond"),
    Kind.PREDICT: ("([", "])", "ellipse"),
}
"""Shape of a kind's box, for Mermaid and for Graphviz."""
_BOX = ("[", "]", "box")


@frozen
class Box:
    """A group of nodes that are drawn as one."""

    name: str
    kind: Kind
    count: int
    gated: int


@frozen
class Use:
    """One purpose that a node serves: names for people, of which each kind of node has some."""

    study: str = entry("Name of the study.")
    dataset: str | None = entry("Of a cache fill: name of the dataset.", default=None)
    stage: str | None = entry("Name of the stage.", default=None)
    test: str | None = entry("Name of the test.", default=None)
    row: Mapping[str, str] | None = entry("What is compared: place in the spec -> label.", default=None)
    configuration: Mapping[str, str] | None = entry("What is searched: place in the spec -> label.", default=None)
    replicate: int | None = entry("Repetition, from 0.", default=None, minimum=0)
    trial: int | None = entry("Draw of a random search, from 0.", default=None, minimum=0)
    fold: str | tuple[int, ...] | None = entry(
        "Of a training its fold's name; of what follows from tests the position of the fold in each split that has"
        " folds, from 0.",
        default=None,
        items={"minimum": 0},
    )
    inner: int | None = entry("Inner fold, from 0.", default=None, minimum=0)
    refit: bool | None = entry(
        "Whether a chosen configuration is trained again on the whole training part.", default=None
    )
    configurations: int | None = entry("Of a selection: number of configurations.", default=None, minimum=1)


@frozen
class Node:
    """One run."""

    work: Digest = entry("Its work: sha256 of the canonical form of what decides its result.")
    kind: Kind = entry("Its kind.")
    gated: bool = entry("Whether it runs only if a selection chooses its configuration.")
    uses: tuple[Use, ...] = entry("What the study needs it for: equal work of several purposes is one node.")


@frozen
class Drawing:
    """Every run of a study, and what waits for what."""

    study: str = entry("Name of the study.")
    nodes: tuple[Node, ...] = entry("The runs, parents first.")
    edges: tuple[tuple[Digest, Digest], ...] = entry("Pairs of works: the second one waits for the first one.")


def boxes(plan: Plan) -> tuple[dict[str, Box], dict[tuple[str, str], int]]:
    """Give the boxes by key, and the number of edges between each pair of them."""
    keys = {node.work: _key(node) for node in plan.graph}
    found: dict[str, Box] = {}
    for node in plan.graph:
        key = keys[node.work]
        old = found.get(key, Box(key.partition("/")[2], node.kind, 0, 0))
        found[key] = Box(old.name, old.kind, old.count + 1, old.gated + bool(node.gates))
    edges: dict[tuple[str, str], int] = {}
    for node in plan.graph:
        for parent in plan.graph.needed(node):
            if parent in keys and keys[parent] != keys[node.work]:
                pair = (keys[parent], keys[node.work])
                edges[pair] = edges.get(pair, 0) + 1
    return found, edges


def _key(node: Manifest) -> str:
    use = node.uses[0] if node.uses else {}
    match node.kind:
        case Kind.PREPARE:
            return f"prepare/volumes of {use.get('dataset', '')}"
        case Kind.SELECT:
            return f"select/best {use.get('stage', '')}"
        case Kind.FIT:
            return f"fit/{use.get('stage', '')}{' refit' if use.get('refit') else ''}"
        case _:
            return f"{node.kind}/{use.get('test', use.get('stage', ''))}"


def _text(box: Box) -> str:
    if box.kind is Kind.PREPARE:
        return box.name
    waits = f", {box.gated} wait for selection" if box.gated else ""
    return f"{box.name}: {box.count} {CONTENTS[box.kind].words[1]}{waits}"


def mermaid(plan: Plan) -> str:
    """Give a Mermaid flowchart."""
    found, edges = boxes(plan)
    ids = {key: f"n{position}" for position, key in enumerate(found)}
    text = ["flowchart LR"]
    for key, box in found.items():
        left, right, _ = _SHAPES.get(box.kind, _BOX)
        label = _text(box).replace('"', "'")
        text.append(f'  {ids[key]}{left}"{label}"{right}')
    text += [f"  {ids[a]} --> {ids[b]}" for a, b in edges]
    return "\n".join(text) + "\n"


def dot(plan: Plan) -> str:
    """Give a Graphviz digraph."""
    found, edges = boxes(plan)
    ids = {key: f"n{position}" for position, key in enumerate(found)}
    text = ["digraph study {", "  rankdir=LR;"]
    for key, box in found.items():
        label = _text(box).replace("\\", "\\\\").replace('"', '\\"')
        text.append(f'  {ids[key]} [shape={_SHAPES.get(box.kind, _BOX)[2]}, label="{label}"];')
    text += [f"  {ids[a]} -> {ids[b]};" for a, b in edges]
    return "\n".join([*text, "}"]) + "\n"


def as_json(plan: Plan) -> Mapping[str, Json]:
    """Return nodes and edges, every run by itself, as `schema/v1/plan.json` describes them."""
    from tlimb.manifest.structure import structure, unstructure

    nodes = (
        Node(Digest(one.work), one.kind, bool(one.gates), tuple(structure(use, Use) for use in one.uses))
        for one in plan.graph
    )
    edges = ((parent, one.work) for one in plan.graph for parent in plan.graph.needed(one))
    pairs = tuple((Digest(parent), Digest(work)) for parent, work in edges)
    found: Mapping[str, Json] = unstructure(Drawing(plan.study.name, tuple(nodes), pairs))
    return found
