"""Find all mistakes of form in a spec: exactly one diagnostic for each, all at once.

The walk follows the same shapes that the JSON Schema for editors is made from. jsonschema is the reference: a
property test holds that this walk finds an error exactly when jsonschema does. It is not used here because its
errors say that something failed, not which mistake was made, and importing it costs more than reading a spec. What
this walk lets through meets it in the end: `tlimb.language.gate`.
"""

import re
from collections.abc import Iterable, Iterator

from tlimb.language.catalogue import Catalogue
from tlimb.language.check_components import check_bare, check_component
from tlimb.language.check_nodes import check_node, not_searchable, unknown_word, words_of
from tlimb.language.check_params import check_params
from tlimb.language.check_values import check_null, check_scalar, check_sequence, wrong_type
from tlimb.language.foreign import Answer, answer
from tlimb.language.grammar import grammar
from tlimb.language.shapes import RESERVED, Shape
from tlimb.language.source import Source
from tlimb.language.suggest import alike, closest
from tlimb.language.tree import Entry, Tree
from tlimb.language.walk import Walk, clip, inline
from tlimb.problems import Place, Problem, Related, Severity

MOST_GUESSES = 50
"""Unknown keys of one block for which a meant one is looked for."""


def check(source: Source, catalogue: Catalogue) -> list[Problem]:
    """Give all problems of form: those of the reading and those of the language, with places, sorted.

    When the document could not be read, only what stopped the reading is reported.
    """
    if source.unreadable:
        return source.resolve(source.problems)
    walk = structure(source, catalogue)
    check_params(walk, source.root)
    reported = {problem.place.span for problem in source.problems if problem.place is not None}
    found = [
        problem
        for problem in source.resolve([*walk.problems, *_copied_dimensions(source)])
        if problem.place is None or problem.place.span not in reported
    ]
    return source.resolve([*source.problems, *found])


def structure(source: Source, catalogue: Catalogue) -> Walk:
    """Walk a readable spec against the grammar; params are not followed to where they are used."""
    language = grammar(catalogue)
    walk = Walk(language, visit, data_modules=frozenset(_data_modules(source.root)))
    walk.inside(source.root, language.study)
    return walk


def _data_modules(root: Tree) -> Iterator[str]:
    stages = root.get("stages")
    for layer in (root.get("defaults"), *(() if stages is None else stages.children())):
        data = None if layer is None else layer.get("data")
        for entry in data.entries if data is not None else ():
            yield entry.key


