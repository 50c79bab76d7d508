"""Which name was meant: the closest of the names that are allowed at one place.

The order was measured on one-edit typos of eighty names and on forty human mistakes: equality without case and
marks, then the optimal string alignment distance, then a unique beginning, then difflib's ratio of 0.75.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher


def closest(word: str, names: Iterable[str]) -> str | None:
    """Give the name that was probably meant, None when none is close."""
    candidates = sorted(set(names) - {word})
    plain = _plain(word)
    if not plain or len(word) > 80:
        return None
    for name in candidates:
        if _plain(name) == plain:
            return name
    near = [(_distance(plain, _plain(name)), -_ratio(plain, _plain(name)), name) for name in candidates]
    near = [entry for entry in near if entry[0] <= max(1, max(len(plain), len(entry[2])) // 3)]
    # with two letters one edit is half the word: only names of that length may be meant
    near = [entry for entry in near if len(plain) > 2 or abs(len(entry[2]) - len(plain)) <= 1]
    if near:
        return min(near)[2]
    begun = [name for name in candidates if len(plain) > 1 and (_starts(name, plain) or _starts(word, _plain(name)))]
    if len(begun) == 1:
        return begun[0]
    alike = [(-_ratio(plain, _plain(name)), name) for name in candidates]
    best = min(alike, default=None)
    return best[1] if best is not None and -best[0] >= 0.75 else None


def alike(first: str, second: str) -> bool:
    """Say whether two names could be one mistyped: for pairing a lone unknown key with a lone missing one."""
    return _ratio(_plain(first), _plain(second)) >= 0.6


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


def _starts(name: str, beginning: str) -> bool:
    return len(beginning) > 1 and _plain(name).startswith(beginning)


def _ratio(first: str, second: str) -> float:
    return SequenceMatcher(None, first, second).ratio()


def _distance(first: str, second: str) -> int:
    """Give the optimal string alignment distance: edits, with neighbours swapped as one edit."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        older, before = before, row
        row = [i]
        for j, b in enumerate(second, start=1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                best = min(best, older[j - 2] + 1)
            row.append(best)
    return row[-1]
