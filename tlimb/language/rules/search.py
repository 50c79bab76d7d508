"""What varies, and whether it varies as it seems to."""

from collections.abc import Iterator, Sequence

from tlimb.language.reading import RANGES, label, node_word, value
from tlimb.language.rules.facts import Facts, listed, rule
from tlimb.language.tree import Tree
from tlimb.language.values import Choice, Compare, Node, Range, walk
from tlimb.problems import Problem, Related, Severity

ROWS = ("architecture", "from", "freeze/up_to")
"""Places where one usually wants to see every value in the table."""


@rule
def continuous_under_grid(facts: Facts) -> Iterator[Problem]:
    """An interval has no grid; it is drawn from."""
    search = facts.study.search
    if search is not None and search.name != "grid":
        return
    found: dict[str, tuple[str, Tree]] = {}
    for tree in facts.all_trees():
        word = node_word(tree)
        body = tree.get(word) if word in RANGES else None
        if body is not None and word is not None:
            found.setdefault(body.pointer, (word, body))
    if not found:
        return
    (word, body), *others = sorted(found.values(), key=lambda one: (one[1].span.line, one[1].span.column))
    message = f"`{word}` needs a random search: an interval has no grid"
    texts = [item.raw for item in body.items[:2]]
    help_ = (
        "draw from it:      search: {random: {count: 20, seed: 1}}   at the top level",
        f"or list the values: {{choice: [{', '.join(texts)}]}}",
    )
    related = tuple(Related(other.pointer, "and here", on_key=True) for _, other in others)
    yield Problem("continuous-under-grid", message, body.pointer, on_key=True, help=help_, related=related)


@rule
def compare_in_choice(facts: Facts) -> Iterator[Problem]:
    """A row of the table cannot exist only where the search happens to go."""
    for tree in facts.all_trees():
        if node_word(tree) != "choice":
            continue
        for inner in _inside(facts, tree):
            if node_word(inner) == "compare":
                found = inner.get("compare")
                assert found is not None
                message = "a compared value stands inside a searched one: its rows would exist in some draws only"
                related = (Related(f"{tree.pointer}/choice", "the search", on_key=True),)
                help_ = "make the outer one `compare`, or the inner one `choice`"
                yield Problem("compare-in-choice", message, found.pointer, on_key=True, related=related, help=help_)


def _inside(facts: Facts, tree: Tree, seen: tuple[str, ...] = ()) -> Iterator[Tree]:
    for child in tree.children():
        yield child
        if node_word(child) == "param":
            name = str(child.get("param").value)  # type: ignore[union-attr]
            if name not in seen:
                for found in facts.param_trees(name):
                    yield found
                    yield from _inside(facts, found, (*seen, name))
        else:
            yield from _inside(facts, child, seen)


@rule
def nothing_varies(facts: Facts) -> Iterator[Problem]:
    """A search needs something to search, a choice at least two alternatives."""
    for tree in facts.all_trees():
        word = node_word(tree)
        body = tree.get(word) if word in ("choice", "compare") else None
        if body is not None and len(list(body.children())) == 1:
            message = f"a `{word}` of one alternative varies nothing"
            yield Problem("nothing-varies", message, body.pointer, on_key=True, severity=Severity.WARNING)
    if facts.random and not any(
        isinstance(node, Choice | Range) for stage in facts.study.stages for node in facts.nodes(stage).values()
    ):
        message = "nothing is searched, so all draws would be equal"
        help_ = "delete `search`, or write a `choice` or an interval where a value should be searched"
        yield Problem("nothing-varies", message, "/search/random", on_key=True, help=help_)


@rule
def duplicate_alternative(facts: Facts) -> Iterator[Problem]:
    """Equal alternatives are one."""
    for tree in facts.all_trees():
        word = node_word(tree)
        body = tree.get(word) if word in ("choice", "compare") else None
        first: dict[str, Tree] = {}
        for item in body.children() if body is not None else ():
            text = repr(label(value(item, ""))) if item.kind == "scalar" else repr(item.data())
            known = first.setdefault(text, item)
            if known is item:
                continue
            shown = item.raw if item.kind == "scalar" else "this"
            message = (
                f"`{shown}` stands here already, as `{known.raw}`"
                if known.raw
                else "this alternative stands here already"
            )
            related = (Related(known.pointer, "first here"),)
            yield Problem(
                "duplicate-alternative",
                message,
                item.pointer,
                severity=Severity.WARNING,
                related=related,
                help="equal alternatives are one; delete it",
            )


@rule
def shared_dimension(facts: Facts) -> Iterator[Problem]:
    """A search entry that a stage and its parent read multiplies the parent too; the network is always shared."""
    limit = facts.source.at("/search/random/limit")
    limited = set() if limit is None else {entry.key for entry in limit.entries}
    children: dict[tuple[str, str], list[str]] = {}
    nodes: dict[str, Node] = {}
    for name, stage in facts.study.stages.items():
        network = {inner.place for inner in facts.follow([stage.architecture]) if isinstance(inner, Node)}
        for parent in facts.parents(name):
            for place, node in facts.own_nodes[name].items():
                shared = place in facts.own_nodes[parent] and place not in network and parent not in limited
                if shared and not isinstance(node, Compare):
                    children.setdefault((place, parent), []).append(name)
                    nodes[place] = node
    for (place, parent), names in children.items():
        text = place.rpartition("/")[2]
        message = f"`{text}` is read by {listed([parent, *names])}: one value for all, so `{parent}` is multiplied"
        severity = Severity.WARNING if place.startswith("defaults/") else Severity.INFO
        related = (Related(f"/stages/{parent}", "the earlier stage", on_key=True),)
        help_ = f"for values of their own, write it in `stages/{names[0]}`, and a fixed one in `stages/{parent}`"
        where = nodes[place].pointer
        yield Problem("shared-dimension", message, where, severity=severity, related=related, help=help_)


