"""Types and values that source code names, without running it: annotations, defaults and class attributes."""

import ast
import typing
from collections.abc import Mapping, Sequence
from typing import Any

MOST_NESTED = 12
"""Names of types are followed so far."""

_HINTS: dict[str, Any] = {
    **{kind.__name__: kind for kind in (int, float, str, bool, list, tuple, dict)},
    **{name: getattr(typing, name) for name in ("Any", "Literal", "Annotated", "Optional", "Union")},
    "Sequence": Sequence,
    "Iterable": Sequence,
    "Mapping": Mapping,
    "List": list,
    "Tuple": tuple,
    "Dict": dict,
}


class UnknownError(Exception):
    """Only running the code would tell."""


def hint(node: ast.expr, names: Mapping[str, Any], steps: int = 0) -> Any:
    """Return the type that an annotation names.

    Args:
        node: the annotation.
        names: what the module defines (as syntax) or imports (as dotted paths), by name.
        steps: how deep in another one it is.

    Raises:
        UnknownError: it names something else than the types that YAML can hold.
    """
    if steps > MOST_NESTED:
        raise UnknownError
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return hint(_expression(node.value), names, steps + 1)
        return type(None) if node.value is None else _refuse()
    if isinstance(node, ast.Attribute):
        return _HINTS.get(node.attr) or _refuse()
    if isinstance(node, ast.Name):
        known = names.get(node.id)
        if isinstance(known, ast.expr):
            return hint(known, names, steps + 1)
        return _HINTS.get(node.id) or _refuse()
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return typing.Union[hint(node.left, names, steps + 1), hint(node.right, names, steps + 1)]  # noqa: UP007
    if isinstance(node, ast.Subscript):
        inner = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _subscript(hint(node.value, names, steps + 1), inner, names, steps)
    return _refuse()


def _subscript(outer: Any, inner: list[ast.expr], names: Mapping[str, Any], steps: int) -> Any:
    if outer is typing.Literal:
        return typing.Literal[tuple(literal(node, names) for node in inner)]
    if outer is typing.Annotated:
        more = [literal(node, names) for node in inner[1:]]
        return typing.Annotated[(hint(inner[0], names, steps + 1), *more)]
    ellipsis = [isinstance(node, ast.Constant) and node.value is ... for node in inner]
    found = tuple(... if dots else hint(node, names, steps + 1) for node, dots in zip(inner, ellipsis, strict=True))
    return outer[found if len(found) > 1 else found[0]]


def literal(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return the value of a literal, or of a constant of the module.

    Raises:
        UnknownError: it is computed.
    """
    if isinstance(node, ast.Name) and isinstance(names.get(node.id), ast.expr):
        node = names[node.id]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise UnknownError from None


def _expression(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        raise UnknownError from None


def _refuse() -> typing.NoReturn:
    raise UnknownError
