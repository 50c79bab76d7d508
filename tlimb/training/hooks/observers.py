"""Callbacks of users: those that take part in a training, and observers, which must leave no trace in it.

Both are Lightning callbacks. One that is named under `callbacks` of a stage is part of the work. One that is named
under `execution: {observers: ..}` is not, so it may change nothing: its hooks are watched when they are called first,
and one that changed weights, optimizer, rates, modes, what asks for a gradient, or the state of a random generator ends
the run by name. What it reads from clocks is its own affair, as long as it never stops the training.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Timer

from tlimb.manifest import Component
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import Places
from tlimb.training.network.instantiate import build

WATCHED = 2
"""How many calls of each hook are watched in each process."""


def taking_part(components: Sequence[Component], places: Places) -> list[pl.Callback]:
    """Make the callbacks of a stage.

    Raises:
        TlimbError: one stops by the time that has passed, which no result may hang on (64).
    """
    made = []
    for place, component in enumerate(components):
        one = build(component, pl.Callback, places)
        _refuse_clock(one, component.path)
        one.tlimb_place = place  # type: ignore[attr-defined]
        made.append(one)
    return made


def observers(components: Sequence[Mapping[str, Any]], places: Places) -> list[pl.Callback]:
    """Make the observers of a run, with their hooks watched.

    Raises:
        TlimbError: one stops by the time that has passed (64).
    """
    made = []
    for component in components:
        one = build(component, pl.Callback, places)
        _refuse_clock(one, component["class"])
        _watch(one, component["class"])
        made.append(one)
    return made


def _refuse_clock(callback: pl.Callback, path: str) -> None:
    if isinstance(callback, Timer) and callback._duration is not None:
        message = f"{path} stops a training when some time has passed: its result would hang on the machine"
        raise TlimbError(
            Problem("stops-by-clock", message, help="take `duration` out, or use `tlimb run --deadline`"),
            ExitCode.USAGE,
        )


def _watch(callback: pl.Callback, path: str) -> None:
    for name in dir(pl.Callback):
        own = getattr(type(callback), name, None)
        if name.startswith("on_") and callable(own) and own is not getattr(pl.Callback, name, None):
            setattr(callback, name, _watched(getattr(callback, name), name, path))
    for name in ("setup", "teardown"):
        if getattr(type(callback), name) is not getattr(pl.Callback, name):
            setattr(callback, name, _watched(getattr(callback, name), name, path))


def _watched(hook: Callable[..., Any], name: str, path: str) -> Callable[..., Any]:
    calls = 0

    @wraps(hook)
    def watched(trainer: pl.Trainer, module: pl.LightningModule, *rest: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        before = _Seen(trainer, module) if calls <= WATCHED else None
        stops = trainer.should_stop
        found = hook(trainer, module, *rest, **named)
        changed = "when the training stops" if trainer.should_stop != stops else None
        changed = changed or (before.difference(_Seen(trainer, module)) if before is not None else None)
        if changed is not None:
            message = f"the observer {path} changes {changed}, in `{name}`"
            help_ = "name it under `callbacks` of the stage, where it is part of what is computed"
            raise TlimbError(Problem("observer-interferes", message, help=help_), ExitCode.USAGE)
        return found

    return watched


class _Seen:
    """What an observer may not change, copied."""

    def __init__(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.tensors = {name: value.detach().clone() for name, value in module.state_dict().items()}
        self.gradients = {n: None if p.grad is None else p.grad.clone() for n, p in module.named_parameters()}
        self.asks = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
        self.modes = {name: one.training for name, one in module.named_modules()}
        optimizer = getattr(getattr(module, "made_of", None), "optimizer", None)
        self.rates = (
            [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups] if optimizer else []
        )
        self.moments = [] if optimizer is None else _tensors(optimizer.state)
        numbers: Any = np.random.get_state(legacy=True)
        self.generators = [torch.get_rng_state(), torch.from_numpy(np.array(numbers[1]))]
        self.generators += torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        self.rest = (numbers[2:], random.getstate(), torch.is_grad_enabled())

    def difference(self, after: "_Seen") -> str | None:
        """Return what is not as it was, in words; None when everything is."""
        checks = {
            "weights": _same(self.tensors, after.tensors),
            "gradients": _same(self.gradients, after.gradients),
            "what asks for a gradient": self.asks == after.asks,
            "the mode of a module": self.modes == after.modes,
            "the optimizer": len(self.moments) == len(after.moments)
            and all(torch.equal(one, other) for one, other in zip(self.moments, after.moments, strict=True)),
            "the learning rate": str(self.rates) == str(after.rates),
            "random numbers": self.rest == after.rest
            and all(torch.equal(one, other) for one, other in zip(self.generators, after.generators, strict=True)),
        }
        return next((what for what, same in checks.items() if not same), None)


def _tensors(state: Mapping[Any, Mapping[str, Any]]) -> list[torch.Tensor]:
    return [v.detach().clone() for one in state.values() for v in one.values() if isinstance(v, torch.Tensor)]


def _same(before: Mapping[str, torch.Tensor | None], after: Mapping[str, torch.Tensor | None]) -> bool:
    if before.keys() != after.keys():
        return False
    pairs = ((value, after[name]) for name, value in before.items())
    return all(a is b or (a is not None and b is not None and _equal(a, b)) for a, b in pairs)


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    # NaN is what it was, too.
    return one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())
