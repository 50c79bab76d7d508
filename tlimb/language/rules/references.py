"""Names that refer to something must refer to something that is there."""

from collections.abc import Iterable, Iterator

from tlimb.language.reading import node_word
from tlimb.language.rules.facts import Facts, did_you_mean, listed, rule
from tlimb.language.tree import Tree
from tlimb.problems import Problem, Related


def _unknown(code: str, noun: str, tree: Tree, names: Iterable[str], more: tuple[str, ...] = ()) -> Problem:
    message = f"`{tree.raw or tree.value}` is no {noun}"
    return Problem(code, message, tree.pointer, help=(*did_you_mean(tree.value, names), *more))


def _unknown_keys(code: str, noun: str, tree: Tree | None, names: Iterable[str]) -> Iterator[Problem]:
    known = list(names)
    for entry in tree.entries if tree is not None else ():
        if entry.key not in known:
            help_ = did_you_mean(entry.key, known)
            yield Problem(code, f"`{entry.key}` is no {noun}", entry.value.pointer, on_key=True, help=help_)


@rule
def unknown_dataset(facts: Facts) -> Iterator[Problem]:
    """Datasets of stages and tests, and those that datasets are like, must exist."""
    known = facts.section("datasets")
    trees = [facts.field(stage, key) for stage in facts.study.stages.values() for key in ("dataset", "datasets")]
    trees += [test.get("dataset") for test in facts.section("tests").values()]
    trees += [dataset.get("like") for dataset in known.values()]
    for tree in trees:
        for leaf in facts.leaves(tree):
            if isinstance(leaf.value, str) and leaf.value not in known:
                yield _unknown("unknown-dataset", "dataset", leaf, known)


@rule
def unknown_stage(facts: Facts) -> Iterator[Problem]:
    """Stages that are tested, repeated once, inherited from or given resources must exist."""
    known = facts.section("stages")
    root = facts.source.root
    trees = [stage.get("like") for stage in known.values()]
    trees += [test.get("of") for test in facts.section("tests").values()]
    replicates = root.get("replicates")
    trees += [replicates.get("once")] if replicates is not None else []
    for tree in trees:
        for leaf in facts.leaves(tree):
            if isinstance(leaf.value, str) and leaf.value not in known:
                yield _unknown("unknown-stage", "stage", leaf, known)
    limit = facts.source.at("/search/random/limit")
    yield from _unknown_keys("unknown-stage", "stage", limit, known)
    execution = root.get("execution")
    if execution is not None:
        yield from _unknown_keys("override-unknown", "stage", execution.get("overrides"), known)
        for profile in (execution.get("profiles") or execution).entries if execution.get("profiles") else ():
            yield from _unknown_keys("override-unknown", "stage", profile.value.get("overrides"), known)


@rule
def unknown_start(facts: Facts) -> Iterator[Problem]:
    """What `from` names must be a stage or an entry of `pretrained`."""
    stages, weights = facts.section("stages"), facts.section("pretrained")
    for stage in facts.study.stages.values():
        for leaf in (leaf for leaves in facts.slots(stage).values() for leaf in leaves):
            if leaf.value in (None, "none") or leaf.value in stages or leaf.value in weights:
                continue
            names = [name for name in (*stages, *weights) if name != stage.name]
            noun = "stage and no entry of `pretrained`" if weights else "stage"
            yield _unknown("unknown-stage", noun, leaf, names, ("`none` starts from nothing",))


@rule
def unknown_param(facts: Facts) -> Iterator[Problem]:
    """Every use of a param must name one, and a field that its rows have."""
    known = facts.section("params")
    for tree in facts.all_trees():
        if node_word(tree) != "param":
            continue
        used = tree.get("param")
        assert used is not None
        name, _, part = str(used.value).partition(".")
        if name not in known:
            hint = did_you_mean(name, known) or ("write it under `params:` at the top",)
            yield Problem("unknown-param", f"`{name}` is no param", used.pointer, help=hint)
        elif part:
            rows = list(facts.rows(known[name]))
            fields = sorted({entry.key for row in rows for entry in row.entries})
            if part not in fields:
                message = f"`{used.raw}`: `{name}` has no field `{part}`"
                related = (Related(f"/params/{name}", "defined here", on_key=True),)
                yield Problem("param-field", message, used.pointer, help=did_you_mean(part, fields), related=related)


@rule
def unknown_restricted_param(facts: Facts) -> Iterator[Problem]:
    """`where` and `constraints` speak of params only."""
    known = facts.section("params")
    for stage in facts.section("stages").values():
        yield from _unknown_keys("unknown-param", "param", stage.get("where"), known)
    constraints = facts.source.root.get("constraints")
    if constraints is None:
        return
    for leaf in facts.leaves(constraints.get("distinct")):
        if leaf.value not in known:
            yield _unknown("unknown-param", "param", leaf, known)
    excluded = constraints.get("exclude")
    for row in excluded.items if excluded is not None else ():
        yield from _unknown_keys("unknown-param", "param", row, known)


@rule
def unknown_root(facts: Facts) -> Iterator[Problem]:
    """Roots of datasets, weights and profiles must be declared under `roots`."""
    known = facts.section("roots")
    for section in ("datasets", "pretrained"):
        for entry in facts.section(section).values():
            root = entry.get("root")
            if root is not None and isinstance(root.value, str) and root.value not in known:
                hint = f"declare it at the top:   roots: {{{root.value}: data/{root.value}}}"
                yield _unknown("unknown-root", "root", root, known, (hint,))
    profiles = facts.source.at("/execution/profiles")
    for profile in profiles.children() if profiles is not None else ():
        yield from _unknown_keys("unknown-root", "root", profile.get("roots"), known)


