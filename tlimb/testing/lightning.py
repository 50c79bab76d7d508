"""Checks of what is written for Lightning: callbacks and loggers."""

import contextlib
import tempfile
from collections.abc import Callable
from typing import Any

import torch

from tlimb.training import checkpoints


def check_callback(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a callback can be continued: it remembers plain data, and another one that is given it remembers it.

    Raises:
        AssertionError: it does not.
    """
    one, other = make(), make()
    try:
        state = checkpoints.plain(one.state_dict())
    except TypeError as error:
        raise AssertionError(f"{cls.__name__}: no resume point can hold its `state_dict`: {error}") from error
    other.load_state_dict(state)
    assert same(other.state_dict(), state), f"{cls.__name__}: `load_state_dict` forgets what `state_dict` gave"


def check_logger(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a logger takes options and numbers of a training, and again after a restart.

    Raises:
        Exception: whatever it raises.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for step in (0, 1):
            logger = make()
            logger.log_hyperparams({"trainer/batch_size": 2, "optimizer": "adamw"})
            logger.log_metrics({"train/age": 1.0, "lr/0": 0.1}, step=step)
            logger.save()
            logger.finalize("success")


def same(one: Any, other: Any) -> bool:
    """Return whether nested plain data is equal."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one.cpu(), other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        pairs = isinstance(other, list | tuple) and len(one) == len(other)
        return pairs and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)
