"""What the candidates of a selection descend from: one whose ancestor has diverged will never be there to be chosen."""

from collections.abc import Mapping
from typing import Any


def lineages(
    hashed: Mapping[str, Mapping[str, Any]], select: str, known: dict[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Give the fits that each candidate of a selection descends from, without those that descend from none.

    Args:
        hashed: content of every node, by its work.
        select: the selection's work.
        known: what was found for other selections; it grows.
    """

    def above(work: str) -> tuple[str, ...]:
        if work not in known:
            roles = hashed[work].get("parents", {}).items()
            parents = [parent for role, parent in roles if role != "epochs_from"]
            known[work] = tuple(dict.fromkeys(one for parent in parents for one in (parent, *above(parent))))
        return known[work]

    candidates = (work for works in hashed[select]["parents"]["candidates"] for work in works)
    return {work: above(work) for work in candidates if above(work)}
