"""What a stage must have, and what its keys mean together."""

from collections.abc import Iterator

from tlimb.language.model import Stage
from tlimb.language.rules.facts import Facts, listed, rule
from tlimb.language.tree import Entry, Tree
from tlimb.problems import Problem, Related, Severity

PAIRS = (("dataset", "datasets"), ("objective", "heads"))
NEEDED = {
    "dataset": "dataset: NAME",
    "data": "data: {bio_image: {spacing_mm: 4, crop: [40, 48, 40]}}",
    "architecture": "architecture: {resnet3d: {depth: 18}}",
    "objective": "objective: {classification: {target: LABEL}}",
    "optimizer": "optimizer: {adamw: {lr: 1e-3}}",
    "trainer": "trainer: {epochs: 10, batch_size: 16}",
}


@rule
def two_of(facts: Facts) -> Iterator[Problem]:
    """Keys that exclude each other do not stand in one layer."""
    layers = [*facts.section("stages").values()]
    if (defaults := facts.source.root.get("defaults")) is not None:
        layers.append(defaults)
    for layer in layers:
        trainer = layer.get("trainer")
        found = [(layer.entry(one), layer.entry(two)) for one, two in PAIRS]
        if trainer is not None:
            found.append((trainer.entry("epochs"), trainer.entry("steps")))
        for one, two in found:
            if one is not None and two is not None:
                yield _two(one, two)


def _two(one: Entry, two: Entry) -> Problem:
    if (one.key_span.line, one.key_span.column) > (two.key_span.line, two.key_span.column):
        one, two = two, one
    message = f"`{two.key}` and `{one.key}` exclude each other"
    related = (Related(one.value.pointer, "the other one", on_key=True),)
    return Problem("two-of", message, two.value.pointer, on_key=True, related=related, help="keep one of them")


@rule
def missing_key(facts: Facts) -> Iterator[Problem]:
    """After defaults and like, a stage has all that its scenario needs; everything missing is one problem."""
    for name, stage in facts.study.stages.items():
        if facts.broken("stages", name):
            continue
        has = set(stage.origins)
        missing = []
        if not has & {"dataset", "datasets"}:
            missing.append("dataset")
        if "data" not in has:
            missing.append("data")
        if "architecture" not in has and facts.can_be_none(stage):
            missing.append("architecture")
        if any(facts.trains(scenario) for scenario, _ in facts.scenarios(stage)):
            missing += [] if has & {"objective", "heads"} else ["objective"]
            missing += [] if "optimizer" in has else ["optimizer"]
            if not has & {"trainer/epochs", "trainer/steps"} or "trainer/batch_size" not in has:
                missing.append("trainer")
        if not missing:
            continue
        what = listed(_trainer_keys(has) if key == "trainer" else key for key in missing)
        block = "\n".join(["write, here or in `defaults`:", *(f"  {NEEDED[key]}" for key in missing)])
        message = f"`{name}` has no {what}"
        note = ("keys of `defaults` and of the stage it is `like` are counted",)
        yield Problem("missing-key", message, stage.pointer, on_key=True, help=block, note=note)


def _trainer_keys(has: set[str]) -> str:
    if not has & {"trainer/epochs", "trainer/steps"}:
        return "trainer.epochs"
    return "trainer.batch_size"


@rule
def roles(facts: Facts) -> Iterator[Problem]:
    """A stage gives its scenario the roles that it reads, and no others."""
    for stage in facts.study.stages.values():
        for scenario, tree in facts.scenarios(stage):
            listing = facts.listing("scenario", scenario)
            wanted = tuple(str(role) for role in listing.facts.get("roles", ())) if listing is not None else ()
            if not wanted or not set(stage.origins) & {"dataset", "datasets"}:
                continue
            given = tuple(stage.datasets) or ("data",)
            related = () if tree is None else (Related(tree.pointer, "the scenario"),)
            lacking = [role for role in wanted if role not in given]
            if lacking:
                if not stage.datasets and len(wanted) == 1:
                    continue
                block = ", ".join(f"{role}: NAME" for role in wanted)
                key = "datasets" if stage.datasets else "dataset"
                message = f"`{scenario}` reads {listed(wanted)}; no {listed(lacking)} is given"
                help_ = f"write   datasets: {{{block}}}"
                yield Problem("role-missing", message, stage.origins[key], on_key=True, related=related, help=help_)
                continue
            for role in given:
                if role not in wanted:
                    where = f"{stage.origins['datasets']}/{role}"
                    message = f"`{scenario}` does not read a role `{role}`"
                    help_ = f"it reads {listed(wanted)}"
                    yield Problem("role-extra", message, where, on_key=True, related=related, help=help_)


