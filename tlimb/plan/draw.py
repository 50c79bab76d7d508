"""The plan as a picture: groups of equal nodes, for Mermaid, Graphviz, or any program by JSON.

A study of a thousand runs is drawn with one box a stage; edges say how many runs of the lower box start from how
many of the upper.
"""

from collections.abc import Mapping

from attrs import frozen

from tlimb.manifest import Json, Manifest
from tlimb.plan.plan import Plan

_SHAPE = {"fit": ("[", "]"), "predict": ("([", "])"), "select": ("{{", "}}"), "prepare": ("[(", ")]")}


@frozen
class Box:
    """A group of nodes that are drawn as one."""

    name: str
    kind: str
    count: int
    gated: int


def boxes(plan: Plan) -> tuple[dict[str, Box], dict[tuple[str, str], int]]:
    """Give the boxes by key, and the number of edges between each pair of them."""
    keys = {node.work: _key(node) for node in plan.graph}
    found: dict[str, Box] = {}
    for node in plan.graph:
        key = keys[node.work]
        old = found.get(key, Box(key.partition("/")[2], node.kind.value, 0, 0))
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
    match node.kind.value:
        case "predict":
            return f"predict/{use.get('test', '')}"
        case "prepare":
            return f"prepare/volumes of {use.get('dataset', '')}"
        case "select":
            return f"select/best {use.get('stage', '')}"
        case _:
            return f"fit/{use.get('stage', '')}{' refit' if use.get('refit') else ''}"


def _text(box: Box) -> str:
    runs = {"fit": "trainings", "predict": "tests", "select": "selections", "prepare": "fill"}[box.kind]
    waits = f", {box.gated} wait for selection" if box.gated else ""
    return f"{box.name}: {box.count} {runs}{waits}" if box.kind != "prepare" else box.name


def mermaid(plan: Plan) -> str:
    """Give a Mermaid flowchart."""
    found, edges = boxes(plan)
    ids = {key: f"n{position}" for position, key in enumerate(found)}
    text = ["flowchart LR"]
    for key, box in found.items():
        left, right = _SHAPE[box.kind]
        label = _text(box).replace('"', "'")
        text.append(f'  {ids[key]}{left}"{label}"{right}')
    text += [f"  {ids[a]} --> {ids[b]}" for a, b in edges]
    return "\n".join(text) + "\n"


def dot(plan: Plan) -> str:
    """Give a Graphviz digraph."""
    found, edges = boxes(plan)
    ids = {key: f"n{position}" for position, key in enumerate(found)}
    shapes = {"fit": "box", "predict": "ellipse", "select": "diamond", "prepare": "cylinder"}
    text = ["digraph study {", "  rankdir=LR;"]
    for key, box in found.items():
        label = _text(box).replace("\\", "\\\\").replace('"', '\\"')
        text.append(f'  {ids[key]} [shape={shapes[box.kind]}, label="{label}"];')
    text += [f"  {ids[a]} -> {ids[b]};" for a, b in edges]
    return "\n".join([*text, "}"]) + "\n"


def as_json(plan: Plan) -> Mapping[str, Json]:
    """Give nodes and edges, every run by itself."""
    return {
        "study": plan.study.name,
        "nodes": [
            {"work": n.work, "kind": n.kind.value, "gated": bool(n.gates), "uses": [dict(use) for use in n.uses]}
            for n in plan.graph
        ],
        "edges": [[parent, node.work] for node in plan.graph for parent in plan.graph.needed(node)],
    }
