"""Check scalars and lists: types, words, ranges, and values that a person retyped."""

import re
from typing import Any

from tlimb.language.foreign import VALUES
from tlimb.language.scalars import is_number_text, looks_retyped
from tlimb.language.shapes import Shape
from tlimb.language.suggest import closest
from tlimb.language.tree import Scalar, Tree
from tlimb.language.walk import Walk, clip, inline, listed

_WORDS = {"boolean": "true or false", "integer": "a whole number", "number": "a number", "string": "a text"}


def check_scalar(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Check a scalar that is not null and stands where no component does."""
    value = tree.value
    if shape.none and value == "none":
        return
    if shape.anything:
        _warn_retyped(walk, tree, shape)
    elif shape.share:
        _check_share(walk, tree, shape)
    elif not any(_is(value, name) for name in shape.types):
        wrong_type(walk, tree, shape)
    elif shape.enum and not any(_same(value, allowed) for allowed in shape.enum):
        _unknown_value(walk, tree, shape)
    elif isinstance(value, str):
        pattern = shape.limits.get("pattern")
        if pattern is not None and re.search(pattern, value) is None:
            help_ = (f"for example `{shape.examples[0]}`",) if shape.examples else _mended(value, pattern)
            walk.report("bad-format", f"`{clip(value)}` is not a valid `{shape.title}`", tree, help=help_)
        else:
            _warn_retyped(walk, tree, shape)
    elif not isinstance(value, bool) and isinstance(value, int | float):
        _check_limits(walk, tree, shape, value)


def _mended(text: str, pattern: str) -> tuple[str, ...]:
    """Give the same text with a dash for what may not stand in it, where that makes it right."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-")
    return (f"for example `{plain}`",) if re.search(pattern, plain) else (f"it must match {pattern}",)


