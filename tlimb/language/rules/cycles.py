"""Nothing may lead back to itself: not `from`, not `like`, not params."""

from collections.abc import Callable, Iterable, Iterator

from tlimb.language.reading import node_word
from tlimb.language.rules.facts import Facts, rule
from tlimb.language.tree import Tree
from tlimb.problems import Problem, Related


def cycles(names: Iterable[str], next_of: Callable[[str], Iterable[str]]) -> Iterator[tuple[str, ...]]:
    """Give each cycle of a graph once, beginning with its first name in the order given."""
    order = list(names)
    seen: set[frozenset[str]] = set()
    for start in order:
        pending: list[tuple[str, ...]] = [(start,)]
        visited: set[str] = set()
        while pending:
            path = pending.pop()
            for name in next_of(path[-1]):
                if name == start:
                    if frozenset(path) not in seen:
                        seen.add(frozenset(path))
                        yield path
                elif name not in visited and name in order:
                    visited.add(name)
                    pending.append((*path, name))


def _problem(code: str, word: str, path: tuple[str, ...], pointers: list[str]) -> Problem:
    way = " -> ".join((*path, path[0]))
    related = tuple(Related(found, f"and from `{name}`") for name, found in zip(path[1:], pointers[1:], strict=True))
    message = f"{way}: {word} leads back to itself"
    return Problem(code, message, pointers[0], related=related, help="break the circle in one of these places")


@rule
def from_cycle(facts: Facts) -> Iterator[Problem]:
    """No stage may start from itself, not even through others."""
    for path in cycles(facts.study.stages, facts.parents):
        pointers = [facts.study.stages[name].origins["from"] for name in path]
        yield _problem("cycle", "`from`", path, pointers)


@rule
def like_cycle(facts: Facts) -> Iterator[Problem]:
    """No stage or dataset may be like itself, not even through others."""
    for section in ("stages", "datasets"):
        trees = facts.section(section)

        def bases(name: str, trees: object = trees) -> list[str]:
            like = trees[name].get("like") if name in trees else None  # type: ignore[index,operator]
            return [] if like is None or like.value not in trees else [str(like.value)]  # type: ignore[operator]

        for path in cycles(trees, bases):
            yield _problem("like-cycle", "`like`", path, [f"/{section}/{name}/like" for name in path])


@rule
def param_cycle(facts: Facts) -> Iterator[Problem]:
    """No param may be made of itself."""
    params = facts.section("params")

    def used(name: str) -> list[str]:
        return [str(found.value).partition(".")[0] for found in _uses(params[name])]

    for path in cycles(params, used):
        pointers = []
        for name, following in zip(path, (*path[1:], path[0]), strict=True):
            uses = [use for use in _uses(params[name]) if str(use.value).partition(".")[0] == following]
            pointers.append(uses[0].pointer)
        yield _problem("cycle", "`param`", path, pointers)


def _uses(tree: Tree) -> Iterator[Tree]:
    pending = [tree]
    while pending:
        found = pending.pop()
        if node_word(found) == "param":
            inner = found.get("param")
            assert inner is not None
            yield inner
        pending.extend(found.children())
