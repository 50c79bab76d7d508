"""What the candidates of a selection descend from: one whose ancestor has diverged will never be there to be chosen."""

from collections.abc import Iterable, Mapping

from tlimb.manifest import Manifest


def lineages(
    nodes: Mapping[str, Manifest], candidates: Iterable[str], known: dict[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Return the fits that each candidate of a selection descends from, without those that descend from none.

    Args:
        nodes: the fits, by their work.
        candidates: works of the selection's candidates.
        known: what was found for other selections; it grows.
    """

    def above(work: str) -> tuple[str, ...]:
        if work not in known:
            parents = nodes[work].content.ancestors
            known[work] = tuple(dict.fromkeys(one for parent in parents for one in (parent, *above(parent))))
        return known[work]

    return {work: above(work) for work in candidates if above(work)}
