"""Where tlimb leans on Lightning's inner parts, all in one place, for the versions that the tests were run with.

Lightning counts epochs and steps in objects of its loops that it restores from its own checkpoints. A resume point of
ours is no such checkpoint, so `continue_at` sets these counters; `COUNTERS` names them, and a test reads each. What
else is here uses public names only.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import lightning.pytorch as pl
from lightning.fabric.utilities.exceptions import MisconfigurationException

from tlimb.training.data.batches import StepInfo, TrainLength

COUNTERS = (
    "fit_loop.epoch_progress",
    "fit_loop.epoch_loop.batch_progress",
    "fit_loop.epoch_loop.manual_optimization.optim_step_progress",
    "fit_loop.epoch_loop._batches_that_stepped",
    "fit_loop.restarting",
)
"""Attributes of a trainer that `continue_at` sets."""


class Segments:
    """The batches of a run, an epoch at a time, as Lightning asks for them; one iterator serves all epochs."""

    def __init__(self, batches: Iterable[Any], length: TrainLength, done: Callable[[], int]) -> None:
        """Take the batches that are to do, how long epochs are, and what tells how many batches are done."""
        self._batches: Iterator[Any] | None = iter(batches)
        self._length = length
        self._done = done

    def __len__(self) -> int:
        """Count the batches of the running epoch, those before a resume point included."""
        first = self._done() // self._length.per_epoch * self._length.per_epoch
        return min(self._length.per_epoch, self._length.batches - first)

    def __iter__(self) -> Iterator[Any]:
        """Go through the batches that are left of the running epoch; nothing is fetched before it is asked for."""
        left = len(self) - self._done() % self._length.per_epoch
        for _ in range(left):
            if self._batches is not None:
                yield next(self._batches)

    def close(self) -> None:
        """Release the iterator, and with it the processes that prepare batches."""
        self._batches = None


class StudyTrainer(pl.Trainer):
    """A trainer that leaves signals to the run, and whose metrics are those that the run remembers."""

    def __init__(self, **settings: Any) -> None:
        """Begin without metrics."""
        self.study_metrics: dict[str, Any] = {}
        super().__init__(**settings)

    @property
    def received_sigterm(self) -> bool:
        """Return False: after any batch Lightning would end the process without saving."""
        return False

    @received_sigterm.setter
    def received_sigterm(self, value: bool) -> None:
        """Ignore what a handler of Lightning's would note."""

    @property
    def callback_metrics(self) -> dict[str, Any]:
        """Return the last epoch's numbers, which are the same after a restart."""
        return self.study_metrics


def refuse_another_course(trainer: pl.Trainer, epochs: int, scheduler: Any) -> None:
    """Refuse callbacks that set the trainer's epochs, schedulers or accumulation: the study alone says these.

    Without it a callback such as Lightning's stochastic weight averaging, which asks for one epoch more and a scheduler
    of its own, would be without effect and nobody would know.

    Raises:
        MisconfigurationException: a callback has changed one of them.
    """
    if trainer.max_epochs != epochs:
        raise MisconfigurationException("a callback changes the number of epochs, which only `trainer.epochs` sets")
    if any(config.scheduler is not scheduler for config in trainer.lr_scheduler_configs):
        raise MisconfigurationException("a callback sets a learning rate scheduler, which only `scheduler` names")
    if trainer.accumulate_grad_batches != 1:
        raise MisconfigurationException("a callback changes the accumulation, which only `trainer.accumulate` sets")


def continue_at(trainer: pl.Trainer, at: StepInfo) -> None:
    """Set the counters of a trainer as if it had done all batches before one, in the middle of that one's epoch.

    The hooks of the epoch's beginning were called before the resume point was written, so they are not called again.
    """
    loop: Any = trainer.fit_loop
    for epochs in (loop.epoch_progress.current, loop.epoch_progress.total):
        epochs.ready = epochs.started = at.epoch + 1
        epochs.processed = epochs.completed = at.epoch
    for batches, count in (
        (loop.epoch_loop.batch_progress.current, at.within),
        (loop.epoch_loop.batch_progress.total, at.index),
    ):
        batches.ready = batches.started = batches.processed = batches.completed = count
    steps = loop.epoch_loop.manual_optimization.optim_step_progress.total
    steps.ready = steps.completed = at.step
    loop.epoch_loop._batches_that_stepped = at.index
    loop.restarting = True
    # Before an epoch's first batch its loop begins as always; only the hooks of the beginning are behind it.
    loop.epoch_loop.restarting = at.within > 0
