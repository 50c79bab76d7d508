"""Source to Study: defaults and `like` merged away, values typed, every origin kept.

Lowering never fails on a document that could be read: what has the wrong shape is left out or left empty, which the
check of shapes reports, and names that refer to nothing stay as they are, for the rules to report.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from tlimb.language import merging, model, reading
from tlimb.language.merging import Layer, Written
from tlimb.language.values import Component, Value

if TYPE_CHECKING:
    from tlimb.language.source import Source, Tree

Block = TypeVar("Block")
_ABSENT: Mapping[Any, Any] = MappingProxyType({"map": {}, "list": (), "string": "", "name": ""})
"""What stands for a required key that is missing, so that the rest of the study can still be checked."""


def lower(source: "Source") -> model.Study:
    """Give the typed study that a well-formed source says."""
    root = source.root
    study = _block(model.Study, _top(root), "")
    return attrs.evolve(
        study,
        name=study.name or source.path.stem,
        folder=str(source.path.parent),
        datasets=_datasets(root),
        stages=_stages(root),
        tests=_named(root, "tests", _test),
        params=_params(root),
    )


def _top(root: "Tree") -> Layer:
    """Give the study's own keys; the sections that need their own reading are left out."""
    layer = merging.layer_of(root, "", ())
    own = ("defaults", "datasets", "stages", "tests", "params")
    found = {key: written for key, written in layer.items() if key not in own}
    found["datasets"] = found["stages"] = {}
    return found


def _sections(root: "Tree", key: str) -> dict[str, "Tree"]:
    tree = root.get(key)
    return {} if tree is None or tree.kind != "mapping" else {entry.key: entry.value for entry in tree.entries}


def _named(root: "Tree", key: str, make: Callable[[str, "Tree"], Any]) -> dict[str, Any]:
    return {name: make(name, tree) for name, tree in _sections(root, key).items()}


def _params(root: "Tree") -> dict[str, Value]:
    """Read the named values; whether a value is a component is known only where it is used."""
    return {name: reading.value(tree, f"params/{name}") for name, tree in _sections(root, "params").items()}


def _test(name: str, tree: "Tree") -> model.Test:
    found = _block(model.Test, merging.layer_of(tree, f"tests/{name}", ()), f"tests/{name}")
    return attrs.evolve(found, name=name, pointer=tree.pointer)


def _stages(root: "Tree") -> dict[str, model.Stage]:
    trees = _sections(root, "stages")
    below = root.get("defaults")
    defaults = {} if below is None else merging.layer_of(below, "defaults")
    stages = {}
    for name, tree in trees.items():
        layer, _ = merging.inherited(name, trees, "stages")
        layer = merging.over(layer, defaults)
        stage = _block(model.Stage, layer, f"stages/{name}")
        stages[name] = attrs.evolve(stage, name=name, pointer=tree.pointer, origins=merging.origins(layer))
    return stages


def _datasets(root: "Tree") -> dict[str, model.Dataset]:
    trees = _sections(root, "datasets")
    datasets = {}
    for name, tree in trees.items():
        layer, chain = merging.inherited(name, trees, "datasets", ("labels", "subset", "only", "identity", "images"))
        dataset = _block(model.Dataset, layer, f"datasets/{name}")
        # Another root holds other files, though the words that find them are inherited.
        owners = [owner for key in ("files", "root") if (owner := _owner(chain, trees, key))]
        files = min(owners, key=chain.index, default="")
        split = _owner(chain, trees, "split")
        # A dataset with files of its own draws its own split, although the definition is inherited.
        split_place = files if files and split and chain.index(files) < chain.index(split) else split
        datasets[name] = attrs.evolve(
            dataset,
            name=name,
            pointer=tree.pointer,
            origins=merging.origins(layer),
            files_place=files,
            split_place=split_place,
        )
    return datasets


def _owner(chain: list[str], trees: Mapping[str, "Tree"], key: str) -> str:
    return next((name for name in chain if trees[name].get(key) is not None), "")


