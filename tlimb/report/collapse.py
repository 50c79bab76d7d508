"""What trainings behind a row say of collapsed embeddings and predictions."""

from collections.abc import Iterable, Iterator

from tlimb.report.notes import Tested
from tlimb.report.results import Results
from tlimb.store.documents import FitResult


def collapses(tested: Iterable[Tested], results: Results) -> Iterator[str]:
    """Say which rows rest on a training that had collapsed at its end: their gain is not what it seems.

    Args:
        tested: the arms with their predictions.
        results: gives what each training has noted.
    """
    for one in tested:
        trainings = [works for slot, _ in one.slots.values() for works in [slot.works]]
        found = [said for works in trainings for said in [_said(works, results)] if said]
        if found:
            yield f"COLLAPSED: {one.name} in {len(found)} of {len(trainings)} runs: {found[0]}"


def _said(works: Iterable[str], results: Results) -> str:
    """Give the first word of collapse of a training or of those that it comes from."""
    pending, seen = list(works), set[str]()
    while pending:
        work = pending.pop()
        if work in seen or work not in results.graph.nodes:
            continue
        seen.add(work)
        node = results.graph.nodes[work]
        result = results.result(work)
        said = result.collapsed if isinstance(result, FitResult) else ()
        if said:
            stage = next((f"{use['stage']}: " for use in node.uses if use.get("stage")), "")
            return f"{stage}{said[0]}"
        pending += node.parents
    return ""