@rule
def unknown_portion(facts: Facts) -> Iterator[Problem]:
    """A portion must be one of those that the dataset it is like declares."""
    for name, dataset in facts.study.datasets.items():
        tree = facts.source.at(dataset.origins.get("portion", "/datasets/-"))
        lost = facts.broken("datasets", name)
        if dataset.portion is None or tree is None or dataset.portion in dataset.portions or lost:
            continue
        base = f"of `{dataset.like}`" if dataset.like else f"of `{name}`"
        yield _unknown("unknown-portion", f"portion {base}", tree, dataset.portions)


@rule
def unknown_metric(facts: Facts) -> Iterator[Problem]:
    """Metrics that select or watch must be components, class paths or, for watching, `loss`."""
    known = facts.catalogue.names("metric")
    trees = [(facts.source.at("/select/metric"), ())]
    for stage in facts.study.stages.values():
        tree = facts.field(stage, "trainer/monitor")
        trees.append((tree.get("metric") if tree is not None else None, ("loss",)))  # type: ignore[arg-type]
    for tree, more in trees:
        named = tree is not None and isinstance(tree.value, str) and "." not in tree.value
        if tree is not None and named and tree.value not in (*known, *more):
            yield _unknown("unknown-metric", "metric", tree, (*known, *more))


@rule
def unknown_role(facts: Facts) -> Iterator[Problem]:
    """Roles of heads, auxiliary objectives and monitors must be roles of their stage."""
    for stage in facts.study.stages.values():
        if not stage.datasets:
            continue
        roles = list(stage.datasets)
        trees = [facts.source.at(f"{head.pointer}/role") for head in stage.heads.values()]
        for name, tree in facts.components(facts.field(stage, "auxiliary")):
            body = tree.get(name)
            trees.append(None if body is None else body.get("role"))
        monitor = facts.field(stage, "trainer/monitor")
        trees.append(None if monitor is None else monitor.get("role"))
        for found in trees:
            for leaf in facts.leaves(found):
                if isinstance(leaf.value, str) and leaf.value not in (*roles, "none"):
                    yield _unknown("unknown-role", f"role of `{stage.name}`", leaf, roles)


@rule
def unknown_selected_role(facts: Facts) -> Iterator[Problem]:
    """The role by which is selected must be a role of some tested stage."""
    tree = facts.source.at("/select/role")
    roles = list(dict.fromkeys(role for stage in facts.study.stages.values() for role in stage.datasets))
    if tree is not None and isinstance(tree.value, str) and tree.value not in roles:
        yield _unknown("unknown-role", "role of any stage", tree, roles)


@rule
def unknown_head(facts: Facts) -> Iterator[Problem]:
    """Heads that select or are watched must be heads of a stage."""
    tree = facts.source.at("/select/head")
    every = list(dict.fromkeys(name for stage in facts.study.stages.values() for name in facts.heads(stage)))
    if tree is not None and isinstance(tree.value, str) and tree.value not in every:
        yield _unknown("unknown-head", "head of any stage", tree, every)
    for stage in facts.study.stages.values():
        monitor = facts.field(stage, "trainer/monitor")
        found = None if monitor is None else monitor.get("head")
        heads = list(facts.heads(stage))
        if found is not None and isinstance(found.value, str) and found.value not in heads:
            yield _unknown("unknown-head", f"head of `{stage.name}`", found, heads)


@rule
def name_clash(facts: Facts) -> Iterator[Problem]:
    """Stages share their names with neither weights nor tests."""
    stages = facts.section("stages")
    for section, why in (("pretrained", "`from` could mean either"), ("tests", "results could mean either")):
        for name, tree in facts.section(section).items():
            if name in stages:
                message = f"`{name}` is also the name of a stage: {why}"
                related = (Related(stages[name].pointer, "the stage", on_key=True),)
                yield Problem("name-clash", message, tree.pointer, on_key=True, related=related, help="rename one")


@rule
def against_arm(facts: Facts) -> Iterator[Problem]:
    """What differences are taken against must be a row of the table."""
    tree = facts.source.at("/report/against")
    if tree is None:
        return
    if tree.kind == "scalar":
        tested = [name for name, tests in facts.tested.items() if tests]
        if tree.value not in facts.study.stages:
            yield _unknown("unknown-stage", "stage", tree, tested)
        elif tree.value not in tested:
            message = f"`{tree.value}` is in no test, so it has no row"
            yield Problem("against-arm", message, tree.pointer, help=f"tested are {listed(tested)}" if tested else ())
        return
    for entry in tree.entries:
        param = facts.study.params.get(entry.key)
        labels = [one.label for one in getattr(param, "alternatives", ())]
        if param is None:
            help_ = did_you_mean(entry.key, facts.study.params)
            yield Problem("unknown-param", f"`{entry.key}` is no param", entry.value.pointer, on_key=True, help=help_)
        elif str(entry.value.value) not in labels and entry.value.raw not in labels:
            related = (Related(f"/params/{entry.key}", "its values", on_key=True),)
            message = f"`{entry.value.raw}` is no label of `{entry.key}`"
            help_ = did_you_mean(entry.value.raw, labels)
            yield Problem("against-arm", message, entry.value.pointer, help=help_, related=related)
