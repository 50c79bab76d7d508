"""Stateless randomness: every draw is a function of the run's seed and of what it is for.

Nothing here keeps state, so a run that is killed and continued draws what it would have drawn.
"""

import hashlib
import json

import torch
from torch import Tensor

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
"""The canonical form of JSON, for lists of numbers and words."""


def derive(seed: int, *purpose: str | int) -> int:
    """Give a seed of 63 bits for one purpose, independent of all others."""
    text = _ENCODER.encode([seed, *purpose])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def permutation(seed: int, role: str, epoch: int, rows: int) -> Tensor:
    """Give the order of one role's rows in one epoch, (rows,) int64."""
    return torch.randperm(rows, generator=order_generator(seed, role, epoch))


def order_generator(seed: int, role: str, epoch: int) -> torch.Generator:
    """Give what the order of one role's rows in one epoch is drawn from."""
    return torch.Generator().manual_seed(derive(seed, "order", role, epoch))


def augmentation(seed: int, role: str, epoch: int, rows: Tensor) -> Tensor:
    """Give each sample's augmentation seed in one epoch, (batch,) int64."""
    return torch.tensor([derive(seed, "augment", role, epoch, int(row)) for row in rows], dtype=torch.int64)


def seed_batch(seed: int, index: int, device: int = 0) -> None:
    """Seed torch for everything random inside one training batch, such as dropout, on one of several devices."""
    torch.manual_seed(derive(seed, "batch", index, *([device] if device else [])))


def seed_initialisation(seed: int, *part: str) -> None:
    """Seed torch for the initial weights of one part: equal parts of two runs start equal."""
    torch.manual_seed(derive(seed, "initialise", *part))