def visit(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Check one node against what may stand at its place."""
    if tree.kind == "scalar":
        if tree.value is None and not tree.quoted:
            check_null(walk, tree, shape)
        elif shape.kind:
            check_bare(walk, tree, shape)
        else:
            check_scalar(walk, tree, shape)
    elif tree.kind == "sequence":
        check_sequence(walk, tree, shape)
    else:
        _mapping(walk, tree, shape)


def _mapping(walk: Walk, tree: Tree, shape: Shape) -> None:
    words = words_of(tree)
    if words and shape.nodes:
        check_node(walk, tree, shape)
    elif words and shape.values is None and not (shape.keys is not None and len(tree.entries) > 1):
        not_searchable(walk, tree, shape)
    elif shape.anything:
        for entry in tree.entries:
            walk.inside(entry.value, shape)
    elif shape.kind:
        check_component(walk, tree, shape)
    elif shape.keys is not None:
        _block(walk, tree, shape)
    elif shape.values is not None:
        _map(walk, tree, shape)
    elif not (shape.nodes and unknown_word(walk, tree, shape)):
        wrong_type(walk, tree, shape)


def _block(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Check a mapping with fixed keys, pairing unknown with missing ones."""
    keys = shape.keys or {}
    unknown = [entry for entry in tree.entries if entry.key not in keys]
    written = {entry.key for entry in tree.entries}
    missing = [name for name in shape.required if name not in written]
    meant: dict[str, str] = {}
    foreign = {id(entry): answer(entry, shape, walk.grammar.catalogue) for entry in unknown}
    for tries, entry in enumerate(unknown):
        told = foreign[id(entry)]
        if told is not None:
            meant[entry.key] = told.meant
            continue
        if tries > MOST_GUESSES:  # nobody mistypes so many: another file, or one that is made to hurt
            break
        free = [name for name in keys if name not in written and name not in meant.values()]
        found = closest(entry.key, missing) or closest(entry.key, free)
        if found is not None:
            meant[entry.key] = found
    unpaired = [entry for entry in unknown if entry.key not in meant]
    absent = [name for name in missing if name not in meant.values()]
    if len(unpaired) == 1 and len(absent) == 1 and alike(unpaired[0].key, absent[0]):
        meant[unpaired[0].key] = absent.pop()
    for entry in tree.entries:
        if entry.key in keys:
            walk.inside(entry.value, keys[entry.key])
        else:
            _unknown_key(walk, entry, shape, meant.get(entry.key), missing, foreign[id(entry)])
    for name in absent:
        message = f"`{name}` is missing in `{shape.title}`"
        walk.report("missing-key", message, tree, on_key=True, help=f"write   {name}: ..", note=keys[name].doc or ())


def _unknown_key(
    walk: Walk,
    entry: Entry,
    shape: Shape,
    meant: str | None,
    missing: Iterable[str],
    told: Answer | None,
) -> None:
    keys = shape.keys or {}
    if told is not None:
        walk.report_key(told.code, told.message, entry, help=told.help)
        if told.meant:
            walk.inside(entry.value, keys[told.meant])
        return
    message = f"unknown key `{clip(entry.key)}` in `{shape.title}`"
    if meant is None:
        walk.report_key("unknown-key", message, entry, help=_elsewhere(entry, shape))
        return
    required = " (required here)" if meant in missing else ""
    walk.report_key("unknown-key", message, entry, help=f"did you mean `{meant}`?{required}")
    walk.inside(entry.value, keys[meant])


def _elsewhere(entry: Entry, shape: Shape) -> tuple[str, ...]:
    """Say where a key belongs that is not allowed here: in a block inside, or what is allowed."""
    keys, word = shape.keys or {}, entry.key
    for name, inner in keys.items():
        if inner.keys is not None and word in inner.keys:
            return (f"`{word}` belongs in `{name}`: write   {name}: {{{word}: {clip(inline(entry.value), 60)}}}",)
    if word in ("like", "from", "where") and shape.title == "defaults":
        return (f"`{word}` stands in a stage",)
    return (f"allowed here: {', '.join(keys)}",) if keys else ("it has no options",)


def _map(walk: Walk, tree: Tree, shape: Shape) -> None:
    """Check a mapping whose keys are names that the user gives."""
    values = shape.values
    assert values is not None
    least = shape.sizes.get("minProperties", 0)
    if len(tree.entries) < least:
        walk.report("missing-key", f"`{shape.title}` is empty", tree)
    for entry in tree.entries:
        if shape.names and not re.search(shape.names, entry.key):
            _bad_name(walk, entry)
        walk.inside(entry.value, values)


def _bad_name(walk: Walk, entry: Entry) -> None:
    if entry.key in RESERVED:
        message = f"`{entry.key}` is a word of the language and cannot be a name"
        walk.report_key("reserved-name", message, entry, help=f"give it another name, such as `{entry.key}_1`")
        return
    plain = re.sub(r"[^a-z0-9_]+", "_", entry.key.lower()).strip("_")
    help_ = (f"for example `{plain}`",) if re.search("^[a-z]", plain) and plain not in RESERVED else ()
    message = f"`{clip(entry.key)}` is no name: lower-case letters, digits and _, a letter first"
    walk.report_key("bad-name", message, entry, help=help_)


def _copied_dimensions(source: Source) -> list[Problem]:
    """Warn of aliases that copy a search entry: the copy varies independently of the original."""
    found: list[Problem] = []
    waiting, file = [source.root], str(source.path)
    while waiting:
        tree = waiting.pop()
        if tree.alias is not None and _varies(tree):
            anchor = Related(tree.pointer, "the original", place=Place(file, tree.span))
            problem = Problem(
                "alias-copies-dimension",
                "this alias copies a search entry: the copy varies independently of the original",
                tree.pointer,
                severity=Severity.WARNING,
                help="to give both places one value, name it in `params` and write {param: name}",
                related=(anchor,),
                place=Place(file, tree.alias),
            )
            found.append(problem)
        else:
            waiting += list(tree.children())
    return found


def _varies(tree: Tree) -> bool:
    own = tree.kind == "mapping" and any(entry.key != "param" for entry in words_of(tree))
    return own or any(_varies(inner) for inner in tree.children())
