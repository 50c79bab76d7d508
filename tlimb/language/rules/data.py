"""Datasets: how people are divided, and where files lie."""

import re
from collections.abc import Iterable, Iterator

from tlimb.language.rules.facts import Facts, listed, rule
from tlimb.language.tree import Tree
from tlimb.problems import Problem, Related

SPLIT_PARTS = ("train", "val", "test")
_PLACEHOLDER = re.compile(r"\{[A-Za-z0-9_. -]+\}")
_OUTSIDE = re.compile(r"(^|/)\.\.(/|$)")


@rule
def shares(facts: Facts) -> Iterator[Problem]:
    """The shares of one division are at most the whole, and only one part is the rest."""
    for name, dataset in facts.section("datasets").items():
        split = dataset.get("split")
        if split is not None and split.kind == "mapping":
            for entry in split.entries:
                parts = [entry.value.get(part) for part in SPLIT_PARTS]
                yield from _division(f"the split of `{name}`", [part for part in parts if part is not None])
        portions = dataset.get("portions")
        if portions is not None:
            yield from _division(f"the portions of `{name}`", portions.children())


def _division(what: str, parts: Iterable[Tree]) -> Iterator[Problem]:
    found = [part for part in parts if part.kind == "scalar"]
    rests = [part for part in found if part.value == "rest"]
    for second in rests[1:]:
        related = (Related(rests[0].pointer, "the first `rest`"),)
        message = f"`rest` stands twice in {what}: who goes where?"
        yield Problem("share-ambiguous", message, second.pointer, related=related, help="give one of them a share")
    sizes = [part for part in found if isinstance(part.value, int | float) and not isinstance(part.value, bool)]
    numbers = [part for part in sizes if 0 < float(part.value or 0) < 1]
    total = sum(float(part.value or 0) for part in numbers)
    if total > 1 + 1e-9:
        shown = " + ".join(part.raw for part in numbers)
        message = f"{shown} is more than the whole in {what}"
        counted = tuple(Related(part.pointer, "counted") for part in numbers[:-1])
        yield Problem(
            "share-ambiguous", message, numbers[-1].pointer, related=counted, help="shares add up to 1 or less"
        )
    elif rests and numbers and total > 1 - 1e-9:
        message = f"nobody is left for `rest` in {what}: the other shares are the whole"
        yield Problem("share-ambiguous", message, rests[0].pointer, help="make the other shares smaller")


@rule
def path_escape(facts: Facts) -> Iterator[Problem]:
    """Paths in a spec lie below their root: no way up, no home folder, no variables."""
    for tree in _paths(facts):
        text = tree.value
        if not isinstance(text, str):
            continue
        reason = None
        if _OUTSIDE.search(text.replace("\\", "/")):
            reason = "`..` leads out of the root"
        elif text.startswith(("/", "\\")) or re.match(r"^[A-Za-z]:[\\/]", text):
            reason = "an absolute path holds on one machine only"
        elif text.startswith("~") or "$" in text:
            reason = "`~` and variables mean another place for everybody"
        if reason is not None:
            help_ = (
                "declare a root, and say on each machine where it lies:   roots: {data: data}   root: data",
                "then:   tlimb run SPEC --root data=/where/it/is",
            )
            yield Problem("path-escape", f"`{tree.raw}`: {reason}", tree.pointer, help=help_)


def _paths(facts: Facts) -> Iterator[Tree]:
    for dataset in facts.section("datasets").values():
        files = dataset.get("files")
        for entry in files.entries if files is not None else ():
            for key in ("folder", "file", "image", "mask", "exclude", "derivatives"):
                if (found := entry.value.get(key)) is not None:
                    yield found
        joins = dataset.get("join")
        for join in joins.items if joins is not None else ():
            if (found := join.get("file")) is not None:
                yield found
    for weights in facts.section("pretrained").values():
        if (found := weights.get("file")) is not None:
            yield found
    code = facts.source.root.get("code")
    yield from code.items if code is not None else ()
    # A root may lie anywhere on one machine, but the spec is for all machines; profiles are not looked at.
    yield from facts.section("roots").values()


@rule
def placeholder_unknown(facts: Facts) -> Iterator[Problem]:
    """Braces in an image pattern hold a column's name."""
    for dataset in facts.section("datasets").values():
        table = (files := dataset.get("files")) and files.get("table")
        for key in ("image", "mask"):
            tree = table.get(key) if table is not None else None
            if tree is None or not isinstance(tree.value, str):
                continue
            if not re.search(r"[{}]", _PLACEHOLDER.sub("", tree.value)):
                continue
            message = f"`{tree.raw}`: a placeholder is a column's name in braces"
            help_ = 'for example   image: "{participant_id}/T1w.nii.gz"'
            yield Problem("placeholder-unknown", message, tree.pointer, help=help_)


@rule
def files_missing(facts: Facts) -> Iterator[Problem]:
    """Every dataset reads files, its own or those of the dataset it is like."""
    for name, dataset in facts.study.datasets.items():
        if dataset.files is None and (dataset.like is None or dataset.like in facts.study.datasets):
            message = f"`{name}` has no `files`"
            help_ = ("write   files: {bids: {folder: FOLDER, suffix: T1w}}", "or   like: DATASET")
            yield Problem("missing-key", message, dataset.pointer, on_key=True, help=help_)


@rule
def no_part_to_train(facts: Facts) -> Iterator[Problem]:
    """Subsets are of parts that the split makes."""
    for name, dataset in facts.study.datasets.items():
        if dataset.split is None or dataset.split.name != "holdout":
            continue
        for part in dataset.subset:
            if part == "val" and dataset.split.options.get("val") is None:
                tree = facts.source.at(f"/datasets/{name}/subset/val")
                message = f"`{name}` has no part `val` to take a subset of"
                related = (Related(dataset.split.pointer, "its split", on_key=True),)
                if tree is not None:
                    yield Problem("part-missing", message, tree.pointer, on_key=True, related=related)


@rule
def portion_without_base(facts: Facts) -> Iterator[Problem]:
    """Portions are made to be taken."""
    for name, dataset in facts.study.datasets.items():
        tree = facts.source.at(f"/datasets/{name}/portions")
        taken = {one.portion for one in facts.study.datasets.values() if one.files_place == dataset.files_place}
        unused = [] if tree is None else [entry for entry in tree.entries if entry.key not in taken]
        if tree is not None and unused and len(unused) == len(tree.entries):
            message = f"no dataset takes a portion of `{name}`"
            help_ = f"write a dataset   {{like: {name}, portion: {unused[0].key}}}   ({listed(e.key for e in unused)})"
            yield Problem("portion-unused", message, tree.pointer, on_key=True, help=help_)
