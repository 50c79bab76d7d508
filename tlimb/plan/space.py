"""Search spaces: what a value reads, and every assignment it can take, without ever building a product.

A dimension is a place in the file. Whoever resolves a value reads dimensions through a `Scope`; reading one
that has no value yet raises `Unassigned`, and the walk branches exactly there. So a stage is multiplied by what
it and its ancestors read and by nothing else, a space inside one alternative exists only under that alternative,
and two readers of one place always agree. Results are remembered in tries keyed by what was read, in the order
of reading.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, TypeVar

from attrs import frozen

from tlimb.language.model import Study
from tlimb.language.reading import label
from tlimb.language.values import Choice, Compare, Component, Param, Range, Record, Value
from tlimb.plan.draws import draw_choice, draw_range

T = TypeVar("T")
Assignment = Mapping[str, int]


@frozen(eq=False)
class Dimension:
    """A place that can take one of several values.

    Attributes:
        place: key of the dimension; axes that no one writes begin with `@`.
        kind: `compare`, `choice`, `trial`, `replicate`, `fold` or `inner`.
        labels: text of each value, in order; a value is its position.
    """

    place: str
    kind: str
    labels: tuple[str, ...]


class Unassigned(Exception):  # noqa: N818 -- control flow, not an error
    """A dimension was read that has no value yet."""

    def __init__(self, dimension: Dimension) -> None:
        """Keep the dimension at which the walk has to branch."""
        self.dimension = dimension
        super().__init__(dimension.place)


class Scope:
    """One assignment being read: which dimensions were read, in order, and what was chosen on the way."""

    __slots__ = ("assignment", "notes", "reads")

    def __init__(self, assignment: Assignment) -> None:
        """Start with nothing read."""
        self.assignment = assignment
        self.reads: dict[str, tuple[Dimension, int]] = {}
        self.notes: dict[str, str] = {}

    def read(self, dimension: Dimension) -> int:
        """Give the dimension's value.

        Raises:
            Unassigned: it has none in this assignment.
        """
        value = self.assignment.get(dimension.place)
        if value is None:
            raise Unassigned(dimension)
        self.reads[dimension.place] = (dimension, value)
        return value


class _Branch:
    __slots__ = ("children", "dimension")

    def __init__(self, dimension: Dimension) -> None:
        self.dimension = dimension
        self.children: dict[int, _Branch | _Leaf] = {}


class _Leaf:
    __slots__ = ("notes", "value")

    def __init__(self, value: Any, notes: dict[str, str]) -> None:
        self.value = value
        self.notes = notes


class Memo:
    """Remembers what was computed from an assignment, keyed only by the dimensions that were read."""

    def __init__(self) -> None:
        """Start empty."""
        self._roots: dict[Hashable, _Branch | _Leaf] = {}

    def get(self, key: Hashable, scope: Scope, compute: Callable[[Scope], T]) -> T:
        """Give `compute(scope)`, computed once for each combination of the dimensions it reads."""
        node: _Branch | _Leaf | None = self._roots.get(key)
        while isinstance(node, _Branch):
            node = node.children.get(scope.read(node.dimension))
        if node is None:
            inner = Scope(scope.assignment)
            node = _Leaf(compute(inner), inner.notes)
            self._insert(key, inner, node)
            scope.reads.update(inner.reads)
        scope.notes.update(node.notes)
        value: T = node.value
        return value

    def _insert(self, key: Hashable, scope: Scope, leaf: _Leaf) -> None:
        reads = list(scope.reads.values())
        if not reads:
            self._roots[key] = leaf
            return
        node = self._roots.setdefault(key, _Branch(reads[0][0]))
        for index, (_, value) in enumerate(reads):
            assert isinstance(node, _Branch)
            if index + 1 == len(reads):
                node.children[value] = leaf
            else:
                node = node.children.setdefault(value, _Branch(reads[index + 1][0]))


class Space:
    """Resolves the values of one study."""

    def __init__(self, study: Study) -> None:
        """Read the search settings of the study."""
        self.params = study.params
        search = study.search
        options: Mapping[str, Any] = {} if search is None else search.options
        self.random = search is not None and search.name == "random"
        self.seed: int = options.get("seed", 0)
        self.count: int = options.get("count", 1)
        limit = options.get("limit")
        self.limit: Mapping[str, int] = limit.fields if isinstance(limit, Record) else {}
        self.limits: dict[str, int] = {}
        self.dimensions: dict[str, Dimension] = {}
        self.trial = Dimension("@trial", "trial", tuple(str(t) for t in range(self.count)))

    def dimension(self, node: Choice | Compare) -> Dimension:
        """Give the dimension of a node; two nodes of one place are one dimension."""
        found = self.dimensions.get(node.place)
        if found is None:
            kind = "compare" if isinstance(node, Compare) else "choice"
            found = Dimension(node.place, kind, tuple(one.label for one in node.alternatives))
            self.dimensions[node.place] = found
        return found

    def resolve(self, value: Value, scope: Scope) -> Value:
        """Give the plain value under the scope's assignment: scalars, tuples, components and records."""
        if isinstance(value, Component):
            if not value.options:
                return value
            options = {key: self.resolve(inner, scope) for key, inner in value.options.items()}
            return Component(value.name, options, value.pointer)
        if isinstance(value, Param):
            return self._param(value, scope)
        if isinstance(value, Compare):
            chosen = value.alternatives[scope.read(self.dimension(value))]
            scope.notes[value.place] = chosen.label
            return self.resolve(chosen.value, scope)
        if isinstance(value, Choice | Range):
            return self._searched(value, scope)
        if isinstance(value, Record):
            fields = {key: self.resolve(inner, scope) for key, inner in value.fields.items()}
            return Record(fields, value.pointer)
        if isinstance(value, tuple):
            return tuple(self.resolve(item, scope) for item in value)
        return value

    def _param(self, value: Param, scope: Scope) -> Value:
        found = self.resolve(self.params.get(value.name), scope)
        if value.field is None:
            return found
        return found.fields.get(value.field) if isinstance(found, Record) else None

    def _searched(self, value: Choice | Range, scope: Scope) -> Value:
        if self.random:
            trial = scope.read(self.trial) % self.limits.get(value.place, self.count)
            if isinstance(value, Range):
                drawn = draw_range(value, self.seed, trial)
                scope.notes[value.place] = label(drawn)
                return drawn
            chosen = value.alternatives[draw_choice(value, self.seed, trial)]
        else:
            assert isinstance(value, Choice), "the rules refuse intervals under grid search"
            chosen = value.alternatives[scope.read(self.dimension(value))]
        scope.notes[value.place] = chosen.label
        return self.resolve(chosen.value, scope)


def assignments(compute: Callable[[Scope], T], allowed: Callable[[Assignment], bool]) -> Iterator[tuple[Scope, T]]:
    """Go through every assignment of what `compute` reads, depth first, in the order of the alternatives.

    Args:
        compute: reads dimensions through the scope it is given.
        allowed: False cuts a partial assignment off (restrictions by `where` and `constraints`).
    """
    stack: list[dict[str, int]] = [{}]
    while stack:
        assignment = stack.pop()
        scope = Scope(assignment)
        try:
            value = compute(scope)
        except Unassigned as unassigned:
            dimension = unassigned.dimension
            for option in range(len(dimension.labels) - 1, -1, -1):
                child = {**assignment, dimension.place: option}
                if allowed(child):
                    stack.append(child)
            continue
        yield scope, value
