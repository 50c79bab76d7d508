"""What all rules share: the study with its source, who reads what, and the texts of references.

Rules look at the lowered study where meaning matters and at the tree where a place matters; `Facts` joins both
and follows params, so that a name is found wherever it is written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TypeVar

import attrs

from tlimb.language.catalogue import Catalogue, Listing
from tlimb.language.model import Stage, Study
from tlimb.language.reading import RANGES, node_word
from tlimb.language.source import Source, Tree
from tlimb.language.suggest import closest
from tlimb.language.values import Component, Node, Param, Value, walk
from tlimb.problems import Problem

BLOCKS = ("trainer", "freeze", "adapt")
Rule = Callable[["Facts"], Iterator[Problem]]
R = TypeVar("R", bound=Rule)


def rule(function: R) -> R:
    """Mark a generator of problems as a rule; the package finds it."""
    function.is_rule = True  # type: ignore[attr-defined]
    return function


def did_you_mean(word: object, names: Iterable[str]) -> tuple[str, ...]:
    """Give a suggestion where a known name is near, else the list of names."""
    known = list(names)
    meant = closest(str(word), known)
    if meant is not None:
        return (f"did you mean `{meant}`?",)
    return (f"there are: {listed(known)}",) if known else ("there are none here: delete it",)


def listed(names: Iterable[str], most: int = 12) -> str:
    """Write names as text: `a, b and c`, the last ones left out when there are many."""
    known = [f"`{name}`" for name in names]
    if len(known) > most:
        return ", ".join(known[:most]) + f" and {len(known) - most} more"
    return " and ".join([", ".join(known[:-1]), known[-1]] if len(known) > 1 else known)


class Facts:
    """One study as the rules see it.

    Attributes:
        study: the lowered study.
        source: what it was read from.
        catalogue: the components there are.
    """

    def __init__(self, study: Study, source: Source, catalogue: Catalogue) -> None:
        """Keep what is given; everything else is computed when asked for."""
        self.study = _sane(study)
        self.source = source
        self.catalogue = catalogue
        self._datasets: dict[tuple[str | None, str | None], tuple[str, ...]] = {}

    # -- the tree --

    def section(self, key: str) -> Mapping[str, Tree]:
        """Give the named entries of a top-level section, empty when it is absent or no mapping."""
        tree = self.source.root.get(key)
        return {} if tree is None else {entry.key: entry.value for entry in tree.entries}

    def field(self, stage: Stage, key: str) -> Tree | None:
        """Give what is written for a field of a stage, wherever it was inherited from."""
        pointer = stage.origins.get(key)
        return None if pointer is None else self.source.at(pointer)

    def leaves(self, tree: Tree | None, seen: tuple[str, ...] = ()) -> Iterator[Tree]:
        """Give the scalars that a value can be: alternatives, list items, slots; params are followed."""
        if tree is None:
            return
        word = node_word(tree)
        if word in RANGES:
            return
        if word == "param":
            name = str(tree.get("param").value)  # type: ignore[union-attr]
            if name not in seen:
                for found in self.param_trees(name):
                    yield from self.leaves(found, (*seen, name))
        elif word is not None:
            body = tree.get(word)
            for child in body.children() if body is not None else ():
                yield from self.leaves(child, seen)
        elif tree.kind == "scalar":
            yield tree
        else:
            for child in tree.children():
                yield from self.leaves(child, seen)

    def param_trees(self, use: str) -> Iterator[Tree]:
        """Give what a use such as `lr` or `recipe.lr` stands for: one tree, or one for each row of a record."""
        name, _, part = use.partition(".")
        tree = self.section("params").get(name)
        if tree is None:
            return
        if not part:
            yield tree
            return
        for row in self.rows(tree):
            found = row.get(part)
            if found is not None:
                yield found

    def rows(self, tree: Tree) -> Iterator[Tree]:
        """Give the rows of a param that holds records."""
        word = node_word(tree)
        if word in ("choice", "compare"):
            body = tree.get(word)
            for child in body.children() if body is not None else ():
                yield from self.rows(child)
        elif word is None and tree.kind == "mapping":
            yield tree

    def components(self, tree: Tree | None, seen: tuple[str, ...] = ()) -> Iterator[tuple[str, Tree]]:
        """Give the components that a value can be, each with the tree it is written in; `none` is left out."""
        if tree is None:
            return
        word = node_word(tree)
        if word == "param":
            name = str(tree.get("param").value)  # type: ignore[union-attr]
            if name not in seen:
                for found in self.param_trees(name):
                    yield from self.components(found, (*seen, name))
        elif word is not None:
            body = tree.get(word)
            for child in body.children() if body is not None else ():
                yield from self.components(child, seen)
        elif tree.kind == "sequence":
            for child in tree.items:
                yield from self.components(child, seen)
        elif tree.kind == "mapping":
            if len(tree.entries) == 1:
                yield tree.entries[0].key, tree
        elif isinstance(tree.value, str) and tree.value != "none":
            yield tree.value, tree

    def all_trees(self) -> Iterator[Tree]:
        """Go through every node of the document."""
        pending = [self.source.root]
        while pending:
            tree = pending.pop()
            yield tree
            pending.extend(tree.children())

    def broken(self, section: str, name: str) -> bool:
        """Say whether a stage or dataset is like something that is not there or no name, directly or through others."""
        trees = self.section(section)
        seen: set[str] = set()
        current: object = name
        while isinstance(current, str) and current not in seen:
            if current not in trees:
                return True
            seen.add(current)
            like = trees[current].get("like")
            if like is not None and not isinstance(like.value, str):
                return True
            current = None if like is None else like.value
        return False

    # -- the graph of stages --

    def slots(self, stage: Stage) -> dict[str, list[Tree]]:
        """Give for each slot of `from` the names that can stand there; `encoder` is the only slot of a bare name."""
        tree = self.field(stage, "from")
        if tree is None:
            return {}
        if tree.kind == "mapping" and node_word(tree) is None:
            return {entry.key: list(self.leaves(entry.value)) for entry in tree.entries}
        return {"encoder": list(self.leaves(tree))}

    def parents(self, stage: str) -> tuple[str, ...]:
        """Give the stages that a stage can start from."""
        found = self.study.stages.get(stage)
        if found is None:
            return ()
        names = (leaf.value for leaves in self.slots(found).values() for leaf in leaves)
        return tuple(dict.fromkeys(str(name) for name in names if name in self.study.stages))

    def ancestors(self, stage: str) -> tuple[str, ...]:
        """Give a stage and all it can descend from, itself first."""
        found = [stage]
        for name in found:
            found.extend(parent for parent in self.parents(name) if parent not in found)
        return tuple(found)

    def can_be_none(self, stage: Stage) -> bool:
        """Say whether the encoder of a stage starts from nothing in some configuration."""
        leaves = self.slots(stage).get("encoder", [])
        return not leaves or any(leaf.value == "none" or leaf.value is None for leaf in leaves)

    def never_pretrained(self, stage: Stage) -> bool:
        """Say whether the encoder of a stage starts from nothing in every configuration."""
        return all(leaf.value in ("none", None) for leaf in self.slots(stage).get("encoder", []))

    # -- who reads what --

    def values(self, stage: Stage) -> Iterator[Value]:
        """Give all values of a stage in which something can vary."""
        for attribute in attrs.fields(Stage):
            if attribute.metadata.get("varies"):
                yield getattr(stage, attribute.name)
        yield stage.datasets
        for name in BLOCKS:
            block = getattr(stage, name)
            yield tuple(getattr(block, one.name) for one in attrs.fields(type(block)) if one.metadata.get("varies"))
        for head in stage.heads.values():
            yield (head.objective, head.head, head.weight)
        for dataset in self.datasets_of(stage):
            yield self.study.datasets[dataset].subset

    def datasets_of(self, stage: Stage) -> tuple[str, ...]:
        """Give the known datasets that a stage can read."""
        key = stage.origins.get("dataset"), stage.origins.get("datasets")
        # Rules about each dataset ask each stage, so this would be worked out for all pairs of them.
        if key not in self._datasets:
            trees = [self.field(stage, "dataset"), self.field(stage, "datasets")]
            words = (leaf.value for tree in trees for leaf in self.leaves(tree))
            self._datasets[key] = tuple(dict.fromkeys(str(word) for word in words if word in self.study.datasets))
        return self._datasets[key]

    def follow(self, values: Iterable[Value], seen: tuple[str, ...] = ()) -> Iterator[Value]:
        """Walk through values and the params they use."""
        for value in values:
            for inner in walk(value):
                yield inner
                if isinstance(inner, Param) and inner.name not in seen:
                    yield from self.follow([self.study.params.get(inner.name)], (*seen, inner.name))

    @cached_property
    def own_nodes(self) -> Mapping[str, Mapping[str, Node]]:
        """Stage -> place -> search or comparison node that the stage itself reads."""
        return {
            name: {inner.place: inner for inner in self.follow(self.values(stage)) if isinstance(inner, Node)}
            for name, stage in self.study.stages.items()
        }

    def nodes(self, stage: str) -> dict[str, Node]:
        """Give the nodes that a stage or one of its ancestors reads, by place."""
        found: dict[str, Node] = {}
        for name in self.ancestors(stage):
            found |= self.own_nodes.get(name, {})
        return found

    def params_read(self, stage: str) -> set[str]:
        """Give the params that a stage or one of its ancestors uses."""
        return {
            inner.name
            for name in self.ancestors(stage)
            if name in self.study.stages
            for inner in self.follow(self.values(self.study.stages[name]))
            if isinstance(inner, Param)
        }

    # -- components --

    def listing(self, kind: str, name: str) -> Listing | None:
        """Give a component of the catalogue, or a class as its source says; None where neither is known."""
        return self.catalogue.get(kind, name)

    def scenarios(self, stage: Stage) -> list[tuple[str, Tree | None]]:
        """Give the scenarios that a stage can have; `supervised` when none is written."""
        return list(self.components(self.field(stage, "scenario"))) or [("supervised", None)]

    def trains(self, scenario: str) -> bool:
        """Return whether a scenario takes steps; one that is not known is taken to."""
        return bool(self.catalogue.facts("scenario", scenario).get("trains", True))

    def heads(self, stage: Stage) -> dict[str, list[tuple[str, Tree]]]:
        """Give for each head of a stage the objectives that it can have; a single head is named after its target."""
        if stage.heads:
            trees = {name: self.source.at(f"{head.pointer}/objective") for name, head in stage.heads.items()}
            return {name: list(self.components(tree)) for name, tree in trees.items()}
        found: dict[str, list[tuple[str, Tree]]] = {}
        for name, tree in self.components(self.field(stage, "objective")):
            body = tree.get(name)
            targets = [] if body is None else [str(leaf.value) for leaf in self.leaves(body.get("target"))]
            for head in targets or [name]:
                found.setdefault(head, []).append((name, tree))
        return found

    @cached_property
    def tested(self) -> Mapping[str, tuple[str, ...]]:
        """Stage -> tests that look at it."""
        return {
            stage: tuple(name for name, test in self.study.tests.items() if stage in test.of)
            for stage in self.study.stages
        }

    @cached_property
    def random(self) -> bool:
        """Whether the search is drawn instead of enumerated."""
        return self.study.search is not None and self.study.search.name == "random"

    def option(self, component: Component | None, name: str) -> Value:
        """Give a written option of a component, None when there is no component or option."""
        return None if component is None else component.options.get(name)


def _sane(study: Study) -> Study:
    """Take out what has a wrong form, which other checks report, so that rules may rely on types."""
    datasets = {
        name: attrs.evolve(
            one,
            like=_text(one.like),
            portion=_text(one.portion),
            split=_component(one.split),
            files=_component(one.files),
        )
        for name, one in study.datasets.items()
    }
    tests = {
        name: attrs.evolve(
            one,
            of=tuple(stage for stage in one.of if isinstance(stage, str)),
            part=_text(one.part) or "test",
            which=_text(one.which) or "selected",
        )
        for name, one in study.tests.items()
    }
    stages = {name: attrs.evolve(one, like=_text(one.like)) for name, one in study.stages.items()}
    once = tuple(name for name in study.replicates.once if isinstance(name, str))
    select = study.select
    if select is not None:
        select = attrs.evolve(select, head=_text(select.head), role=_text(select.role))
        select = select if _text(select.metric) else None
    return attrs.evolve(
        study,
        datasets=datasets,
        tests=tests,
        stages=stages,
        select=select,
        search=_component(study.search),
        replicates=attrs.evolve(study.replicates, once=once),
    )


def _text(found: object) -> str | None:
    return found if isinstance(found, str) else None


def _component(found: object) -> Component | None:
    return found if isinstance(found, Component) else None
