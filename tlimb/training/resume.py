"""Resume points: everything that a restart needs, as plain data, and the way back into fresh objects.

A resume point is written between two optimizer steps, when the hooks of all callbacks for the last batch are behind it:
inside an epoch, or at the beginning of the next one. Callbacks give what they remember by `state_dict`, and what else
must be kept by `on_save_checkpoint`; both are given back, as Lightning does with its own checkpoints.
"""

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch

from tlimb.manifest import digest
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.training import checkpoints
from tlimb.training.loop import Loop
from tlimb.training.setup import TrainState

FORMAT = 2
"""Version of what a resume point holds; part of the tag, so that another version's is not continued."""
_MODEL = "the tensors of the model"
"""Stands in a callback's checkpoint for the state of the module, which is kept once."""


def tag(environment: Mapping[str, Any]) -> str:
    """Return eight hex digits that name an environment; a resume point is continued only where it was made."""
    return digest([FORMAT, dict(environment)])[:8]


def snapshot(loop: Loop) -> dict[str, Any]:
    """Return everything that a restart needs; only right between two optimizer steps."""
    loop.settle_sums()
    setup, scaler = loop.made_of, _scaler(loop.trainer)
    model = loop.state_dict()
    return {
        "model": model,
        "best_weights": loop.best_weights,
        "optimizer": {} if setup.optimizer is None else setup.optimizer.state_dict(),
        "scheduler": _schedule(setup.scheduler),
        "scaler": scaler.state_dict() if scaler is not None else {},
        "state": loop.state.to_json(),
        "callbacks": remembered(loop.trainer, loop, model),
    }


def restore(loop: Loop, found: Mapping[str, Any]) -> None:
    """Put a resume point into networks, optimizer, schedule and callbacks."""
    setup = loop.made_of
    loop.load_state_dict(found["model"])
    loop.best_weights = {name: value.to(loop.device) for name, value in found["best_weights"].items()}
    if setup.optimizer is not None:
        setup.optimizer.load_state_dict(found["optimizer"])
    if setup.scheduler is not None:
        setup.scheduler.load_state_dict(found["scheduler"])
    scaler = _scaler(loop.trainer)
    if scaler is not None:
        scaler.load_state_dict(found["scaler"])
    loop.state = TrainState(**found["state"])
    loop.tell_metrics()
    _give_back(loop.trainer, loop, found)


def taking_part(trainer: pl.Trainer) -> list[pl.Callback]:
    """Return the callbacks that are part of the work, in the order of the manifest; observers are not among them."""
    found: Any = trainer.callbacks  # type: ignore[attr-defined]
    return [one for one in found if getattr(one, "tlimb_place", None) is not None]


def remembered(trainer: pl.Trainer, loop: Loop, model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the callbacks keep in a resume point.

    Raises:
        TlimbError: one keeps something else than tensors and plain data (64).
    """
    callbacks = sorted(taking_part(trainer), key=lambda one: one.tlimb_place)  # type: ignore[attr-defined]
    if not callbacks:
        return {}
    checkpoint: dict[str, Any] = {"state_dict": model}
    states = []
    for one in callbacks:
        one.on_save_checkpoint(trainer, loop, checkpoint)
        states.append(one.state_dict())
        try:
            checkpoints.plain([states[-1], {name: value for name, value in checkpoint.items() if value is not model}])
        except TypeError as error:
            message = f"the callback {type(one).__name__} cannot be continued after a kill: {error}"
            problem = Problem("not-kept-in-resume", message, help="let its `state_dict` give tensors and plain data")
            raise TlimbError(problem, ExitCode.USAGE) from error
    kept = {name: _MODEL if value is model else value for name, value in checkpoint.items()}
    return {"checkpoint": kept, "states": states}


def _give_back(trainer: pl.Trainer, loop: Loop, found: Mapping[str, Any]) -> None:
    if not found["callbacks"]:
        return
    kept = found["callbacks"]["checkpoint"]
    checkpoint = {
        name: found["model"] if isinstance(value, str) and value == _MODEL else value for name, value in kept.items()
    }
    callbacks = sorted(taking_part(trainer), key=lambda one: one.tlimb_place)  # type: ignore[attr-defined]
    for one in callbacks:
        one.on_load_checkpoint(trainer, loop, checkpoint)
    for one, state in zip(callbacks, found["callbacks"]["states"], strict=True):
        one.load_state_dict(state)


def _scaler(trainer: pl.Trainer) -> Any:
    return getattr(trainer.precision_plugin, "scaler", None)


def _schedule(scheduler: torch.optim.lr_scheduler.LRScheduler | None) -> dict[str, Any]:
    """Return a schedule's state without the functions that some schedules keep in it."""
    if scheduler is None:
        return {}
    return {key: value for key, value in scheduler.state_dict().items() if not _holds_code(value)}


def _holds_code(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_code(inner) for inner in value)
    return callable(value)
