"""Draws and seeds: pure functions of names and numbers, the same on every machine and in every year.

A draw depends on the search seed, the key of its dimension and the trial, and on nothing else: another dimension,
stage, row, replicate or a higher count changes no earlier value. Values are computed in decimal arithmetic and
rounded to six significant digits, so that no mathematical library stands between a spec and a digest.
"""

import hashlib
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

from tlimb.language.values import Choice, Range
from tlimb.manifest import canonical

_WIDE = Context(prec=28, rounding=ROUND_HALF_EVEN)
_SHORT = Context(prec=6, rounding=ROUND_HALF_EVEN)
_SHARE = Decimal(2) ** -53


def _leading53(value: object) -> int:
    """Give the first 53 bits of the sha256 of a canonical value, exact in JSON and in a double."""
    head = hashlib.sha256(canonical(value).encode()).digest()[:8]
    return int.from_bytes(head, "big") >> 11


def draw_range(node: Range, seed: int, trial: int) -> float | int:
    """Give the value of trial `trial` of a searched interval."""
    share = _WIDE.multiply(Decimal(_leading53(["tlimb-draw-1", seed, node.place, trial])), _SHARE)
    low, high = Decimal(repr(node.low)), Decimal(repr(node.high))
    if node.law == "int_uniform":
        return int(low) + int(_WIDE.multiply(share, high - low + 1))
    if node.law == "log_uniform":
        log_low, log_high = _log(low), _log(high)
        value = _WIDE.exp(_WIDE.fma(share, _WIDE.subtract(log_high, log_low), log_low))
    else:
        value = _WIDE.fma(share, _WIDE.subtract(high, low), low)
    return float(_SHORT.plus(value))


@lru_cache(maxsize=1024)
def _log(value: Decimal) -> Decimal:
    return _WIDE.ln(value)


def draw_choice(node: Choice, seed: int, trial: int) -> int:
    """Give the position of the alternative that wins trial `trial`.

    The alternative with the greatest sha256 wins, so a new alternative changes only the draws that it wins.
    """
    hashes = [
        hashlib.sha256(canonical(["tlimb-draw-1", seed, node.place, trial, one.label]).encode()).digest()
        for one in node.alternatives
    ]
    return max(range(len(hashes)), key=hashes.__getitem__)


def run_seed(study_seed: int, replicate: int) -> int:
    """Give the one seed of all runs of a replicate, 53 bits."""
    return _leading53(["tlimb-seed-1", study_seed, replicate])