def check_null(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Report that a value is missing, unless nothing may be written."""
    if shape.null:
        return
    title = clip(shape.title, 30)
    help_ = (
        (f"write   {title}: none   if nothing is meant",)
        if shape.none
        else (f"write {expected(shape)}, or delete the key",)
    )
    walk.report("null-value", f"the value of `{shape.title}` is missing", tree, on_key=tree.empty, help=help_)


def check_sequence(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Check a list and its items."""
    if shape.anything:
        for item in tree.items:
            walk.inside(item, shape)
        return
    if shape.items is None:
        _list_as_value(walk, tree, shape)
        return
    least, most = shape.sizes.get("minItems", 0), shape.sizes.get("maxItems")
    number = len(tree.items)
    if number < least or (most is not None and number > most):
        wanted = f"{least}" if least == most else f"at least {least}" if most is None else f"{least} to {most}"
        message = f"`{shape.title}` is a list of {wanted}; this has {number}"
        example = ", ".join([*map(inline, tree.items), *["N"] * (least - number)][: most or None])
        walk.report("list-length", message, tree, help=f"write   {clip(shape.title, 30)}: [{clip(example, 80)}]")
    for item in tree.items:
        walk.inside(item, shape.items)


def wrong_type(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Report a value of the wrong kind, with what was probably meant."""
    help_ = _inside(tree, shape)
    value = tree.value
    if _of_its_own(walk, tree, shape):
        return
    numeric = {"integer", "number"} & set(shape.types)
    if tree.kind == "mapping":
        help_ = _of_mapping(tree, shape) or help_
    elif tree.kind == "scalar" and isinstance(value, str):
        if tree.quoted and numeric and is_number_text(value):
            help_ = (f"the quotes make it a text; write {value} without them",)
        elif tree.quoted and "boolean" in shape.types and value.lower() in ("true", "false"):
            help_ = (f"the quotes make it a text; write {value.lower()} without them",)
        elif "boolean" in shape.types and value.lower() in _BOOLEANS:
            help_ = (f"write {_BOOLEANS[value.lower()]}",)
        elif numeric and value.endswith("%") and is_number_text(value[:-1]):
            help_ = (f"write   {clip(shape.title, 30)}: {float(value[:-1]) / 100:g}",)
        elif numeric and is_number_text(value.replace("_", "").replace(",", "")):
            help_ = (f"write {value.replace('_', '').replace(',', '')}",)
        elif numeric and value == "none":
            help_ = ("`none` is not allowed here; delete the key to use the default",)
    elif tree.kind == "scalar" and shape.enum:
        theirs = VALUES.get(shape.title, {}).get(tree.raw)
        near = [theirs] if theirs else [word for word in shape.enum if tree.raw in str(word)]
        help_ = tuple(f"write   {clip(shape.title, 30)}: {word}" for word in near[:1])
    elif tree.kind == "scalar" and "string" in shape.types:
        help_ = _as_text(tree, shape)
    walk.report("wrong-type", f"`{shape.title}` is {expected(shape)}; this is {found(tree)}", tree, help=help_)


def _as_text(tree: Tree, shape: Shape) -> tuple[str, ...]:
    """Say how a number or truth value becomes a text, or which text it was meant to be."""
    if tree.raw == "true" and shape.title == "mask" and shape.values is not None:
        # The reader of HCP takes `mask: true`; the one of BIDS asks for the name of the masks.
        return ("write   mask: brain   for masks beside the images that are called *_desc-brain_mask",)
    return (f'quotes make it a text: "{tree.raw}"',)


def _of_mapping(tree: Tree, shape: Shape) -> tuple[str, ...]:
    """Say what a mapping was probably meant to be: components to list, or a search entry."""
    if shape.items is not None and shape.items.kind:
        items = ", ".join(f"{{{entry.key}: {inline(entry.value)}}}" for entry in tree.entries)
        return (f"their order counts; write   {clip(shape.title, 30)}: [{clip(items, 80)}]",)
    return (f"a search entry is {listed(f'`{word}`' for word in shape.nodes)}",) if shape.nodes else ()


def _of_its_own(walk: Walk, tree: Tree, shape: Shape) -> bool:
    """Report what has a code of its own: a version that is no whole number, and another tool's interpolation."""
    if shape.title == "tlimb" and tree.kind == "scalar" and not isinstance(tree.value, str):
        message = f"there is no version {clip(tree.raw)} of the language"
        walk.report("version", message, tree, help=f"write   tlimb: {shape.enum[0]}")
        return True
    if isinstance(tree.value, str) and "${" in tree.value:
        _interpolated(walk, tree, shape)
        return True
    return False


def _interpolated(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Report another tool's way to fill in a value."""
    name = re.sub(r"[^a-z0-9_]+", "_", str(tree.value).partition("${")[2].partition("}")[0].lower()).strip("_")
    name = name.rpartition("_")[2] if shape.title == name.rpartition("_")[2] else name or "name"
    help_ = (
        f"name the value at the top level:   params: {{{name}: ..}}",
        f"and use it here:   {clip(shape.title, 30)}: {{param: {name}}}",
    )
    message = f"`{clip(tree.raw)}` is a text: nothing is filled in for it"
    walk.report("foreign-word", message, tree, help=help_)


def _inside(tree: Tree, shape: Shape) -> tuple[str, ...]:
    """Say in which key of a block a value belongs that stands in place of the block."""
    if tree.kind != "scalar":
        return ()
    if shape.title == "freeze" and isinstance(tree.value, bool):
        whole = "write   freeze: {up_to: all}   to train the head only"
        return (whole,) if tree.value else ("delete it: nothing is frozen by default",)
    for name, inner in (shape.keys or {}).items():
        words = [*inner.enum, *inner.examples]
        if tree.value in words or (len(shape.required) == 1 and name in shape.required):
            return (f"write   {clip(shape.title, 30)}: {{{name}: {clip(tree.raw, 30)}}}",)
    return ()


_BOOLEANS = {"yes": "true", "y": "true", "on": "true", "no": "false", "n": "false", "off": "false"}


def expected(shape: Shape) -> str:
    """Say in words what may stand at a place."""
    parts: list[str] = []
    if shape.share:
        parts.append("a count, a share between 0 and 1, `rest`")
    elif shape.enum:
        parts += [f"`{_written(value)}`" for value in shape.enum]
    else:
        parts += [_WORDS[name] for name in shape.types if name != "integer" or "number" not in shape.types]
    if shape.kind:
        article = "an" if shape.kind[0] in "aeiou" else "a"
        parts.append(f"the name of {article} {shape.kind}, or a mapping of its name to its options")
    if shape.none:
        parts.append("`none`")
    if shape.items is not None and not shape.kind:
        parts.append("a list")
    if shape.keys is not None:
        parts.append(f"a mapping with the keys {clip(', '.join(shape.keys), 100)}")
    elif shape.values is not None:
        parts.append("a mapping")
    return listed(parts) if parts else "nothing"


def found(tree: Tree) -> str:
    """Say in words what stands at a place."""
    if tree.kind == "mapping":
        return "a mapping"
    if tree.kind == "sequence":
        return f"a list of {len(tree.items)}"
    if isinstance(tree.value, str):
        return f"the text `{clip(tree.value)}`"
    if isinstance(tree.value, bool):
        return f"`{_written(tree.value)}`"
    return "nothing" if tree.value is None else f"the number {clip(tree.raw)}"


def _list_as_value(walk: Walk, tree: Tree, shape: Shape) -> None:
    help_: tuple[str, ...] = ()
    written = f"[{', '.join(inline(item) for item in tree.items)}]"
    if "choice" in shape.nodes and tree.items:
        title, values = clip(shape.title, 30), clip(written, 100)
        every, best = ("both", "better") if len(tree.items) == 2 else ("all", "best")
        first = f"to try {every} and keep the {best} one on validation:"
        second = f"to show {every} as rows of the final table:".ljust(len(first))
        help_ = (f"{first}   {title}: {{choice: {values}}}", f"{second}   {title}: {{compare: {values}}}")
    elif shape.title == "defaults" and all(len(item.entries) == 1 for item in tree.items):
        pairs = ", ".join(inline(item)[1:-1] for item in tree.items)
        help_ = (f"write one mapping, no list of files:   defaults: {{{clip(pairs, 100)}}}",)
    elif shape.kind == "split" and 2 <= len(tree.items) <= 3 and all(item.kind == "scalar" for item in tree.items):
        names = ("train", "val", "test") if len(tree.items) == 3 else ("train", "test")
        parts = ", ".join(f"{name}: {item.raw}" for name, item in zip(names, tree.items, strict=True))
        help_ = (f"write   split: {{holdout: {{{parts}}}}}",)
    elif len(tree.items) == 1:
        help_ = (f"write {clip(inline(tree.items[0]), 100)} without the brackets",)
    walk.report("list-as-value", f"`{shape.title}` is {_one(shape)}; this is {found(tree)}", tree, help=help_)


def _one(shape: Shape) -> str:
    if shape.kind:
        return f"one {shape.kind}"
    if shape.keys is not None or shape.values is not None:
        return "one mapping"
    if set(shape.types) & {"number", "integer"}:
        return "one number"
    return "one value" if shape.enum or shape.types != ("string",) else "one text"


def _check_share(walk: Walk, tree: Tree, shape: Shape) -> None:
    value = tree.value
    if value == "rest":
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        wrong_type(walk, tree, shape)
    elif value == 1:
        help_ = ("write `rest` for all that is left, or a share such as 0.9",)
        walk.report("share-ambiguous", f"`{tree.raw}`: all of them, or one participant?", tree, help=help_)
    elif value <= 0 or (value > 1 and value != int(value)):
        help_ = ("a count is a whole number from 2, a share lies between 0 and 1",)
        walk.report("share-ambiguous", f"`{clip(tree.raw)}` is neither a count nor a share", tree, help=help_)


def _check_limits(walk: Walk, tree: Tree, shape: Shape, value: float) -> None:
    broken = [
        text.format(limit)
        for name, (test, text) in _LIMITS.items()
        if (limit := shape.limits.get(name)) is not None and not test(value, limit)
    ]
    if broken:
        walk.report("out-of-range", f"`{shape.title}` must be {' and '.join(broken)}; this is {clip(tree.raw)}", tree)


_LIMITS: dict[str, tuple[Any, str]] = {
    "minimum": (lambda value, limit: value >= limit, "{} or more"),
    "exclusiveMinimum": (lambda value, limit: value > limit, "more than {}"),
    "maximum": (lambda value, limit: value <= limit, "{} or less"),
    "exclusiveMaximum": (lambda value, limit: value < limit, "less than {}"),
    "multipleOf": (lambda value, limit: value % limit == 0, "a multiple of {}"),
}


def _unknown_value(walk: Walk, tree: Tree, shape: Shape) -> None:
    if shape.title == "tlimb":
        help_: tuple[str, ...] = ("this tlimb reads version 1; `tlimb upgrade` rewrites older specs",)
        walk.report("version", f"there is no version {clip(tree.raw)} of the language", tree, help=help_)
        return
    words = [_written(value) for value in shape.enum] + (["none"] if shape.none else [])
    text = tree.raw if isinstance(tree.value, str) else _written(tree.value)
    theirs = VALUES.get(shape.title, {}).get(text)
    if theirs is not None:
        help_ = (f"write   {shape.title}: {theirs}",)
        walk.report("unknown-value", f"`{clip(text)}` is not a `{shape.title}`", tree, help=help_)
        return
    meant = closest(text, words) or next((word for word in words if text and text in word), None)
    help_ = (f"did you mean `{meant}`?",) if meant else ()
    help_ = (*help_, f"allowed here: {', '.join(words)}")
    walk.report("unknown-value", f"`{clip(text)}` is not a `{shape.title}`", tree, help=help_)


def _warn_retyped(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Warn of plain words that older YAML parsers change, and of numbers that lose their leading zeros."""
    if tree.quoted:
        return
    if isinstance(tree.value, str):
        other = looks_retyped(tree.value)
        if other is not None:
            message = f"`{clip(tree.value)}` is a text here; older YAML programs read it as {other}"
            walk.warn("retyped", message, tree, help=(f'write "{clip(tree.value)}"',))


def _is(value: Scalar, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, int):
        return name in ("integer", "number")
    if isinstance(value, float):
        return name == "number" or (name == "integer" and value.is_integer())
    return isinstance(value, str) and name == "string"


def _same(value: Scalar, allowed: Any) -> bool:
    return value == allowed and isinstance(value, bool) == isinstance(allowed, bool)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
