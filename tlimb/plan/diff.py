"""What changed since a study was last planned, in the words of the spec and in runs.

The last plan is remembered beside the views, in the private folder. Differences are found on the lowered text of
the spec, so comments and order never count, and on the manifests of runs that stand at the same place of the study.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from tlimb.language.model import Study
from tlimb.language.values import Choice, Range
from tlimb.manifest import Json, canonical
from tlimb.plan.plan import Plan
from tlimb.plan.reach import Reach
from tlimb.problems import Problem, Severity


@frozen
class Change:
    """One difference: a path, and what stood and stands there (None for nothing)."""

    path: str
    old: str | None
    new: str | None


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Give every leaf of JSON-like data by its pointer; lists count as leaves when they hold only scalars."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}/{key}")
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping | list | tuple) for item in value):
        for position, inner in enumerate(value):
            yield from flat(inner, f"{path}/{position}")
    else:
        yield path, canonical(value)


def changes(old: Any, new: Any) -> list[Change]:
    """Give the differing leaves in the order of the new data, removed ones last."""
    before, after = dict(flat(old)), dict(flat(new))
    found = [Change(path, before.get(path), text) for path, text in after.items() if before.get(path) != text]
    found += [Change(path, text, None) for path, text in before.items() if path not in after]
    return found


def memory(plan: Plan, spec: Any) -> dict[str, Json]:
    """Give what is remembered of a plan for the next comparison."""
    return {
        "spec": spec,
        "draws": {place: sign for place, (sign, _) in drawn(plan.study).items()},
        "runs": {_position(use): node.work for node in plan.graph for use in node.uses},
        "hashed": {node.work: node.hashed for node in plan.graph if node.kind == "fit"},
    }


def drawn(study: Study) -> dict[str, tuple[str, str]]:
    """Give for each place that a random search draws what can be drawn there, as text, and where it is written."""
    reach = Reach(study)
    nodes = [node for stage in study.stages for node in reach.nodes(stage)]
    found = {}
    for node in nodes:
        if isinstance(node, Range):
            found[node.place] = (canonical([node.law, node.low, node.high]), node.pointer)
        elif isinstance(node, Choice):
            found[node.place] = (canonical([one.label for one in node.alternatives]), node.pointer)
    return found


def moved_draws(study: Study, before: Mapping[str, str]) -> list[Problem]:
    """Warn of search entries that were moved or renamed: they draw anew, though nobody meant it.

    Args:
        study: the study now.
        before: place -> what could be drawn there when the study last ran.
    """
    now = drawn(study)
    lost = {place: sign for place, sign in before.items() if place not in now}
    count = study.search.options.get("count", 0) if study.search is not None else 0
    problems = []
    for place, (sign, pointer) in now.items():
        old = next((gone for gone, theirs in lost.items() if theirs == sign), None)
        if place in before or old is None:
            continue
        del lost[old]
        problems.append(
            Problem(
                "draws-moved",
                f"this was searched as `{old}` and is now `{place}`: its {count} draws are new",
                pointer,
                severity=Severity.WARNING,
                help=f"to keep the old draws and what was computed with them, add beside it   key: {old}",
            )
        )
    return problems


def _position(use: Mapping[str, Json]) -> str:
    return canonical({key: value for key, value in use.items() if key != "study"})


def run_changes(plan: Plan, remembered: Mapping[str, Any]) -> dict[str, list[Change]]:
    """Give for each stage what differs in the manifests of runs that stood at the same place before."""
    found: dict[str, dict[str, Change]] = {}
    for node in plan.graph:
        if node.kind != "fit":
            continue
        for use in node.uses:
            old_work = remembered.get("runs", {}).get(_position(use))
            old = remembered.get("hashed", {}).get(old_work)
            if old is None or old_work == node.work:
                continue
            for change in changes(old, node.hashed):
                if not change.path.startswith("/parents"):
                    found.setdefault(use["stage"], {}).setdefault(change.path, change)
    return {stage: list(by_path.values()) for stage, by_path in found.items()}
