"""Parts in which nobody has a value of a label, where training, choosing or testing needs one."""

from collections import defaultdict
from collections.abc import Callable
from functools import cache

from tlimb.manifest import UNLABELLED, Fit, Select
from tlimb.plan.cohort import Cohorts
from tlimb.plan.expand import Expansion
from tlimb.problems import Problem, Severity

Known = Callable[[str, str], bool]
"""View digest and label -> somebody has a value."""
Found = dict[tuple[str, str, str], Problem]
Watched = tuple[str | None, str | None]
"""Role and head whose validation chooses something; None for the first."""


def scarce(expansion: Expansion, cohorts: Cohorts) -> list[Problem]:
    """Check that somebody has the labels that are trained on, chosen by and tested.

    A validation part without any value of a label is an error where something is chosen by it: configurations, the
    best epoch, or when to stop. Elsewhere, and for tests, it is a warning: numbers will be undefined there.
    """

    @cache
    def known(view: str, label: str) -> bool:
        return bool(cohorts.values(view, label))

    found: Found = {}
    selected = _selected(expansion)
    chosen_by = {work: frozenset(watched) for work, watched in selected.items()}
    parts = ("roles", "heads", "trainer", "optimizer")
    for node, fit in expansion.graph.distinct(Fit, *parts, also=lambda node: chosen_by.get(node.work)):
        _training(node.stage, fit, known, found)
        if fit.trains:
            _validation(node.stage, fit, chosen_by.get(node.work, frozenset()), known, found)
    for one in (one for evaluations in expansion.tests.values() for one in evaluations):
        labels = tuple(task.label for task in one.run.tasks if task.label is not None)
        if labels and not any(known(one.view, label) for label in labels):
            names = " or ".join(f"`{label}`" for label in dict.fromkeys(labels))
            found[one.test.name, "test", ""] = Problem(
                "label-scarce",
                f"nobody who is tested in `{one.test.name}` has a value of {names}: no metric is defined there",
                one.test.pointer,
                on_key=True,
                severity=Severity.WARNING,
            )
    return list(found.values())


def _selected(expansion: Expansion) -> dict[str, set[Watched]]:
    """Give for each fit which of its validation predictions choose among configurations."""
    found: dict[str, set[Watched]] = defaultdict(set)
    for select in expansion.selects:
        choice = expansion.graph.nodes[select].as_a(Select)
        for work in choice.parent_works:
            found[work].add((choice.role, choice.head))
    return found


def _training(stage: str, fit: Fit, known: Known, found: Found) -> None:
    for role, parts in fit.roles.items():
        if parts.train is None:
            message = f"`{stage}` has nobody to train on in `{role}`: the part `train` is empty"
            found[stage, role, ""] = Problem("split-too-small", message, f"/stages/{stage}", on_key=True)
    for head in fit.heads if fit.trains else ():
        label = head.facts.label
        if label is None:
            continue
        trained = (fit.roles[role].train for role in fit.roles_of(head))
        if not any(known(view, label) for view in trained if view):
            message = f"nobody in the training part of `{stage}` has a value of `{label}`"
            found[stage, "train", head.name] = Problem("label-scarce", message, f"/stages/{stage}", on_key=True)
        elif len(head.facts.classes) == 1:
            message = f"all of the training part of `{stage}` have one class of `{label}`"
            help_text = f"stratify the split by it:   stratify: [{label}]"
            problem = Problem("label-scarce", message, f"/stages/{stage}", on_key=True, help=help_text)
            found[stage, "train", head.name] = problem


def _validation(stage: str, fit: Fit, selected: frozenset[Watched], known: Known, found: Found) -> None:
    watched = selected | fit.watched
    for position, head in enumerate(fit.heads):
        label = head.facts.label
        # Labels of a target choose only where the study owns up to it; then somebody must have them.
        oracle = sorted({role for role, _ in selected if role in UNLABELLED and role in fit.roles})
        for order, role in enumerate([*fit.roles_of(head), *oracle]):
            view = fit.validation(role)
            if label is None or view is None or known(view, label):
                continue
            names = (head.name, None) if position == 0 else (head.name,)
            roles = (role, None) if order == 0 else (role,)
            serious = any((one, name) in watched for one in roles for name in names)
            key = (stage, "val", head.name)
            if serious or key not in found:
                found[key] = _unlabelled(stage, label, serious=serious)


def _unlabelled(stage: str, label: str, *, serious: bool) -> Problem:
    said = "what is chosen by it would be chosen by nothing" if serious else "its validation loss is undefined"
    return Problem(
        "label-scarce",
        f"nobody in the validation part of `{stage}` has a value of `{label}`: {said}",
        f"/stages/{stage}",
        on_key=True,
        severity=Severity.ERROR if serious else Severity.WARNING,
        help=("enlarge the part `val` of the split", f"or keep only people with a value of `{label}`, with `only`"),
    )
