"""The training loop of one run: a Lightning module, and `fit`, which lets a trainer drive it.

Lightning moves data, keeps precision and devices, counts epochs and steps and calls the hooks of callbacks. Whatever
decides bits is derived here from the number of the batch, which comes with the batch: no hook, no epoch counter and no
loop state of the trainer feeds order, augmentation or dropout, so a restart can get none of them wrong.

To read on: `Loop.training_step` is one batch, `Loop._end_epoch` the end of an epoch.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from tlimb.components.contracts import Batch
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import DivergedError
from tlimb.training.data.batches import StepInfo, augmented, to_device
from tlimb.training.evaluation.validation import Seen, validate
from tlimb.training.lightning import Segments, StudyTrainer, continue_at, refuse_another_course
from tlimb.training.network.layer_rates import rates_of
from tlimb.training.seeds import seed_batch
from tlimb.training.setup import TrainSetup, TrainState

CHECK_EVERY = 50
"""Batches between two checks for finite losses on a device where a check waits for the device."""
After = Callable[["Loop", StepInfo, bool], None]
"""Called when a batch is wholly done, hooks and the end of its epoch included; the last says whether more will come."""


def fit(loop: "Loop", trainer: StudyTrainer, batches: Iterable[Any]) -> None:
    """Train from the batch that the loop's state names to the end.

    Args:
        loop: the module; `loop.resumed` is the resume point that it goes on from, None for the start.
        trainer: drives it.
        batches: those that are to do, in order.
    """
    length = loop.made_of.length
    segments = Segments(batches, length, lambda: loop.state.index)
    if loop.resumed is not None:
        continue_at(trainer, length.at(loop.state.index))
    try:
        trainer.fit(loop, train_dataloaders=segments, val_dataloaders=[0] if loop.made_of.validation else None)
    finally:
        # Loader processes end with the iterator, and not when Python finds time for it.
        segments.close()
    loop.zero_grad(set_to_none=True)


class Loop(pl.LightningModule):
    """Trains a setup from the batch that its state names.

    Attributes:
        made_of: what is trained, and how; no part of what callbacks may copy.
        state: what the run remembers.
        best_weights: those of the best epoch, where they are kept.
        line_written: called with the line of an epoch and the number of its last batch, before the next one begins.
        resumed: number of the batch that a resume point goes on with, None for the start; set with `restore`.
        restore: called once, when networks are on the device and callbacks have begun, to go to the resume point.
    """

    def __init__(self, setup: TrainSetup, after: After) -> None:
        """Take the setup; `after` is called when a batch is wholly done."""
        super().__init__()
        self.automatic_optimization = False
        self.encoder = setup.network.encoder
        self.heads = nn.ModuleDict(dict(setup.network.heads))
        self.owned = nn.ModuleDict(dict(setup.owned))
        self.made_of = setup
        self.state = TrainState()
        self.best_weights: dict[str, Tensor] = {}
        self.after = after
        self.line_written: Callable[[Mapping[str, Any], int], None] | None = None
        self.resumed: int | None = None
        self.restore: Callable[[Loop], None] | None = None
        self._terms: dict[str, Tensor] = {}
        self._epoch: int | None = None
        self._ended: StepInfo | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy holds: the networks, and nothing of the run that they are trained in."""
        of_the_run = ("made_of", "state", "after", "restore", "line_written", "best_weights", "_terms", "_ended")
        return {**super().__getstate__(), **dict.fromkeys(of_the_run)}

    # What Lightning asks for, in the order of a run

    def configure_optimizers(self) -> Any:
        """Return the optimizer, and the schedule so that callbacks see it; it is advanced here, not by the trainer."""
        optimizer, scheduler = self.made_of.optimizer, self.made_of.scheduler
        if optimizer is None or scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def train(self, mode: bool = True) -> "Loop":
        """Set the mode; what is frozen stays in eval."""
        super().train(mode)
        if mode and self._epoch is not None and self.made_of is not None:
            self.made_of.freezer.rest(self._epoch)
        return self

    def on_fit_start(self) -> None:
        """Prepare the auxiliaries with the parent's weights in the network, then go to the resume point."""
        moved = {name: value.to(self.device) for name, value in self.made_of.transferred.items()}
        for auxiliary in self.made_of.auxiliaries.values():
            auxiliary.begin(self.encoder, moved)
            auxiliary.keep({name: value.to(self.device) for name, value in self.made_of.kept.items()})
        if self.restore is not None:
            self.restore(self)
            self.restore = None
        team = self.made_of.team
        if team is not None and team.agree(self.state.index) != self.state.index:
            raise RuntimeError("the processes of this run have read different resume points")

    def on_train_epoch_start(self) -> None:
        """Report the previous epoch, once its hooks and those of this epoch's start have run."""
        refuse_another_course(self.trainer, self.made_of.length.epochs_run, self.made_of.scheduler)
        self._tell(more=True)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move the batches of all roles; validation has none, it reads its rows itself."""
        if isinstance(batch, int):
            return batch
        index, batches = batch
        return index, {role: to_device(one, device) for role, one in batches.items()}

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment the batches of all roles, on the device."""
        if isinstance(batch, int):
            return batch
        index, batches = batch
        return index, {role: augmented(one, self.made_of.data) for role, one in batches.items()}

    def training_step(self, item: tuple[int, dict[str, Batch]], _: int) -> None:
        """Do one batch: loss, gradient and, where it closes a group, an optimizer step."""
        index, batches = item
        at = self.made_of.length.at(index)
        self._enter(at.epoch)
        team = self.made_of.team
        seed_batch(self.made_of.seed, index, 0 if team is None else team.rank)
        if self.made_of.optimizer is None:
            with torch.no_grad():
                self._terms_of(at, batches)
            self.state.samples += samples_of(batches)
            self.state.index = index + 1
            return
        try:
            terms, added = self._terms_of(at, batches)
        except ValueError as error:
            raise _explain(error, len(next(iter(batches.values())).rows)) from error
        total = self._note(at, {**terms, **added}, samples_of(batches))
        if at.within == 0 and added:
            self.state.norms = {name: self._norm_of(term) for name, term in added.items()}
        self._backward(at, terms, added, total)
        if at.within == 0 and added and self.made_of.precision != "fp16":
            trained = self._trained()
            self.state.norms["sum"] = at.group * norm(self._summed([p.grad for p in trained], trained))
        if at.closes:
            self._step(at)
        self.state.index = index + 1

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Report the batch, unless it ends the epoch: validation and its hooks come first then."""
        at = self.made_of.length.at(self.state.index - 1)
        if at.ends_epoch:
            self._ended = at
            self._check_weights(at.epoch + 1)
        else:
            self.after(self, at, True)

    def validation_step(self, _: Any, __: int) -> None:
        """End the epoch: predict all validation rows with the weights that callbacks want validated."""
        # What is predicted has an arithmetic of its own, and losses on it are always computed in full.
        with torch.autocast(self.device.type, enabled=False):
            self._end_epoch()

    def on_train_epoch_end(self) -> None:
        """End an epoch that nothing was validated in."""
        if len(self.state.history) <= self._last.epoch:
            self._end_epoch()
        self._ended = self._last
        self.trainer.should_stop = self.trainer.should_stop or self.state.stopped

    def on_train_end(self) -> None:
        """Note who stopped the training, and tell the caller of the last batch."""
        self.state.stopped = self.state.stopped or self.trainer.should_stop
        self._tell(more=False)

    @property
    def _last(self) -> StepInfo:
        return self.made_of.length.at(self.state.index - 1)

    def _tell(self, *, more: bool) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            self.after(self, ended, more)

    # One batch

    def _enter(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch = epoch
            self.made_of.freezer.apply(epoch)
            self.train()

    def _terms_of(self, at: StepInfo, batches: Mapping[str, Batch]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the terms of the heads, as they are weighted, and those that scenario and auxiliaries add."""
        setup = self.made_of
        progress = at.step / max(1, setup.length.total_steps)
        found, context = setup.scenario.terms(setup.network, batches, at.step, progress)
        terms = {name: term for name, term in found.items() if name in setup.network.heads}
        added = {name: term for name, term in found.items() if name not in setup.network.heads}
        first = next(iter(batches.values())).part
        if first is not None:
            terms = {name: term * self._share(name, batches) for name, term in terms.items()}
        if setup.weighting is not None:
            terms = setup.weighting.combine(terms)
        for name, auxiliary in setup.auxiliaries.items():
            # A head may have an auxiliary's name; its loss must not be replaced.
            name = f"{name} (auxiliary)" if name in terms or name in added else name
            added[name] = auxiliary.loss(context)
            if auxiliary.ramp_epochs:
                done = at.index / (auxiliary.ramp_epochs * setup.length.per_epoch)
                added[name] = min(1.0, done) * added[name]
        if at.ends_epoch:
            self.state.notes = {name: plain_number(float(value)) for name, value in context.notes.items()}
        if first is not None:
            added = {name: term * first.share for name, term in added.items()}
        return terms, added

    def _share(self, head: str, batches: Mapping[str, Batch]) -> float:
        """Return what makes a head's mean over this device's samples its part of the mean over all."""
        batch = batches[self.made_of.network.roles.get(head) or next(iter(batches))]
        return 1.0 if batch.part is None else batch.part.shares[head]

    def _note(self, at: StepInfo, terms: Mapping[str, Tensor], samples: int) -> Tensor:
        """Return the sum of all terms, and add each to the sums of the epoch."""
        stacked = torch.stack([term.float() for term in terms.values()])
        total = whole = stacked.sum()
        team = self.made_of.team
        if team is not None and team.together:
            # Several devices note and check the sums over all of them, so that they remember and give up alike.
            summed = team.total(stacked)
            terms, whole = dict(zip(terms, summed, strict=True)), summed.sum()
        self.state.samples += samples
        for name, term in terms.items():
            before = self._terms.get(name, self.state.sums.get(name, 0.0))
            self._terms[name] = before + term.detach().double() * samples
        if (self.device.type == "cpu" or at.index % CHECK_EVERY == 0 or at.ends_epoch) and not torch.isfinite(whole):
            self._diverge(at, float(whole.detach()))
        return total

    def _backward(self, at: StepInfo, terms: dict[str, Tensor], added: dict[str, Tensor], total: Tensor) -> None:
        weighting = self.made_of.weighting
        if weighting is None or not weighting.surgery:
            self.manual_backward(total / at.group)
            return
        others = torch.stack([term.float() for term in added.values()]).sum() / at.group if added else None
        weighting.accumulate({name: term / at.group for name, term in terms.items()}, others, self._trained())

    def _trained(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.encoder.parameters() if parameter.requires_grad]

    def _summed(self, parts: Sequence[Tensor | None], like: Sequence[Tensor]) -> Sequence[Tensor | None]:
        """Return the sums of gradients over all devices."""
        return parts if self.made_of.team is None else self.made_of.team.gradients(parts, like)

    def _norm_of(self, term: Tensor) -> float:
        """Return the norm of a term's gradient, without changing any gradient that is kept; 0 when it has none."""
        parameters = self._trained()
        if not term.requires_grad or not parameters:
            return 0.0
        parts = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        return norm(self._summed(parts, parameters))

    def _step(self, at: StepInfo) -> None:
        setup, optimizer = self.made_of, self.optimizers()
        assert not isinstance(optimizer, list)
        if setup.team is not None:
            setup.team.reduce(self.parameters())
        if setup.gradient_clip is not None:
            self.clip_gradients(optimizer, setup.gradient_clip, gradient_clip_algorithm="norm")  # type: ignore[arg-type]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if setup.scheduler is not None:
            setup.scheduler.step()
        for learner in setup.learners:
            learner.after_step(setup.network, (at.step + 1) / max(1, setup.length.total_steps))
        if setup.team is not None:
            setup.team.average_statistics(self)

    def _diverge(self, at: StepInfo, loss: float) -> None:
        rates = ", ".join(f"{rate:.3g}" for rate in rates_of(self.made_of.optimizer)[0])
        raise DivergedError(
            f"loss {loss} at batch {at.index}, step {at.step}, epoch {at.epoch + 1}; learning rate {rates}; "
            f"gradient norm of the batches before it in the group {norm(p.grad for p in self.parameters()):.3g}"
        )

    # The end of an epoch

    def running(self) -> dict[str, float]:
        """Return the mean of each loss term over the samples of the running epoch so far."""
        self.settle_sums()
        return {name: value / max(1, self.state.samples) for name, value in self.state.sums.items()}

    def settle_sums(self) -> None:
        """Bring the loss sums of the running epoch from the device into the state."""
        self.state.sums = {name: float(value) for name, value in self._terms.items()} or self.state.sums
        self._terms = {}

    def _end_epoch(self) -> None:
        self.settle_sums()
        state, at = self.state, self._last
        rates, named = rates_of(self.made_of.optimizer)
        line: dict[str, Any] = {
            "epoch": at.epoch + 1,
            "steps": at.step + 1,
            "train": {name: plain_number(value / state.samples) for name, value in state.sums.items()},
            "lr": rates,
        }
        if state.norms:
            line["gradients"] = {name: plain_number(value) for name, value in state.norms.items()}
        line |= {"rates": named} if named else {}
        line |= {"notes": state.notes} if state.notes else {}
        state.sums, state.samples, state.norms, state.notes = {}, 0, {}, {}
        if self.made_of.validation:
            seen = self.validate_all()
            line["val"] = {
                role: {head: plain_number(value) for head, value in losses.items()}
                for role, losses in seen.losses.items()
            }
            line["monitor"] = plain_number(seen.monitored)
            self._judge(at.epoch + 1, seen.monitored)
        state.history.append(line)
        self.tell_metrics()
        if self.line_written is not None:
            self.line_written(line, at.index)

    def tell_metrics(self) -> None:
        """Show callbacks the numbers of the last epoch."""
        assert isinstance(self.trainer, StudyTrainer)
        self.trainer.study_metrics = {name: torch.tensor(value) for name, value in self.state.metrics().items()}

    def _check_weights(self, epoch: int) -> None:
        bad = [name for name, value in self.named_parameters() if not torch.isfinite(value).all()]
        if bad:
            raise DivergedError(f"weights are not finite after epoch {epoch}: {bad[0]}")

    def _judge(self, epoch: int, value: float) -> None:
        state, setup = self.state, self.made_of
        if setup.monitored.better(value, state.best):
            state.best, state.best_epoch, state.waited = value, epoch, 0
            if setup.keep_best:
                self.best_weights = {name: tensor.detach().clone() for name, tensor in self.state_dict().items()}
        else:
            state.waited += 1
        if setup.patience is not None and state.waited >= setup.patience:
            state.stopped = True

    def validate_all(self) -> Seen:
        """Predict all validation rows with the present weights."""
        setup = self.made_of
        return validate(
            setup.validated,
            setup.validation,
            setup.monitored,
            setup.batch_size,
            self.device,
            setup.precision,
            setup.team,
        )


def _explain(error: ValueError, samples: int) -> Exception:
    """Return what a user can do about batch normalisation of a single value, which has no variance."""
    if "more than 1 value per channel" not in str(error):
        return error
    message = f"a batch of {samples} leaves batch normalisation a single value per channel"
    hint = "take a batch_size that leaves no single sample over, larger images, or another normalisation"
    return TlimbError(Problem("batch-too-small", message, help=hint), ExitCode.USAGE)


def samples_of(batches: Mapping[str, Batch]) -> int:
    """Return the samples of the first role's batch, those of all devices that share it."""
    first = next(iter(batches.values()))
    return len(first.rows) if first.part is None else first.part.samples


def norm(gradients: Iterable[Tensor | None]) -> float:
    """Return the norm of several gradients together, those that are None left out."""
    return math.sqrt(sum(float(one.double().square().sum()) for one in gradients if one is not None))


def plain_number(value: float) -> float | None:
    """Return a number for JSON; None when it is not finite."""
    return value if math.isfinite(value) else None
