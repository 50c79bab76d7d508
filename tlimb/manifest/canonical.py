"""The one form of JSON that is digested."""

import hashlib
import json
from typing import Any

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict with string keys."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def canonical(value: Json) -> str:
    """Write a JSON value in the one form that is digested: UTF-8, no spaces, keys sorted, no NaN.

    Raises:
        ValueError: the value holds NaN or an infinity.
    """
    return _ENCODER.encode(value)


def digest(value: Json) -> str:
    """Return the sha256 of the canonical form, as 64 hex digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_text(text: str) -> str:
    """Return the sha256 of a text that already is in canonical form."""
    return hashlib.sha256(text.encode()).hexdigest()
