"""Check the values of `params` against every place that uses them.

What a param may be is known only where it is used: each `{param: lr}` is checked as if the value stood there,
and a mistake is reported where the value is written, with the uses as related places.
"""

from attrs import evolve

from tlimb.language.tree import Tree
from tlimb.language.walk import Use, Walk
from tlimb.problems import Problem, Related, Severity

MOST_STEPS = 200
"""Params may use params; a longer chain than there are params is a cycle, which another check reports."""


def check_params(walk: Walk, root: Tree) -> None:
    """Check each used param; names that do not exist are left to the checks of references."""
    params = root.get("params")
    done: set[tuple[str, int]] = set()
    waiting = list(walk.uses)
    walk.uses.clear()
    while params is not None and waiting and len(done) < MOST_STEPS:
        use = waiting.pop(0)
        word = use.tree.get("param")
        name, _, field = str(word.value if word is not None else "").partition(".")
        tree = params.get(name)
        if tree is None or (f"{name}.{field}", id(use.shape)) in done:
            continue
        done.add((f"{name}.{field}", id(use.shape)))
        inner = Walk(walk.grammar, walk.visit, data_modules=walk.data_modules)
        for value in _fields(tree, field) if field else [tree]:
            inner.inside(value, use.shape)
        waiting += inner.uses
        _merge(walk, [_used(problem, use, f"{name}.{field}" if field else name) for problem in inner.problems])


def _merge(walk: Walk, found: list[Problem]) -> None:
    """Add problems, one a place: a value that is wrong in itself, or at two uses, is one mistake."""
    known = {(problem.pointer, problem.on_key): i for i, problem in enumerate(walk.problems)}
    for problem in found:
        i = known.get((problem.pointer, problem.on_key))
        if i is None:
            known[problem.pointer, problem.on_key] = len(walk.problems)
            walk.problems.append(problem)
        else:
            walk.problems[i] = evolve(walk.problems[i], related=(*walk.problems[i].related, *problem.related))


def _fields(tree: Tree, field: str) -> list[Tree]:
    """Give the values of one field in all rows of a record; rows without it are left to another check."""
    if tree.kind == "sequence":
        return [value for item in tree.items for value in _fields(item, field)]
    own = tree.get(field)
    if own is not None:
        return [own]
    inner = [tree.get(word) for word in ("choice", "compare")]
    alternatives: list[Tree] = []
    for node in inner:
        if node is not None:
            alternatives += list(node.children())
    return [value for alternative in alternatives for value in _fields(alternative, field)]


def _used(problem: Problem, use: Use, name: str) -> Problem:
    if problem.severity is not Severity.ERROR:
        return problem
    related = Related(use.tree.pointer, f"used here as `{use.shape.title}`")
    if problem.code == "wrong-type":
        message = f"param `{name}` is used where {problem.message}"
        problem = evolve(problem, code="param-type", message=message)
    return evolve(problem, related=(*problem.related, related))
