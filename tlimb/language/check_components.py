"""Check components, which are tagged by key: one key, the name, and its options under it."""

import re
from collections.abc import Collection, Sequence

from tlimb.language.check_values import found, wrong_type
from tlimb.language.shapes import CLASS_PATH, Shape, anything
from tlimb.language.suggest import closest
from tlimb.language.tree import Entry, Tree
from tlimb.language.walk import Walk, clip, inline, listed

FOREIGN = ("type", "name", "_target_", "class_path", "class", "init_args", "kwargs", "options")
"""How other tools tag a component."""


def check_bare(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Check a component that is written as its name alone."""
    name = tree.value
    if not isinstance(name, str):
        wrong_type(walk, tree, shape)
        return
    if shape.none and name == "none":
        return
    options = walk.grammar.component(shape.kind, name)
    if options is None and not re.search(CLASS_PATH, name):
        _unknown(walk, name, shape, tree, None)
    elif options is not None and options.required:
        needed = ", ".join(f"{option}: .." for option in options.required)
        message = f"{shape.kind} `{name}` needs {listed((f'`{o}`' for o in options.required), 'and')}"
        help_ = f"write   {clip(shape.title, 30)}: {{{name}: {{{needed}}}}}"
        walk.report("missing-key", message, tree, help=help_)


def check_component(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Check a component that is written as a mapping."""
    kind = shape.kind
    known = [entry for entry in tree.entries if _known(walk, kind, entry.key)]
    if not tree.entries:
        walk.report("missing-key", f"the name of the {kind} is missing", tree, on_key=True, help=_list(walk, kind))
    elif not known:
        _no_known(walk, tree, shape)
    else:
        first = known[0]
        options = walk.grammar.component(kind, first.key)
        for entry in tree.entries:
            if entry in known[1:]:
                message = f"`{entry.key}` is a second {kind} beside `{first.key}`"
                walk.report_key("two-components", message, entry, help=f"one {kind} has one key, its name")
            elif entry not in known:
                inside = options is not None and entry.key in (options.keys or {})
                help_ = (
                    f"it is an option of `{first.key}`: write it inside, {first.key}: {{{entry.key}: ..}}"
                    if inside
                    else f"options stand inside `{first.key}`"
                )
                walk.report_key(
                    "unknown-key", f"unknown key `{clip(entry.key)}` beside `{first.key}`", entry, help=help_
                )
        beside = {entry.key for entry in tree.entries if entry not in known}
        for entry in known:
            check_options(walk, entry, kind, entry.key, beside)


def check_options(walk: Walk, entry: Entry, kind: str, name: str, beside: Collection[str] = ()) -> None:
    """Check what is written under a component's name; options written `beside` it are reported already."""
    tree = entry.value
    options = walk.grammar.component(kind, name)
    if options is None:  # a class path that is not described: its options are open
        options = Shape(name, values=anything("option"), null=True)
    if tree.kind == "mapping":
        walk.inside(tree, options)
    elif tree.kind == "scalar" and tree.value is None and not tree.quoted:
        for option in (option for option in options.required if option not in beside):
            message = f"{kind} `{name}` needs `{option}`"
            walk.report("missing-key", message, tree, on_key=True, help=f"write   {name}: {{{option}: ..}}")
    else:
        only = options.required[0] if len(options.required) == 1 else None
        written = clip(tree.raw) if tree.kind == "scalar" else ".."
        help_ = f"write   {name}: {{{only}: {written}}}" if only else f"write   {name}: {{option: value}}"
        walk.report("wrong-type", f"the options of `{name}` are a mapping; this is {found(tree)}", tree, help=help_)


def _known(walk: Walk, kind: str, name: str) -> bool:
    return walk.grammar.component(kind, name) is not None or re.search(CLASS_PATH, name) is not None


def _no_known(walk: Walk, tree: Tree, shape: Shape) -> None:
    foreign = next((entry for entry in tree.entries if entry.key in FOREIGN), None)
    if foreign is not None:
        _foreign(walk, tree, shape, foreign)
        return
    first = tree.entries[0]
    if len(tree.entries) == 1:
        _unknown(walk, first.key, shape, first.value, first)
        return
    written = {entry.key for entry in tree.entries}
    fits = [listing.name for listing in walk.grammar.catalogue.all(shape.kind) if written <= set(listing.options)]
    close = [e for e in tree.entries if closest(e.key, walk.grammar.catalogue.names(shape.kind))]
    if not fits and len(close) == 1:
        first = close[0]
    inner = ", ".join(f"{entry.key}: .." for entry in tree.entries[:3])
    help_ = (f"these are options of {listed(fits)}: write   {fits[0]}: {{{inner}}}",) if fits else ()
    message = f"a {shape.kind} is one key, its name, with its options inside; there are {len(tree.entries)} keys"
    walk.report_key(f"unknown-{shape.kind}", message, first, help=(*help_, *_list(walk, shape.kind)))


def _foreign(walk: Walk, tree: Tree, shape: Shape, foreign: Entry) -> None:
    """Report another tool's way to tag a component; what stands beside it is part of the same mistake."""
    value = str(foreign.value.value) if foreign.value.kind == "scalar" else ""
    name = value if _known(walk, shape.kind, value) else closest(value, walk.grammar.catalogue.names(shape.kind))
    name = name or next(iter(walk.grammar.catalogue.names(shape.kind)), "name")
    others = [entry.key for entry in tree.entries if entry.key not in FOREIGN]
    options = [entry for entry in tree.entries if entry.key not in FOREIGN]
    inner = "{" + ", ".join(f"{entry.key}: {clip(inline(entry.value), 30)}" for entry in options) + "}"
    example = f"{name}: {inner}" if others else name
    message = f"components are written by their name, not by `{foreign.key}:`"
    form = f"{{{example}}}" if others else example
    walk.report_key("foreign-word", message, foreign, help=f"write   {clip(shape.title, 30)}: {form}")


def _unknown(walk: Walk, name: str, shape: Shape, tree: Tree, entry: Entry | None) -> None:
    """Report an unknown name, and check the options of the one that was meant."""
    catalogue = walk.grammar.catalogue
    names = catalogue.names(shape.kind)
    words = [*names, *(["none"] if shape.none else [])]
    also = {
        theirs: listing.aka[theirs]
        for listing in catalogue.all(shape.kind)
        for theirs in listing.aka
        if theirs.lower() == name.lower()
    }
    options = [listing.aka[theirs] for listing in catalogue.all(shape.kind) for theirs in also if theirs in listing.aka]
    meant = None
    if options:
        title = clip(shape.title, 30)
        help_: tuple[str, ...] = (_written(walk, title, shape.kind, options),)
    else:
        meant = closest(name, [*words, *(shape.nodes if entry is not None else ())])
        help_ = (f"did you mean `{meant}`?",) if meant else ()
        if entry is None and meant in names:
            listing = catalogue.get(shape.kind, str(meant))
            needed = ", ".join(f"{option}: .." for option in (() if listing is None else listing.required))
            form = f"{{{meant}: {{{needed}}}}}" if needed else meant
            help_ = (*help_, f"write   {clip(shape.title, 30)}: {form}")
    note = f"{_plural(shape.kind)} here: {', '.join(words)}, or a class path"
    note = f"{note}; their options: `tlimb components {shape.kind}`"
    if not names:
        note = f"tlimb has no {_plural(shape.kind)} of its own: write a class path, as `package.module.Class`"
    message = f"no {word(shape.kind)} is called `{clip(name)}`"
    on_key = entry is not None
    walk.report(f"unknown-{shape.kind}", message, tree, on_key=on_key, help=help_, note=note)
    if entry is not None and meant in names:
        check_options(walk, entry, shape.kind, str(meant))


_DIMS = {1: "for time series", 2: "for 2D slices", 3: "for volumes"}


def _written(walk: Walk, title: str, kind: str, options: Sequence[str]) -> str:
    """Say what to write for another tool's word: one line for each component that has it, those that fit first."""
    catalogue = walk.grammar.catalogue
    images = {dim for one in walk.data_modules for dim in catalogue.facts("data", one).get("dims", ())}
    lines: list[tuple[bool, str, str]] = []
    for option in options:
        name = option.lstrip("{").partition(":")[0]
        dims = set(catalogue.facts(kind, name).get("dims", ()))
        form = option if option.startswith("{") or ": " not in option else f"{{{option}}}"
        use = _DIMS.get(min(dims), "") if len(dims) == 1 else ""
        if use and dims <= images:
            use += f" (your `data: {min(walk.data_modules)}` gives {use.removeprefix('for ').removeprefix('2D ')})"
        lines.append((not dims <= images, f"{title}: {form}", use if len(options) > 1 else ""))
    width = max(len(form) for _, form, _ in lines)
    ordered = sorted(lines, key=lambda one: one[0])
    words = ["write", *["or   "] * len(lines)]
    return "\n".join(
        f"{word}   {form.ljust(width)}  {use}".rstrip() for word, (_, form, use) in zip(words, ordered, strict=False)
    )


WORDS = {
    "auxiliary": "auxiliary objective",
    "augment": "augmentation",
    "cohort": "cohort reader",
    "data": "data module",
    "layout": "layout of weights",
    "preprocess": "preprocessing step",
    "search": "search",
}


def word(kind: str) -> str:
    """Say a component kind in words."""
    return WORDS.get(kind, kind)


def _plural(kind: str) -> str:
    if kind == "layout":
        return "layouts of weights"
    return word(kind) + ("es" if kind.endswith("ch") else "s")


def _list(walk: Walk, kind: str) -> tuple[str, ...]:
    names = walk.grammar.catalogue.names(kind)
    return (f"{_plural(kind)}: {', '.join(names)}",) if names else ()
