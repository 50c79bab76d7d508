"""Numbers that an objective cannot learn, because its options end before them."""

from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Study
from tlimb.manifest import Fit, Head
from tlimb.plan.cohort import Cohorts
from tlimb.plan.expand import Expansion
from tlimb.plan.reach import Reach
from tlimb.problems import Problem


def bounds(study: Study, expansion: Expansion, cohorts: Cohorts, catalogue: Catalogue) -> list[Problem]:
    """Check that everybody who is trained or validated on is within the limits of each head's objective.

    Private labels are not known here; the run refuses them. No message holds a label.
    """
    limits = {one.cls: one.facts["limits"] for one in catalogue.all("objective") if one.facts.get("limits")}
    found: dict[tuple[str, str, str], Problem] = {}
    for node, fit in expansion.graph.distinct(Fit, "heads", "roles", "optimizer") if limits else ():
        for head in fit.heads if fit.trains else ():
            names = limits.get(head.objective.path)
            if names is not None:
                _head(study, node.stage, fit, head, names, cohorts, found)
    return list(found.values())


def _head(
    study: Study,
    stage: str,
    fit: Fit,
    head: Head,
    names: tuple[str, str],
    cohorts: Cohorts,
    found: dict[tuple[str, str, str], Problem],
) -> None:
    label = head.facts.label or ""
    low, high = (float(head.objective.options[name]) for name in names)
    for role in fit.roles_of(head):
        parts = fit.roles[role]
        for part, view, verb in (("train", parts.train, "trains on"), ("val", parts.val, "validates on")):
            values = [float(str(value)) for value in cohorts.values(view or "", label)]
            outside = sum(not low <= value <= high for value in values)
            if outside:
                count = f"{outside} of {len(values)} images that `{stage}` {verb}"
                message = f"{count} have values of `{label}` outside {low:g} to {high:g}"
                help_ = (f"widen `{names[0]}` and `{names[1]}`", "or keep only people inside, with `only`")
                pointer = _pointer(study, stage, label, names[0])
                found.setdefault((stage, head.name, part), Problem("out-of-bins", message, pointer, help=help_))


def _pointer(study: Study, stage: str, label: str, option: str) -> str:
    """Give the place of the option in the spec; that of the stage when it stands nowhere."""
    for objective in Reach(study).objectives(study.stages[stage]):
        if objective.options.get("target") == label and option in objective.options:
            return str(objective.at(option))
    return f"/stages/{stage}"
