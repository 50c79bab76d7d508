"""Plain data as a spec: the text of a study that a program has put together."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tlimb.language.rewriting.layout import render
from tlimb.language.rewriting.sheet import Entry, Node
from tlimb.language.scalars import NumberError, looks_retyped, resolve

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+*-]*( [A-Za-z0-9_./+*-]+)*")


def spelled(data: Any) -> str:
    """Write plain data as a document: small mappings and lists in braces, the rest as blocks."""
    root = node(data)
    root.flow = False
    return render(root)


def node(data: Any) -> Node:
    """Give plain data as a value to be laid out; None is the word `none`."""
    if isinstance(data, Node):
        return data
    if isinstance(data, Mapping):
        entries = [Entry(node(value), scalar(key), str(key)) for key, value in data.items()]
        return Node("mapping", entries=entries, flow=True)
    if isinstance(data, list | tuple):
        return Node("sequence", entries=[Entry(node(item)) for item in data], flow=True)
    return Node("scalar", "none" if data is None else scalar(data))


def scalar(value: bool | int | float | str) -> str:
    """Write one value so that it is read as the same value again."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number(value)
    if _PLAIN.fullmatch(value) and value != "none" and looks_retyped(value) is None and _is_text(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def number(value: int | float) -> str:
    """Write a number as people do: 0.001, 1e-5, 20."""
    text = repr(value)
    if isinstance(value, float) and 0 < abs(value) < 0.01 and "e" not in text:
        text = f"{value:e}"
        digits, _, power = text.partition("e")
        short = f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
        return short if float(short) == value else repr(value)
    if isinstance(value, int) or "e" not in text:
        return text
    digits, _, power = text.partition("e")
    return f"{digits.removesuffix('.0')}e{int(power)}"


def _is_text(value: str) -> bool:
    try:
        return isinstance(resolve(value), str)
    except NumberError:
        return False