@rule
def component_searched(facts: Facts) -> Iterator[Problem]:
    """Of networks, starts and freezings on a grid only the best is tested; a random search says so itself."""
    if facts.random:
        return
    for stage in facts.study.stages.values():
        for key in ROWS:
            tree = facts.field(stage, key)
            word = None if tree is None else node_word(tree)
            if word == "param":
                name = str(tree.get("param").value)  # type: ignore[union-attr]
                tree = next(facts.param_trees(name), None)
                word = None if tree is None else node_word(tree)
            if tree is None or word != "choice":
                continue
            message = f"`{key.replace('/', '.')}` is searched: only the best will be tested"
            yield Problem(
                "component-searched",
                message,
                f"{tree.pointer}/choice",
                on_key=True,
                severity=Severity.WARNING,
                help="if each should be a row of the table, write `compare`",
            )


@rule
def limit_collapses(facts: Facts) -> Iterator[Problem]:
    """A limit on a stage must not leave fewer different trainings than draws below it."""
    search = facts.study.search
    if search is None or not facts.random:
        return
    tree = facts.source.at("/search/random/limit")
    count = search.options.get("count")
    if tree is None or not isinstance(count, int):
        return
    for entry in tree.entries:
        limit = entry.value.value
        if entry.key not in facts.study.stages or not isinstance(limit, int) or limit >= count:
            continue
        limited = {place: n for place, n in facts.nodes(entry.key).items() if not isinstance(n, Compare)}
        if not limited:
            message = f"`{entry.key}` reads no search entry, so there is nothing to limit"
            yield Problem("limit-unread", message, entry.value.pointer, on_key=True, help="delete this entry")
            continue
        for name in facts.study.stages:
            if name == entry.key or entry.key not in facts.ancestors(name):
                continue
            free = {p: n for p, n in facts.nodes(name).items() if p not in limited and not isinstance(n, Compare)}
            if free or not facts.tested[name]:
                continue
            shared = [n for place, n in limited.items() if place in facts.own_nodes[name]]
            yield _collapse(entry.key, name, limit, count, shared)


def _collapse(limited: str, stage: str, limit: int, count: int, shared: Sequence[object]) -> Problem:
    nodes = [node for node in shared if isinstance(node, Choice | Range)]
    said = f"read by `{limited}` and `{stage}`: one value for both"
    related = tuple(Related(node.pointer, said) for node in nodes)
    return Problem(
        "limit-collapses",
        f"{count} draws asked, but only {limit} different trainings of `{stage}` would be made",
        "/search/random/limit",
        on_key=True,
        label=f"{limit} trainings of `{limited}`: all that `{limited}` reads gets {limit} values",
        related=related,
        help=(
            f"give `{stage}` a space of its own: move what is searched into `stages/{stage}`, and give `{limited}`"
            f" its own (then: {limit} trainings of `{limited}`, {count} of `{stage}`)",
            f"or, if one value for both stages is meant, delete `limit` ({count} trainings of each) or write"
            f" `count: {limit}`",
        ),
    )


@rule
def replicates_once(facts: Facts) -> Iterator[Problem]:
    """A stage that is done once cannot start from one that is repeated."""
    once = facts.study.replicates.once
    for position, name in enumerate(once):
        for ancestor in facts.ancestors(name)[1:]:
            if ancestor not in once:
                message = f"`{name}` is done once, but starts from `{ancestor}`, which is repeated"
                help_ = f"add `{ancestor}` to `once`"
                yield Problem("once-after-repeated", message, f"/replicates/once/{position}", help=help_)


@rule
def where_unread(facts: Facts) -> Iterator[Problem]:
    """A restriction must concern a param that the stage reads, and leave something."""
    for name in facts.study.stages:
        tree = facts.source.at(f"/stages/{name}/where")
        read = facts.params_read(name)
        for entry in tree.entries if tree is not None else ():
            param = facts.study.params.get(entry.key)
            if param is None:
                continue
            if entry.key not in read:
                message = f"`{name}` never reads `{entry.key}`, so this restricts nothing"
                help_ = f"it reads {listed(sorted(read))}" if read else "it reads no param"
                yield Problem("where-unread", message, entry.value.pointer, on_key=True, help=help_)
                continue
            labels = {
                one.label for inner in walk(param) if isinstance(inner, Choice | Compare) for one in inner.alternatives
            }
            wanted = [entry.value] if entry.value.kind == "scalar" else list(entry.value.items)
            kept = [item for item in wanted if label(value(item, "")) in labels]
            if labels and not kept:
                shown = ", ".join(item.raw for item in wanted)
                message = f"`{shown}` is no value of `{entry.key}`, so nothing is left of `{name}`"
                related = (Related(f"/params/{entry.key}", "its values", on_key=True),)
                help_ = f"its values are {listed(sorted(labels))}"
                yield Problem("where-empty", message, entry.value.pointer, related=related, help=help_)
