"""Components that each are right and do not go together.

What a component needs of its neighbours stands in its facts: `roles` (roles of datasets), `objective_kinds` (what a
scenario or auxiliary objective can learn), `mirrors` (an augmentation that swaps left and right), `no_left`
(values of options with which a data module has no left and right; empty for always), `batch_at_least` ({option, times}:
the batch holds so many times the option's value), and `elastic` (a pull to the parent's weights).
"""

import re
from collections.abc import Iterator

from tlimb.language.model import Stage
from tlimb.language.reading import RANGES, node_word
from tlimb.language.rules.facts import Facts, listed, rule
from tlimb.language.tree import Tree
from tlimb.problems import Problem, Related, Severity

_LATERAL = re.compile(r"(^|_)(side|left|right|lateral\w*|handed\w*|lh|rh|asymmetry)(_|$)")
_KINDS = {"class": "classes", "number": "numbers", "image": "images"}


def _parts(facts: Facts, stage: Stage) -> Iterator[tuple[str, str, Tree]]:
    """Give the scenarios and auxiliary objectives of a stage: kind, name, and where it is written."""
    for kind in ("scenario", "auxiliary"):
        for name, tree in facts.components(facts.field(stage, kind)):
            yield kind, name, tree


@rule
def auxiliary_roles(facts: Facts) -> Iterator[Problem]:
    """An auxiliary objective that compares two roles needs both."""
    for stage in facts.study.stages.values():
        for kind, name, tree in _parts(facts, stage):
            listing = facts.listing(kind, name)
            if kind != "auxiliary" or listing is None:
                continue
            lacking = [role for role in listing.facts.get("roles", ()) if role not in (*stage.datasets, "data")]
            if not lacking or not {"dataset", "datasets"} & set(stage.origins):
                continue
            where = stage.origins.get("datasets", stage.origins.get("dataset", ""))
            message = f"`{name}` compares {listed(listing.facts['roles'])}; `{stage.name}` has no {listed(lacking)}"
            block = ", ".join(f"{role}: NAME" for role in listing.facts["roles"])
            related = (Related(where, "the datasets", on_key=True),)
            yield Problem("combination", message, tree.pointer, related=related, help=f"write   datasets: {{{block}}}")


@rule
def kinds_of_objectives(facts: Facts) -> Iterator[Problem]:
    """A scenario that makes pseudo-labels of classes cannot learn numbers."""
    for stage in facts.study.stages.values():
        for kind, name, tree in _parts(facts, stage):
            listing = facts.listing(kind, name)
            fitting = () if listing is None else tuple(listing.facts.get("objective_kinds", ()))
            for objective, where in (one for found in facts.heads(stage).values() for one in found):
                theirs = facts.listing("objective", objective)
                found_kind = "" if theirs is None else str(theirs.facts.get("kind", ""))
                if not fitting or not found_kind or found_kind in fitting:
                    continue
                learns = listed(_KINDS.get(str(one), str(one)) for one in fitting)
                message = f"`{name}` learns {learns}, but `{objective}` predicts {_KINDS.get(found_kind, found_kind)}"
                related = (Related(where.pointer, "the objective"),)
                help_ = f"take another {kind}, or an objective that predicts {learns}"
                yield Problem("combination", message, tree.pointer, related=related, help=help_)


@rule
def mirrored_side(facts: Facts) -> Iterator[Problem]:
    """Mirroring the brain makes a label about a side wrong."""
    for stage in facts.study.stages.values():
        sides = [target for target, _ in _targets(facts, stage) if _LATERAL.search(target)]
        for _, data in facts.components(facts.field(stage, "data")):
            body = data.entries[0].value if data.entries else data
            for name, tree in facts.components(body.get("augment")):
                listing = facts.listing("augment", name)
                if not sides or listing is None or not listing.facts.get("mirrors"):
                    continue
                message = f"`{name}` swaps left and right, and `{sides[0]}` seems to say a side"
                related = tuple(Related(w.pointer, "the target") for t, w in _targets(facts, stage) if t == sides[0])
                yield Problem(
                    "combination",
                    message,
                    tree.pointer,
                    severity=Severity.WARNING,
                    related=related,
                    help=f"take `{name}` out; if `{sides[0]}` says no side, rename it with `labels`",
                )


