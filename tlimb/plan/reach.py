"""What a stage may read in any configuration, as far as it can be said without an assignment."""

from collections.abc import Iterator, Mapping

import attrs

from tlimb.language.model import Stage, Study
from tlimb.language.values import Component, Node, Param, Value, walk


class Reach:
    """Follows names, params and parents of a study's stages."""

    def __init__(self, study: Study) -> None:
        """Take the study."""
        self.study = study

    def parents_of(self, stage: str) -> tuple[str, ...]:
        """Give the stages that a stage may start from."""
        found = self.study.stages[stage].from_
        values = found.values() if isinstance(found, Mapping) else (found,)
        names = (name for value in values for name in self._words(value))
        return tuple(dict.fromkeys(name for name in names if name in self.study.stages))

    def order(self) -> list[str]:
        """Give the stages, parents first, else in the order of the file."""
        done: dict[str, None] = {}

        def visit(stage: str, path: tuple[str, ...]) -> None:
            if stage in done or stage in path:
                return
            for parent in self.parents_of(stage):
                visit(parent, (*path, stage))
            done[stage] = None

        for stage in self.study.stages:
            visit(stage, ())
        return list(done)

    def ancestors(self, stage: str) -> set[str]:
        """Give a stage and all stages it may descend from."""
        found = {stage}
        pending = [stage]
        while pending:
            for parent in self.parents_of(pending.pop()):
                if parent not in found:
                    found.add(parent)
                    pending.append(parent)
        return found

    def nodes(self, stage: str) -> Iterator[Node]:
        """Go through the search and comparison nodes that a stage itself may read."""
        found = self.study.stages[stage]
        values: list[Value] = [getattr(found, one.name) for one in attrs.fields(Stage)]
        values += [
            getattr(block, one.name)
            for block in (found.trainer, found.freeze, found.adapt)
            for one in attrs.fields(type(block))
        ]
        for head in found.heads.values():
            values += [head.objective, head.head, head.weight]
        for dataset in self.datasets(found):
            values += list(self.study.datasets[dataset].subset.values())
        for value in values:
            yield from (inner for inner in self.follow(value) if isinstance(inner, Node))

    def datasets(self, stage: Stage, without: tuple[str, ...] = ()) -> list[str]:
        """Give the datasets a stage may read, those of some roles left out."""
        values = [stage.dataset, *(value for role, value in stage.datasets.items() if role not in without)]
        words = (word for value in values for word in self._words(value))
        return [word for word in dict.fromkeys(words) if word in self.study.datasets]

    def objectives(self, stage: Stage) -> Iterator[Component]:
        """Go through the objectives a stage may have."""
        for value in (stage.objective, *(head.objective for head in stage.heads.values())):
            yield from (inner for inner in self.follow(value) if isinstance(inner, Component))

    def follow(self, value: Value) -> Iterator[Value]:
        """Go through a value and everything inside it, params followed."""
        for inner in walk(value):
            yield inner
            if isinstance(inner, Param):
                yield from self.follow(self.study.params.get(inner.name))

    def words(self, value: Value) -> Iterator[str]:
        """Go through the names that a value can be."""
        yield from self._words(value)

    def _words(self, value: Value) -> Iterator[str]:
        yield from (inner for inner in self.follow(value) if isinstance(inner, str))
