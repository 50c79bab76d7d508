"""What a plain scalar means: the YAML 1.2 core schema, the same as in editors.

YAML 1.1 parsers read `yes`, `1_000`, `12:30` and `2024-01-01` as something else than text. Here they are
text, so the command line and the editor see the same types; `looks_retyped` finds them for a warning.
"""

import re
from math import isfinite

from tlimb.language.tree import Scalar

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OLD_WORD = re.compile(r"(?i)yes|no|on|off")
_OLD_NUMBER = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*|0b[01]+|[-+]?[0-9]+(:[0-5]?[0-9])+")
_OLD_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?")
LARGEST = 2**63 - 1
_MOST_DIGITS = 40


class NumberError(ValueError):
    """A number that no JSON reader would keep: infinite, not a number, or over 63 bits."""


def resolve(text: str) -> Scalar:
    """Give the value of a plain scalar by the YAML 1.2 core schema.

    Raises:
        NumberError: it is a number that cannot be kept exactly or is not finite.
    """
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if not text[0].isascii() or text[0] not in "+-.0123456789":
        return text
    for pattern, base in ((_INTEGER, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            return _integer(text if base == 10 else text[2:], base)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not isfinite(number):
            raise NumberError(f"`{text[:_MOST_DIGITS]}` is too large for a number")
        return number
    if _SPECIAL.fullmatch(text):
        raise NumberError(f"`{text}` is no finite number")
    return text


def _integer(digits: str, base: int) -> int:
    number = int(digits, base) if len(digits.lstrip("+-0")) <= _MOST_DIGITS else LARGEST + 1
    if abs(number) > LARGEST:
        raise NumberError(f"`{digits[:_MOST_DIGITS]}` is too large for a whole number")
    return number


def looks_retyped(text: str) -> str | None:
    """Say what an older YAML parser would make of this plain text, None when nothing else than text."""
    if _OLD_WORD.fullmatch(text):
        return "a yes or no"
    if _OLD_NUMBER.fullmatch(text):
        return "a number"
    if _OLD_DATE.fullmatch(text):
        return "a date"
    return None


def is_number_text(text: str) -> bool:
    """Say whether this text would be a finite number without its quotes."""
    try:
        return isinstance(resolve(text), int | float) and text not in _TRUE | _FALSE
    except NumberError:
        return False
