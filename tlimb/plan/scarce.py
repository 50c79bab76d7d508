"""Parts in which nobody has a value of a label, where training, choosing or testing needs one."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tlimb.manifest import Manifest
from tlimb.plan.cohort import Cohorts
from tlimb.plan.expand import Expansion
from tlimb.plan.stages import UNLABELLED
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
    for node in expansion.graph:
        if node.kind == "fit":
            _training(node, known, found)
            _validation(node, selected.get(node.work, set()), known, found)
    for one in (one for evaluations in expansion.tests.values() for one in evaluations):
        labels = [label for head in one.run.hashed["heads"] if (label := head["facts"]["label"]) is not None]
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
        node = expansion.graph.nodes[select]
        for work in node.parents:
            found[work].add((node.hashed["role"], node.hashed["head"]))
    return found


def _training(node: Manifest, known: Known, found: Found) -> None:
    stage = node.uses[0]["stage"]
    views = node.hashed["views"]
    for role, parts in views.items():
        if parts["train"] is None:
            message = f"`{stage}` has nobody to train on in `{role}`: the part `train` is empty"
            found[stage, role, ""] = Problem("split-too-small", message, f"/stages/{stage}", on_key=True)
    if trains_nothing(node):
        return
    for head in node.hashed["heads"]:
        label, classes = head["facts"]["label"], head["facts"]["classes"]
        if label is None:
            continue
        if not any(known(views[role]["train"], label) for role in _roles(node, head) if views[role]["train"]):
            message = f"nobody in the training part of `{stage}` has a value of `{label}`"
            found[stage, "train", head["name"]] = Problem("label-scarce", message, f"/stages/{stage}", on_key=True)
        elif len(classes) == 1:
            message = f"all of the training part of `{stage}` have one class of `{label}`"
            help_text = f"stratify the split by it:   stratify: [{label}]"
            problem = Problem("label-scarce", message, f"/stages/{stage}", on_key=True, help=help_text)
            found[stage, "train", head["name"]] = problem


def trains_nothing(node: Manifest) -> bool:
    """Say whether a training takes no steps, so that it reads no labels."""
    return node.hashed["optimizer"] is None


def _validation(node: Manifest, selected: set[Watched], known: Known, found: Found) -> None:
    if trains_nothing(node):
        return
    stage, hashed = node.uses[0]["stage"], node.hashed
    trainer = hashed["trainer"]
    watched = set(selected)
    if trainer["keep"] == "best" or trainer["early_stopping"] is not None:
        monitor = trainer["monitor"] or {}
        # Without a metric, the loss of all heads is watched.
        heads = [head["name"] for head in hashed["heads"]] if monitor.get("head") is None else [monitor["head"]]
        heads = heads if monitor.get("metric", "loss") == "loss" else heads[:1]
        watched |= {(monitor.get("role"), head) for head in heads}
    for position, head in enumerate(hashed["heads"]):
        label = head["facts"]["label"]
        # Labels of a target choose only where the study owns up to it; then somebody must have them.
        oracle = sorted({role for role, _ in selected if role in UNLABELLED and role in hashed["views"]})
        for order, role in enumerate([*_roles(node, head), *oracle]):
            view = hashed["views"][role]["val"]
            if label is None or view is None or known(view, label):
                continue
            names = (head["name"], None) if position == 0 else (head["name"],)
            roles = (role, None) if order == 0 else (role,)
            serious = any((one, name) in watched for one in roles for name in names)
            key = (stage, "val", head["name"])
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


def _roles(node: Manifest, head: Mapping[str, Any]) -> list[str]:
    """Give the roles whose samples have a head's label, those that say how long an epoch is first."""
    order = ("data", "labelled", "source")
    roles = [role for role in node.hashed["views"] if role not in UNLABELLED and head["role"] in (None, role)]
    return sorted(roles, key=lambda role: (order.index(role) if role in order else len(order), role))
