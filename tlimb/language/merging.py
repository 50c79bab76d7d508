"""How `defaults`, `like` and own keys make one stage or dataset, with every key's origin kept.

Blocks merge key by key; components, lists and names are replaced whole; keys that exclude each other
(`dataset` and `datasets`, `objective` and `heads`, `epochs` and `steps`) replace each other.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from tlimb.language.source import Tree

EXCLUSIVE = {
    "dataset": "datasets",
    "datasets": "dataset",
    "objective": "heads",
    "heads": "objective",
    "epochs": "steps",
    "steps": "epochs",
}
BLOCKS = ("trainer", "freeze", "adapt")
NOT_INHERITED = ("like", "where")


@frozen
class Written:
    """A key's value and the prefix of the place it was written at."""

    tree: "Tree"
    place: str


Layer = dict[str, "Written | Layer"]


@frozen
class Merged:
    """The keys of one block after merging, and by attribute what is known of it that no one writes."""

    layer: Layer
    filled: Mapping[str, Any]


def layer_of(tree: "Tree", prefix: str, blocks: Iterable[str] = BLOCKS) -> Layer:
    """Read the keys of one mapping; the keys named in `blocks` become layers of their own."""
    found: Layer = {}
    for entry in tree.entries if tree.kind == "mapping" else ():
        place = f"{prefix}/{entry.key}"
        if entry.key in blocks and entry.value.kind == "mapping":
            found[entry.key] = layer_of(entry.value, place, ())
        else:
            found[entry.key] = Written(entry.value, place)
    return found


def over(upper: Layer, lower: Layer) -> Layer:
    """Lay one layer over another."""
    merged = {key: found for key, found in lower.items() if EXCLUSIVE.get(key) not in upper}
    for key, found in upper.items():
        below = merged.get(key)
        both = isinstance(found, dict) and isinstance(below, dict)
        merged[key] = over(found, below) if both else found  # type: ignore[arg-type]
    return merged


def inherited(
    name: str, trees: Mapping[str, "Tree"], prefix: str, blocks: Iterable[str] = BLOCKS
) -> tuple[Layer, list[str]]:
    """Give a stage's or dataset's keys after `like`, and the names it went through, itself first.

    A cycle or a dangling name ends the chain; the rules report it.
    """
    chain: list[str] = []
    layers: list[Layer] = []
    current: str | None = name
    while current is not None and current in trees and current not in chain:
        chain.append(current)
        tree = trees[current]
        layers.append(layer_of(tree, f"{prefix}/{current}", blocks))
        like = tree.get("like")
        current = like.value if like is not None and isinstance(like.value, str) else None
    merged = layers[-1]
    for index in range(len(layers) - 1, 0, -1):
        merged = over(layers[index - 1], {k: v for k, v in merged.items() if k not in NOT_INHERITED})
    own = layers[0].get("like")
    if own is not None:
        merged["like"] = own
    return merged, chain


def origins(layer: Layer, prefix: str = "") -> dict[str, str]:
    """Give for each key (`trainer/epochs` for those of blocks) the pointer at which it is written."""
    found: dict[str, str] = {}
    for key, written in layer.items():
        if isinstance(written, dict):
            found |= origins(written, f"{prefix}{key}/")
        else:
            found[prefix + key] = written.tree.pointer
    return found