@rule
def freeze_without_parent(facts: Facts) -> Iterator[Problem]:
    """Freezing a network that was never trained needs to be asked for."""
    for name, stage in facts.study.stages.items():
        tree = facts.field(stage, "freeze/up_to")
        if (
            tree is None
            or "from" in stage.origins
            or facts.broken("stages", name)
            or not any(_something(leaf) for leaf in facts.leaves(tree))
        ):
            continue
        message = f"`{name}` freezes layers, but nothing was pretrained"
        help_ = ("write   from: STAGE   to start from one", "or   from: none   if random features are meant")
        yield Problem("freeze-without-parent", message, tree.pointer, help=help_)


def _something(leaf: Tree) -> bool:
    return leaf.value not in (None, "none")


@rule
def needs_parent(facts: Facts) -> Iterator[Problem]:
    """What refers to pretrained weights needs them in every configuration."""
    for name, stage in facts.study.stages.items():
        never, sometimes = facts.never_pretrained(stage), facts.can_be_none(stage)
        if not sometimes or facts.broken("stages", name):
            continue
        start = stage.origins.get("from")
        related = () if start is None else (Related(start, "starts from nothing here"),)
        which = "" if never else " where `from` is `none`"
        for what, tree in _parental(facts, stage):
            message = f"`{what}` needs pretrained weights, but `{name}` has none{which}"
            help_ = ("write   from: STAGE", f"or take `{what}` out of `{name}`")
            yield Problem("needs-parent", message, tree.pointer, related=related, help=help_)


def _parental(facts: Facts, stage: Stage) -> Iterator[tuple[str, Tree]]:
    for kind, key in (("auxiliary", "auxiliary"), ("scenario", "scenario")):
        for what, tree in facts.components(facts.field(stage, key)):
            listing = facts.listing(kind, what)
            if listing is not None and listing.facts.get("needs_parent"):
                yield what, tree
            elif listing is not None:
                for option, value in dict(listing.facts.get("needs_parent_with", {})).items():
                    body = tree.get(what)
                    for leaf in facts.leaves(None if body is None else body.get(option)):
                        if leaf.value == value:
                            yield f"{option}: {value}", leaf
    for key in ("freeze/thaw_epoch", "freeze/thaw_every_epochs"):
        found = facts.field(stage, key)
        if found is not None and any(_something(leaf) for leaf in facts.leaves(found)):
            yield key.partition("/")[2], found
    adapt = facts.field(stage, "adapt/heads")
    if adapt is not None and adapt.value == "keep":
        yield "adapt", adapt


@rule
def architecture_twice(facts: Facts) -> Iterator[Problem]:
    """The network comes with its weights; a stage that has a parent sets no other one."""
    for name, tree in facts.section("stages").items():
        stage = facts.study.stages[name]
        own = tree.get("architecture")
        parents = [str(leaf.value) for leaf in facts.slots(stage).get("encoder", [])]
        known = [parent for parent in parents if parent in facts.study.stages]
        if own is None or not known:
            continue
        theirs = facts.field(facts.study.stages[known[0]], "architecture")
        if theirs is None or theirs.pointer == own.pointer or theirs.data() == own.data():
            continue
        message = f"the network is inherited from `{known[0]}`, but `{name}` sets another one"
        related = (Related(theirs.pointer, f"the network of `{known[0]}`", on_key=True),)
        help_ = f"delete it here, or change it in `{known[0]}`"
        yield Problem("architecture-twice", message, own.pointer, on_key=True, related=related, help=help_)


