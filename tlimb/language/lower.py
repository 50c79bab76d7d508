"""Source to Study: defaults and `like` merged away, values typed, every origin kept.

What is merged goes through a converter of cattrs. The classes of the model drive it: each key is structured by the
hook for its description (`tlimb.language.fields`), so what the language has of its own (components named by their
key, values that vary, slots by role, short forms) is one hook each, and a new key or block needs nothing here.

Lowering never fails on a document that could be read: what has the wrong shape is left out or left empty, which the
check of shapes reports, and names that refer to nothing stay as they are, for the rules to report.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from tlimb.language import fields, merging, model, reading
from tlimb.language.fields import Anything, BlockOf, ComponentOf, Described, ListOf, MapOf, Parents, Plain
from tlimb.language.merging import Layer, Merged, Written
from tlimb.language.tree import Tree, empty_mapping
from tlimb.language.values import Component, Value

if TYPE_CHECKING:
    from tlimb.language.source import Source

Found = Written | Layer | Merged
Hook = Callable[[Any, Any], Any]
"""Makes the value of one place from what was found there; the second argument, its description, is known already."""


def lower(source: "Source") -> model.Study:
    """Return the typed study that a well-formed source says."""
    root = source.root
    layer: dict[str, Any] = merging.layer_of(root, "", ())
    layer |= {
        "datasets": _datasets(root),
        "stages": _stages(root),
        "tests": {name: _test(name, tree) for name, tree in _sections(root, "tests").items()},
        "params": {name: Written(tree, f"params/{name}") for name, tree in _sections(root, "params").items()},
    }
    study = _converter().structure(Merged(layer, {"folder": str(source.path.parent)}), model.Study)
    return attrs.evolve(study, name=study.name or source.path.stem)


def _sections(root: "Tree", key: str) -> dict[str, "Tree"]:
    tree = root.get(key)
    return {} if tree is None or tree.kind != "mapping" else {entry.key: entry.value for entry in tree.entries}


def _test(name: str, tree: "Tree") -> Merged:
    return Merged(merging.layer_of(tree, f"tests/{name}", ()), {"name": name, "pointer": tree.pointer})


def _stages(root: "Tree") -> dict[str, Merged]:
    trees = _sections(root, "stages")
    below = root.get("defaults")
    defaults = {} if below is None else merging.layer_of(below, "defaults")
    stages = {}
    for name, tree in trees.items():
        layer, _ = merging.inherited(name, trees, "stages")
        stages[name] = Merged(merging.over(layer, defaults), {"name": name, "pointer": tree.pointer})
    return stages


def _datasets(root: "Tree") -> dict[str, Merged]:
    trees = _sections(root, "datasets")
    datasets = {}
    for name, tree in trees.items():
        layer, chain = merging.inherited(name, trees, "datasets", ("labels", "subset", "only", "identity", "images"))
        # Another root holds other files, though the words that find them are inherited.
        owners = [owner for key in ("files", "root") if (owner := _owner(chain, trees, key))]
        files = min(owners, key=chain.index, default="")
        split = _owner(chain, trees, "split")
        # A dataset with files of its own draws its own split, although the definition is inherited.
        split_place = files if files and split and chain.index(files) < chain.index(split) else split
        places = {"files_place": files, "split_place": split_place}
        datasets[name] = Merged(layer, {"name": name, "pointer": tree.pointer, **places})
    return datasets


def _owner(chain: list[str], trees: Mapping[str, "Tree"], key: str) -> str:
    return next((name for name in chain if trees[name].get(key) is not None), "")


@lru_cache(maxsize=1)
def _converter() -> Converter:
    """Return the converter; the function of a block is made when a study first has one."""
    made = Converter(detailed_validation=False)
    made.register_structure_hook_factory(lambda kind: isinstance(kind, type) and attrs.has(kind), _class)
    hooks: dict[type, Any] = {
        Described: _value,
        Parents: _parents,
        ComponentOf: _component,
        BlockOf: _block,
        ListOf: _list,
        MapOf: _map,
    }
    for kind, hook in hooks.items():  # the last that fits is taken
        made.register_structure_hook_factory(partial(_is, kind), hook)
    return made


def _is(kind: type, value: Any) -> bool:
    return isinstance(value, kind)


def _class(cls: type, converter: Converter) -> Hook:
    """Return the hook of a block: absent keys take the class's defaults, unknown ones are left out."""
    described, hidden = fields.of(cls), fields.hidden(cls)
    overrides: dict[str, Any] = {
        one.attribute: override(rename=one.name, struct_hook=converter.get_structure_hook(one.value))
        for one in described
    }
    overrides |= {name: override(struct_hook=lambda found, _: found) for name in hidden}
    make: Hook = make_dict_structure_fn(
        cls, converter, _cattrs_detailed_validation=False, _cattrs_use_linecache=False, **overrides
    )
    keys = frozenset(one.name for one in described)
    required = {one.name: Written(_absent(one.value), "") for one in described if one.required}

    def hook(found: Found, _: Any) -> Any:
        layer, filled = _opened(found)
        given: dict[str, Any] = required | {key: inner for key, inner in layer.items() if key in keys}
        for name in hidden:
            if name == "origins":
                given[name] = merging.origins(layer)
            elif name in filled:
                given[name] = filled[name]
        return make(given, cls)

    return hook


