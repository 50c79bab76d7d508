"""Check search entries: `choice`, `compare`, the ranges and `param`."""

from attrs import evolve

from tlimb.language.check_values import expected, found
from tlimb.language.shapes import NODE_WORDS, PARAM, Shape
from tlimb.language.tree import Entry, Tree
from tlimb.language.walk import Use, Walk, did_you_mean, inline

RANGES = ("uniform", "log_uniform", "int_uniform")
_KEYED = ("choice", *RANGES)


def words_of(tree: Tree) -> list[Entry]:
    """Give the entries of a mapping whose keys are words of search entries."""
    return [entry for entry in tree.entries if entry.key in NODE_WORDS]


def check_node(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Check a mapping with at least one word of a search entry, where search entries are allowed."""
    words = words_of(tree)
    word = words[0]
    for entry in words[1:]:
        message = f"`{entry.key}` and `{word.key}` cannot stand in one search entry"
        walk.report_key("two-of", message, entry, help="delete one, or put the second inside the first")
    for entry in tree.entries:
        if entry.key == "key" and word.key in _KEYED:
            walk.inside(entry.value, Shape("key", types=("string",)))
        elif entry.key not in NODE_WORDS:
            message = f"unknown key `{entry.key}` beside `{word.key}`"
            walk.report_key("unknown-key", message, entry, help="a search entry has one key")
    if word.key not in shape.nodes:
        allowed = ", ".join(shape.nodes)
        message = f"`{word.key}` cannot stand here: `{shape.title}` is {expected(shape)}"
        walk.report_key("not-searchable", message, word, help=f"possible here: {allowed}" if allowed else ())
    elif word.key == "param":
        walk.inside(word.value, Shape("param", types=("string",), limits={"pattern": PARAM}))
        walk.uses.append(Use(tree, shape))
    elif word.key in RANGES:
        _check_range(walk, word, shape)
    else:
        _check_alternatives(walk, word, shape)


def not_searchable(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Report a search entry where nothing may vary."""
    word = words_of(tree)[0]
    if shape.title in ("seed", "seeds"):
        message = "a seed is not searched or compared: the best seed is chance"
        help_ = "to repeat every training and average:   replicates: 3"
        walk.report_key("seed-searched", message, word, help=help_)
        return
    if shape.keys is not None:
        help_ = "search single keys of it; values that go together are a record in `params`"
    else:
        help_ = f"write {expected(shape)}"
    walk.report_key("not-searchable", f"`{shape.title}` cannot be searched or compared", word, help=help_)


def _check_alternatives(walk: Walk, word: Entry, shape: Shape) -> None:
    tree, inner = word.value, evolve(shape, none=True) if shape.kind else shape
    if tree.kind == "sequence":
        if not tree.items:
            walk.report("list-length", f"`{word.key}` needs at least one value", tree)
        for item in tree.items:
            walk.inside(item, inner)
    elif tree.kind == "mapping" and word.key == "compare":
        if not tree.entries:
            walk.report("list-length", "`compare` needs at least one value", tree)
        for entry in tree.entries:
            walk.inside(entry.value, inner)
    else:
        form = "a list" if word.key == "choice" else "a list, or a mapping of labels to values"
        help_ = f"{word.key}: [..]" if tree.kind != "mapping" else "only `compare` may name its values"
        _wrong(walk, word, form, help_)


def _check_range(walk: Walk, word: Entry, shape: Shape) -> None:
    tree = word.value
    if tree.kind != "sequence":
        _wrong(walk, word, "a list of two numbers, lowest and highest", f"{word.key}: [0.1, 0.5]")
        return
    if len(tree.items) != 2:
        message = f"`{word.key}` is a list of two numbers, lowest and highest; this has {len(tree.items)}"
        walk.report("list-length", message, tree, help=f"write   {word.key}: [LOWEST, HIGHEST]")
    limits = {name: limit for name, limit in shape.limits.items() if name != "pattern"}
    if word.key == "log_uniform" and limits.get("minimum", 0) <= 0:
        limits = {**limits, "exclusiveMinimum": limits.get("exclusiveMinimum", 0)}
        limits.pop("minimum", None)
    end = Shape(shape.title, types=("integer" if word.key == "int_uniform" else "number",), limits=limits)
    before = len(walk.problems)
    ends = [item.value for item in tree.items]
    if word.key == "log_uniform" and len(ends) == 2 and all(type(one) is int and one < 0 for one in ends):
        written = ", ".join(f"1e{one}" for one in ends)
        help_ = f"the ends are values, not exponents: write   log_uniform: [{written}]"
        walk.report("out-of-range", f"`{shape.title}` must be more than 0; this is {inline(tree)}", tree, help=help_)
        return
    for item in tree.items:
        walk.inside(item, end)
    values = [item.value for item in tree.items]
    if len(walk.problems) == before and len(values) == 2 and not values[0] < values[1]:  # type: ignore[operator]
        message = f"`{word.key}` goes from the lowest to the highest value; {tree.items[0].raw} is not less"
        low, high = tree.items[1].raw, tree.items[0].raw
        help_ = f"write   {word.key}: [{low}, {high}]" if values[0] != values[1] else "write the value itself"
        walk.report("empty-range", message, tree, help=help_)


def unknown_word(walk: Walk, tree: Tree, shape: Shape) -> bool:
    """Report a mapping in place of a value when one of its keys looks like a word of a search entry."""
    if not tree.entries:
        message = f"`{shape.title}` is {expected(shape)}; this is an empty mapping"
        walk.report("wrong-type", message, tree, on_key=True)
        return True
    if len(tree.entries) != 1:
        return False
    entry = tree.entries[0]
    meant, help_ = did_you_mean(entry.key, shape.nodes)
    if meant is None:
        return False
    walk.report_key("unknown-key", f"unknown key `{entry.key}` in `{shape.title}`", entry, help=help_)
    inner = evolve(entry, key=meant)
    mended = evolve(tree, entries=(inner,))
    check_node(walk, mended, shape)
    return True


def _wrong(walk: Walk, word: Entry, form: str, help_: str) -> None:
    if word.value.kind == "scalar" and word.value.value is None:
        walk.report("null-value", f"the value of `{word.key}` is missing", word.value, on_key=True, help=help_)
        return
    message = f"`{word.key}` is {form}; this is {found(word.value)}"
    walk.report("wrong-type", message, word.value, help=help_)