@rule
def like_without_from(facts: Facts) -> Iterator[Problem]:
    """`like` copies settings; weights come by `from`."""
    for name, stage in facts.study.stages.items():
        if stage.like is None or "from" in stage.origins or stage.like not in facts.study.stages:
            continue
        base = facts.study.stages[stage.like]
        if stage.origins.get("objective") == base.origins.get("objective") and stage.heads == base.heads:
            continue
        if stage.origins.get("scenario") != base.origins.get("scenario"):
            continue
        message = f"`{name}` is like `{stage.like}` but has no `from`: it copies settings, not weights"
        help_ = (f"to start from its weights add   from: {stage.like}", "else say so:   from: none")
        yield Problem(
            "like-without-from",
            message,
            f"/stages/{name}/like",
            on_key=True,
            severity=Severity.WARNING,
            help=help_,
        )


@rule
def like_overwrites_all(facts: Facts) -> Iterator[Problem]:
    """A stage that replaces everything it would inherit is like nothing."""
    for name, tree in facts.section("stages").items():
        like = tree.get("like")
        base = None if like is None else facts.section("stages").get(str(like.value))
        if like is None or base is None or not base.entries or like.value == name:
            continue
        blocks = ("trainer", "freeze", "adapt")
        inherited = [entry.key for entry in base.entries if entry.key not in ("like", "where")]
        own = {entry.key for entry in tree.entries if entry.key not in blocks}
        if inherited and all(key in own for key in inherited):
            message = f"`{name}` sets every key of `{like.value}` anew, so `like` does nothing"
            yield Problem(
                "like-overwrites-all",
                message,
                like.pointer,
                on_key=True,
                severity=Severity.WARNING,
                help="delete `like`",
            )


@rule
def early_stopping_unwatched(facts: Facts) -> Iterator[Problem]:
    """Early stopping and `keep: best` watch validation people; somebody must be there."""
    for name, stage in facts.study.stages.items():
        tree, word = facts.field(stage, "trainer/early_stopping"), "early_stopping"
        if tree is None:
            tree, word = facts.field(stage, "trainer/keep"), "keep"
            if not any(leaf.value == "best" for leaf in facts.leaves(tree)):
                continue
        for dataset in facts.datasets_of(stage):
            lost = facts.broken("datasets", dataset)
            if tree is None or lost or "val" in parts(facts, dataset) or _has_inner(facts, dataset):
                continue
            message = f"`{word}` of `{name}` watches the part `val`, but `{dataset}` has none"
            split = facts.study.datasets[dataset].origins.get("split", facts.study.datasets[dataset].pointer)
            related = (Related(split, "its split", on_key=True),)
            help_ = f"add `val` to the split of `{dataset}`, or delete `{word}`"
            yield Problem("early-stopping-unwatched", message, tree.pointer, on_key=True, related=related, help=help_)


def _has_inner(facts: Facts, dataset: str) -> bool:
    split = facts.study.datasets[dataset].split
    return split is not None and "inner" in split.options


def parts(facts: Facts, dataset: str) -> tuple[str, ...]:
    """Give the parts of a dataset as far as the spec tells them; a split by column may have all three."""
    split = facts.study.datasets[dataset].split
    if split is None and "split" in facts.study.datasets[dataset].origins:
        return ("train", "val", "test")  # it has a wrong form, which is told elsewhere
    if split is None:
        return ("all",)
    if split.name == "holdout":
        return ("train", *(part for part in ("val", "test") if split.options.get(part) is not None))
    if split.name in ("kfold", "leave_one_out"):
        return ("train", "test", *(("val",) if split.options.get("val") is not None else ()))
    return ("train", "val", "test")


@rule
def refit_stop(facts: Facts) -> Iterator[Problem]:
    """A refit that stops early needs validation people of its own."""
    for name, stage in facts.study.stages.items():
        stop = facts.field(stage, "trainer/early_stopping")
        if stop is None:
            continue
        for dataset in facts.datasets_of(stage):
            split = facts.study.datasets[dataset].split
            if split is None or "inner" not in split.options or split.options.get("val") is not None:
                continue
            inner = facts.source.at(f"{split.pointer}/{split.name}/inner")
            refit = None if inner is None else inner.get("refit")
            if inner is None or (refit is not None and refit.value is False):
                continue
            message = f"the refits of `{name}` stop early, but `{dataset}` keeps nobody back to watch"
            related = (Related(inner.pointer, "all outer training people are trained on", on_key=True),)
            help_ = ("add a share to the split:   val: 0.1", "or delete `early_stopping`")
            yield Problem("refit-stop", message, stop.pointer, on_key=True, related=related, help=help_)
