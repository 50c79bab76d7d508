"""Numbers that an objective cannot learn, because its options end before them."""

from collections.abc import Mapping
from typing import Any

from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Study
from tlimb.manifest import Manifest
from tlimb.plan.cohort import Cohorts
from tlimb.plan.expand import Expansion
from tlimb.plan.reach import Reach
from tlimb.plan.scarce import trains_nothing
from tlimb.plan.stages import UNLABELLED
from tlimb.problems import Problem

PARTS = {"train": "trains on", "val": "validates on"}


def bounds(study: Study, expansion: Expansion, cohorts: Cohorts, catalogue: Catalogue) -> list[Problem]:
    """Check that everybody who is trained or validated on is within the limits of each head's objective.

    Private labels are not known here; the run refuses them. No message holds a label.
    """
    limits = {one.cls: one.facts["limits"] for one in catalogue.all("objective") if one.facts.get("limits")}
    found: dict[tuple[str, str, str], Problem] = {}
    for node in expansion.graph:
        if node.kind != "fit" or trains_nothing(node):
            continue
        for head in node.hashed["heads"]:
            names = limits.get(head["objective"]["class"])
            if names is not None:
                _head(study, node, head, names, cohorts, found)
    return list(found.values())


def _head(
    study: Study,
    node: Manifest,
    head: Mapping[str, Any],
    names: tuple[str, str],
    cohorts: Cohorts,
    found: dict[tuple[str, str, str], Problem],
) -> None:
    stage, label = node.uses[0]["stage"], head["facts"]["label"]
    low, high = (float(head["objective"]["options"][name]) for name in names)
    for role, parts in node.hashed["views"].items():
        if role in UNLABELLED or head["role"] not in (None, role):
            continue
        for part, verb in PARTS.items():
            values = [float(str(value)) for value in cohorts.values(parts[part] or "", label)]
            outside = sum(not low <= value <= high for value in values)
            if outside:
                count = f"{outside} of {len(values)} images that `{stage}` {verb}"
                message = f"{count} have values of `{label}` outside {low:g} to {high:g}"
                help_ = (f"widen `{names[0]}` and `{names[1]}`", "or keep only people inside, with `only`")
                pointer = _pointer(study, stage, label, names[0])
                found.setdefault((stage, head["name"], part), Problem("out-of-bins", message, pointer, help=help_))


def _pointer(study: Study, stage: str, label: str, option: str) -> str:
    """Give the place of the option in the spec; that of the stage when it stands nowhere."""
    for objective in Reach(study).objectives(study.stages[stage]):
        if objective.options.get("target") == label and option in objective.options:
            return str(objective.at(option))
    return f"/stages/{stage}"