def _opened(found: Found) -> tuple[Layer, Mapping[str, Any]]:
    """Return the keys of a block, and what is to be filled in."""
    if isinstance(found, Merged):
        return found.layer, found.filled
    if isinstance(found, Written):
        return merging.layer_of(found.tree, found.place, ()), {"pointer": found.tree.pointer}
    return found, {}


def _absent(value: Described) -> Tree:
    """Return what stands for a required key that is missing, so that the rest of the study can still be checked."""
    empty = empty_mapping()
    if isinstance(value, MapOf):
        return empty
    if isinstance(value, ListOf):
        return attrs.evolve(empty, kind="sequence")
    text = isinstance(value, Plain) and "string" in value.types
    return attrs.evolve(empty, kind="scalar", value="" if text else None)


def _value(value: Described, converter: Converter) -> Hook:
    if value.varies or isinstance(value, Anything):
        return lambda found, _: reading.value(found.tree, found.place)
    return lambda found, _: _plain(found.tree)


def _component(value: ComponentOf, converter: Converter) -> Hook:
    def hook(found: Written, _: Any) -> Value:
        read = reading.value(found.tree, found.place, component=True)
        return (read,) if value.many and isinstance(read, Component) else read

    return hook


def _parents(value: Parents, converter: Converter) -> Hook:
    """Return the hook of `from`: a name, `none`, a node over names, or slots by role."""

    def hook(found: Written, _: Any) -> Value:
        if found.tree.kind == "mapping" and reading.node_word(found.tree) is None:
            return {entry.key: reading.value(entry.value, f"{found.place}/{entry.key}") for entry in found.tree.entries}
        return reading.value(found.tree, found.place)

    return hook


def _block(value: BlockOf, converter: Converter) -> Hook:
    def hook(found: Found, _: Any) -> Any:
        if value.short and isinstance(found, Written) and found.tree.kind == "scalar":
            found = _short(value, found)
        return converter.structure(found, value.cls)

    return hook


def _short(value: BlockOf, found: Written) -> Merged:
    """Return the block for which a lone scalar is short: `sex: gender` is {column: gender}."""
    types = {"string": str, "integer": int}
    fits = any(isinstance(found.tree.value, types[name]) for name in value.lone.types)
    whole = attrs.evolve(found.tree, quoted=True)  # a text is itself here, also the word `none`
    layer: Layer = {value.short: Written(whole, found.place)} if fits else {}
    return Merged(layer, {"pointer": found.tree.pointer})


def _list(value: ListOf, converter: Converter) -> Hook:
    inner = converter.get_structure_hook(value.item)

    def hook(found: Written, _: Any) -> tuple[Any, ...]:
        items = found.tree.items if found.tree.kind == "sequence" else (found.tree,)
        return tuple(inner(Written(item, found.place), value.item) for item in items)

    return hook


def _map(value: MapOf, converter: Converter) -> Hook:
    inner = converter.get_structure_hook(value.value)

    def hook(found: Found, _: Any) -> dict[str, Any]:
        layer, _filled = _opened(found)
        return {key: inner(one, value.value) for key, one in layer.items()}

    return hook


def _plain(tree: "Tree") -> Any:
    """Return plain data: scalars (`none` is None), tuples, dicts."""
    if tree.kind == "mapping":
        return {entry.key: _plain(entry.value) for entry in tree.entries}
    if tree.kind == "sequence":
        return tuple(_plain(item) for item in tree.items)
    return reading.scalar(tree)
