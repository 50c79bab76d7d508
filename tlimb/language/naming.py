"""The names that a spec gives, by the name-space that refers to them: what an editor can offer at each reference."""

import re
from collections.abc import Iterable, Iterator, Mapping

from attrs import field, frozen

from tlimb.language.catalogue import Catalogue
from tlimb.language.checking import structure, visit
from tlimb.language.grammar import grammar
from tlimb.language.shapes import CLASS_PATH, NODE_WORDS, Shape
from tlimb.language.source import Source
from tlimb.language.tree import Tree
from tlimb.language.walk import Walk

SECTIONS = ("datasets", "pretrained", "roots", "stages")
"""Sections of a spec whose keys are a name-space of their own."""


@frozen(eq=False)
class Names:
    """What a spec, or several in one folder, give names to.

    Attributes:
        spaces: name-space, as a shape's `refers` calls it -> names.
        params: param -> shape of the place that uses it, under an empty name; of a record, shape by field.
    """

    spaces: Mapping[str, tuple[str, ...]] = field(factory=dict)
    params: Mapping[str, Mapping[str, Shape]] = field(factory=dict)

    def of(self, refers: str) -> tuple[str, ...]:
        """Give the names of a name-space, or of several joined by a bar."""
        return tuple(name for space in refers.split("|") for name in self.spaces.get(space, ()))


def names(source: Source, catalogue: Catalogue, labels: Iterable[str] = ()) -> Names:
    """Give the names in a spec, however unfinished it is.

    Args:
        source: the spec.
        catalogue: the components there are, to know what stands where a param is used.
        labels: columns of its tables.
    """
    root = source.root
    stages = [*_values(root.get("stages")), *filter(None, [root.get("defaults")])]
    datasets = list(_values(root.get("datasets")))
    spaces = {section: _keys(root.get(section)) for section in SECTIONS}
    spaces["portions"] = _all(_keys(dataset.get("portions")) for dataset in datasets)
    spaces["labels"] = _all([*(_keys(dataset.get("labels")) for dataset in datasets), tuple(labels)])
    spaces["heads"] = _all(_keys(stage.get("heads")) for stage in stages)
    spaces["roles"] = _all(_keys(stage.get("datasets")) for stage in stages)
    spaces["params"] = _keys(root.get("params"))
    found = Names(spaces, {} if source.unreadable else _params(source, catalogue))
    fields = [f"{name}.{inner}" for name, tree in _entries(root.get("params")) for inner in _fields(tree)]
    spaces["param"] = (*spaces["params"], *fields)
    return found


def class_paths(source: Source, catalogue: Catalogue) -> dict[str, str]:
    """Give the class paths that a spec names as components, each with the kind of component that stands there."""
    found: dict[str, str] = {}

    def note(walk: Walk, tree: Tree, shape: Shape) -> None:
        written = [entry.key for entry in tree.entries] if tree.kind == "mapping" else [tree.value]
        for name in written if shape.kind else ():
            if isinstance(name, str) and re.search(CLASS_PATH, name):
                found.setdefault(name, shape.kind)
        visit(walk, tree, shape)

    if not source.unreadable:
        language = grammar(catalogue)
        Walk(language, note).inside(source.root, language.study)
    return found


def together(several: Iterable[Names]) -> Names:
    """Join the names of the specs in one folder, which share one schema.

    A param that is used in different ways in two specs is left open.
    """
    spaces: dict[str, dict[str, None]] = {}
    params: dict[str, Mapping[str, Shape]] = {}
    told: dict[str, set[str]] = {}
    for one in several:
        for space, found in one.spaces.items():
            spaces.setdefault(space, {}).update(dict.fromkeys(found))
        for name, uses in one.params.items():
            params[name] = uses
            told.setdefault(name, set()).add(str({field: shape.title for field, shape in sorted(uses.items())}))
        for name in set(one.spaces.get("params", ())) - set(one.params):
            told.setdefault(name, set()).add("")
    same = {name: uses for name, uses in params.items() if len(told[name]) == 1}
    return Names({space: tuple(found) for space, found in spaces.items()}, same)


def _params(source: Source, catalogue: Catalogue) -> dict[str, dict[str, Shape]]:
    """Give for each param what may stand where it is first used; a value must fit every use."""
    found: dict[str, dict[str, Shape]] = {}
    for use in structure(source, catalogue).uses:
        word = use.tree.get("param")
        name, _, inner = str(word.value if word is not None else "").partition(".")
        if name and not use.shape.anything:
            found.setdefault(name, {}).setdefault(inner, use.shape)
    # a param that is used whole and by field is not understood
    return {name: shapes for name, shapes in found.items() if not ("" in shapes and len(shapes) > 1)}


def _fields(tree: Tree) -> tuple[str, ...]:
    """Give the fields of a param that holds a record, or a search entry over records."""
    if any(entry.key in NODE_WORDS for entry in tree.entries):
        rows = [row for entry in tree.entries for row in entry.value.children()]
        return _all(_keys(row) for row in rows)
    return _keys(tree)


def _all(several: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in several for name in names))


def _keys(tree: Tree | None) -> tuple[str, ...]:
    return () if tree is None else tuple(entry.key for entry in tree.entries if entry.key not in NODE_WORDS)


def _entries(tree: Tree | None) -> Iterator[tuple[str, Tree]]:
    for entry in () if tree is None else tree.entries:
        yield entry.key, entry.value


def _values(tree: Tree | None) -> Iterator[Tree]:
    for _, value in _entries(tree):
        yield value