def _block(cls: type[Block], layer: Layer, place: str) -> Block:
    """Make one block from its merged keys; absent keys take the class's defaults."""
    given: dict[str, Any] = {}
    for attribute in attrs.fields(cls):  # type: ignore[arg-type]
        if attribute.metadata.get("hidden"):
            if attribute.name == "origins":
                given["origins"] = merging.origins(layer)
            continue
        schema = attribute.metadata["schema"]
        key = schema.get("yaml", attribute.name)
        if key in layer:
            found = layer[key]
            given[attribute.name] = _field(found, schema, f"{place}/{key}", attribute.metadata["varies"])
        elif attribute.default is attrs.NOTHING:
            given[attribute.name] = _ABSENT.get(schema.get("type"))  # reported by the check of shapes
    return cls(**given)


def _field(found: "Written | Layer", schema: Mapping[str, Any], place: str, varies: bool) -> Any:
    if isinstance(found, dict):
        if schema.get("type") == "block":
            return _block(schema["of"], found, place)
        return {key: _map_item(inner, schema["of"]) for key, inner in found.items()}
    tree, place = found.tree, found.place
    match schema.get("type"):
        case "block":
            return _plain_block(tree, schema, place)
        case "component":
            return _component(tree, place, schema)
        case "from":
            return _from(tree, place)
        case "map":
            return {
                entry.key: _map_item(Written(entry.value, f"{place}/{entry.key}"), schema["of"])
                for entry in (tree.entries if tree.kind == "mapping" else ())
            }
        case "list":
            items = tree.items if tree.kind == "sequence" else (tree,)
            return tuple(_list_item(item, schema["of"], place) for item in items)
        case _:
            return reading.value(tree, place) if varies else _plain(tree)


def _component(tree: "Tree", place: str, schema: Mapping[str, Any]) -> Value:
    found = reading.value(tree, place, component=True)
    return (found,) if schema.get("list") and isinstance(found, Component) else found


def _plain_block(tree: "Tree", schema: Mapping[str, Any], place: str) -> Any:
    if tree.kind == "scalar" and schema.get("integer"):
        return schema["of"](count=tree.value if isinstance(tree.value, int) else 1)
    if tree.kind != "mapping":
        return _block(schema["of"], {}, place)
    return _block(schema["of"], merging.layer_of(tree, place, ()), place)


def _map_item(found: "Written | Layer", of: Any) -> Any:
    if isinstance(found, dict):
        return {key: _map_item(inner, of) for key, inner in found.items()}
    tree = found.tree
    if isinstance(of, type):
        if tree.kind == "scalar" and of is model.Label:  # `sex: gender` is short for {column: gender}
            return model.Label(column=None if tree.value is None else str(tree.value), pointer=tree.pointer)
        block: Any = _block(of, merging.layer_of(tree, found.place, ()), found.place)
        return attrs.evolve(block, pointer=tree.pointer) if hasattr(block, "pointer") else block
    if of.get("varies") or of.get("param"):
        return reading.value(tree, found.place)
    return _plain(tree)


def _list_item(tree: "Tree", of: Any, place: str) -> Any:
    if isinstance(of, type):
        block: Any = _block(of, merging.layer_of(tree, place, ()), place)
        return attrs.evolve(block, pointer=tree.pointer) if hasattr(block, "pointer") else block
    if of.get("kind"):
        return reading.read_component(tree, place)
    return _plain(tree)


def _from(tree: "Tree", place: str) -> Value:
    """Read `from`: a name, `none`, a node over names, or slots by role."""
    if tree.kind == "mapping" and reading.node_word(tree) is None:
        return {entry.key: reading.value(entry.value, f"{place}/{entry.key}") for entry in tree.entries}
    return reading.value(tree, place)


def _plain(tree: "Tree") -> Any:
    """Give plain data: scalars (`none` is None), tuples, dicts."""
    if tree.kind == "mapping":
        return {entry.key: _plain(entry.value) for entry in tree.entries}
    if tree.kind == "sequence":
        return tuple(_plain(item) for item in tree.items)
    return reading.scalar(tree)