@rule
def mirrored_without_left(facts: Facts) -> Iterator[Problem]:
    """Images whose left nobody knows cannot be mirrored."""
    for stage in facts.study.stages.values():
        for name, tree in facts.components(facts.field(stage, "data")):
            listing, body = facts.listing("data", name), tree.get(name)
            unless = None if listing is None else listing.facts.get("no_left")
            if listing is None or body is None or unless is None:
                continue
            written = {option: list(facts.leaves(body.get(option))) for option in unless}
            if not all(found and all(leaf.value == unless[key] for leaf in found) for key, found in written.items()):
                continue
            for augment, where in facts.components(body.get("augment")):
                theirs = facts.listing("augment", augment)
                if theirs is not None and theirs.facts.get("mirrors"):
                    said = " and ".join(f"`{key}: {value}`" for key, value in unless.items())
                    message = f"`{augment}` swaps left and right, and `{name}`{said and ' with ' + said} has neither"
                    related = tuple(Related(leaf.pointer, "does not fit this") for f in written.values() for leaf in f)
                    yield Problem("combination", message, where.pointer, related=related, help=f"take `{augment}` out")


def _targets(facts: Facts, stage: Stage) -> Iterator[tuple[str, Tree]]:
    for found in facts.heads(stage).values():
        for name, tree in found:
            body = tree.get(name)
            for leaf in facts.leaves(None if body is None else body.get("target")):
                yield str(leaf.value), leaf


@rule
def balanced_twice(facts: Facts) -> Iterator[Problem]:
    """Rare classes are drawn more often or weighted higher; both at once overdo it."""
    for stage in facts.study.stages.values():
        targets = {target for target, _ in _targets(facts, stage)}
        for sampler, where in facts.components(facts.field(stage, "sampler")):
            body = where.get(sampler)
            by = {str(leaf.value) for leaf in facts.leaves(None if body is None else body.get("by"))}
            for objective, tree in (one for found in facts.heads(stage).values() for one in found):
                options = tree.get(objective)
                weights = None if options is None else options.get("class_weights")
                used = any(leaf.value not in (None, "none") for leaf in facts.leaves(weights))
                if weights is None or not used or not by & targets:
                    continue
                message = "`class_weights` and the sampler both make up for rare classes: they would count twice"
                related = (Related(where.pointer, "the sampler"),)
                help_ = "keep one: delete `class_weights` or the sampler"
                yield Problem("combination", message, weights.pointer, on_key=True, related=related, help=help_)


@rule
def batch_too_small(facts: Facts) -> Iterator[Problem]:
    """A penalty on the smallest singular values of a batch needs more samples than values."""
    for stage in facts.study.stages.values():
        size = facts.field(stage, "trainer/batch_size")
        for kind, name, tree in _parts(facts, stage):
            listing = facts.listing(kind, name)
            needs = None if listing is None else listing.facts.get("batch_at_least")
            if needs is None or listing is None or size is None:
                continue
            body, option = tree.get(name), str(needs["option"])
            written = None if body is None else body.get(option)
            value = listing.defaults.get(option) if written is None else written.value
            least = needs["times"] * value if isinstance(value, int) else 0
            for leaf in facts.leaves(size):
                if isinstance(leaf.value, int) and leaf.value < least:
                    message = f"`{name}` with `{option}: {value}` needs batches of {least}; these have {leaf.value}"
                    related = (Related(tree.pointer, f"`{name}`"),)
                    help_ = f"write   batch_size: {least}   or a smaller `{option}`"
                    yield Problem("combination", message, leaf.pointer, related=related, help=help_)


@rule
def elastic_and_decay(facts: Facts) -> Iterator[Problem]:
    """Weight decay pulls to zero what an elastic penalty pulls to the parent's weights."""
    for stage in facts.study.stages.values():
        elastic = [
            (name, tree)
            for name, tree in facts.components(facts.field(stage, "auxiliary"))
            if (listing := facts.listing("auxiliary", name)) is not None and listing.facts.get("elastic")
        ]
        for optimizer, tree in facts.components(facts.field(stage, "optimizer")):
            body = tree.get(optimizer)
            for leaf in _decays(facts, None if body is None else body.get("weight_decay")):
                if not elastic:
                    continue
                name, where = elastic[0]
                said = leaf.raw if leaf.kind == "scalar" else f"{node_word(leaf)}: .."
                message = f"`weight_decay: {said}` pulls to zero what `{name}` pulls to the parent's weights"
                yield Problem(
                    "combination",
                    message,
                    leaf.pointer,
                    severity=Severity.WARNING,
                    related=(Related(where.pointer, f"`{name}`"),),
                    help=f"write   weight_decay: 0   and let `beta` of `{name}` hold the new layers",
                )


def _decays(facts: Facts, tree: Tree | None) -> Iterator[Tree]:
    """Give what is written for a decay above 0: numbers, and ranges that are searched, which all go above it."""
    if tree is not None and node_word(tree) in RANGES:
        yield tree
    for leaf in facts.leaves(tree):
        if isinstance(leaf.value, int | float) and leaf.value > 0:
            yield leaf
