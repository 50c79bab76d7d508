"""The training loop of one run, as a Lightning module.

Lightning moves data, keeps precision and devices; everything that decides bits is derived here from the number
of the batch, which comes with the batch. One pass of the trainer is the whole run, from the first batch that is
not done yet: there is no epoch, no hook and no loop state of the trainer that a restart could get wrong.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from tlimb.components.contracts import Batch
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.runner.api import DivergedError
from tlimb.runner.batches import Position, augmented, to_device
from tlimb.runner.recipe import Ledger, Recipe
from tlimb.runner.seeds import seed_batch
from tlimb.runner.team import Team
from tlimb.runner.validation import Seen, validate

CHECK_EVERY = 50
"""Batches between two checks for finite losses on a device where a check waits for the device."""


class Training(pl.LightningModule):
    """Trains a recipe from the batch that its ledger names."""

    def __init__(self, recipe: Recipe, after: Callable[["Training", Position], None], team: Team | None = None) -> None:
        """Take the recipe; `after` is called when a batch is wholly done, epoch end included."""
        super().__init__()
        self.automatic_optimization = False
        self.encoder = recipe.network.encoder
        self.heads = nn.ModuleDict(dict(recipe.network.heads))
        self.owned = nn.ModuleDict(dict(recipe.owned))
        self.recipe = recipe
        self.team = team or Team()
        self.ledger = Ledger()
        self.best_weights: dict[str, Tensor] = {}
        self.after = after
        self.resumed: dict[str, Any] | None = None
        self._terms: dict[str, Tensor] = {}
        self._epoch: int | None = None

    # What Lightning asks for

    def configure_optimizers(self) -> torch.optim.Optimizer | None:
        """Give the optimizer."""
        return self.recipe.optimizer

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move the batches of all roles."""
        index, batches = batch
        return index, {role: to_device(one, device) for role, one in batches.items()}

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment the batches of all roles, on the device."""
        index, batches = batch
        return index, {role: augmented(one, self.recipe.data) for role, one in batches.items()}

    def train(self, mode: bool = True) -> "Training":
        """Set the mode; what is frozen stays in eval."""
        super().train(mode)
        if mode and self._epoch is not None:
            self.recipe.freezer.rest(self._epoch)
        return self

    def on_fit_start(self) -> None:
        """Prepare the auxiliaries with the parent's weights in the network, then go to the resume point."""
        moved = {name: value.to(self.device) for name, value in self.recipe.transferred.items()}
        for auxiliary in self.recipe.auxiliaries.values():
            auxiliary.begin(self.encoder, moved)
            auxiliary.keep({name: value.to(self.device) for name, value in self.recipe.kept.items()})
        if self.resumed is not None:
            self._restore(self.resumed)
            self.resumed = None
        if self.team.agree(self.ledger.index) != self.ledger.index:
            raise RuntimeError("the processes of this run have read different resume points")

    def training_step(self, item: tuple[int, dict[str, Batch]], _: int) -> None:
        """Do one batch: loss, gradient and, where it closes a group, an optimizer step."""
        index, batches = item
        at = self.recipe.course.at(index)
        self._enter(at.epoch)
        seed_batch(self.recipe.seed, index, self.team.rank)
        if self.recipe.optimizer is None:
            with torch.no_grad():
                self._terms_of(at, batches)
            self.ledger.samples += samples_of(batches)
            self.ledger.index = index + 1
            return
        try:
            terms, added = self._terms_of(at, batches)
        except ValueError as error:
            raise _explain(error, len(next(iter(batches.values())).rows)) from error
        total = self._note(at, {**terms, **added}, samples_of(batches))
        first = at.index % self.recipe.course.per_epoch == 0
        if first and added:
            self.ledger.norms = {name: norm_of(term, self._trained(), self.team) for name, term in added.items()}
        self._backward(at, terms, added, total)
        if first and added and self.recipe.precision != "fp16":
            trained = self._trained()
            self.ledger.norms["sum"] = at.group * norm(self.team.gradients([p.grad for p in trained], trained))
        if at.closes:
            self._step(at)
        self.ledger.index = index + 1

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """End the epoch where it ends, then tell the caller."""
        at = self.recipe.course.at(self.ledger.index - 1)
        if at.ends_epoch:
            self._end_epoch(at)
        self.after(self, at)
        if self.ledger.stopped:
            self.trainer.should_stop = True

    # One batch

    def _enter(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch = epoch
            self.recipe.freezer.apply(epoch)
            self.train()

    def _terms_of(self, at: Position, batches: Mapping[str, Batch]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Give the terms of the heads, as they are weighted, and those that scenario and auxiliaries add."""
        recipe = self.recipe
        progress = at.step / max(1, recipe.course.total_steps)
        found, context = recipe.scenario.terms(recipe.network, batches, at.step, progress)
        terms = {name: term for name, term in found.items() if name in recipe.network.heads}
        added = {name: term for name, term in found.items() if name not in recipe.network.heads}
        first = next(iter(batches.values())).part
        if first is not None:
            terms = {name: term * self._share(name, batches) for name, term in terms.items()}
        if recipe.weighting is not None:
            terms = recipe.weighting.combine(terms)
        for name, auxiliary in recipe.auxiliaries.items():
            # A head may have an auxiliary's name; its loss must not be replaced.
            name = f"{name} (auxiliary)" if name in terms or name in added else name
            added[name] = auxiliary.loss(context)
            if auxiliary.ramp_epochs:
                done = at.index / (auxiliary.ramp_epochs * recipe.course.per_epoch)
                added[name] = min(1.0, done) * added[name]
        if at.ends_epoch:
            self.ledger.notes = {name: plain_number(float(value)) for name, value in context.notes.items()}
        if first is not None:
            added = {name: term * first.share for name, term in added.items()}
        return terms, added

    def _share(self, head: str, batches: Mapping[str, Batch]) -> float:
        """Give what makes a head's mean over this device's samples its part of the mean over all."""
        batch = batches[self.recipe.network.roles.get(head) or next(iter(batches))]
        return 1.0 if batch.part is None else batch.part.shares[head]

    def _note(self, at: Position, terms: Mapping[str, Tensor], samples: int) -> Tensor:
        """Give the sum of all terms, and add each to the sums of the epoch."""
        stacked = torch.stack([term.float() for term in terms.values()])
        total = whole = stacked.sum()
        if self.team.together:
            # Several devices note and check the sums over all of them, so that they remember and give up alike.
            summed = self.team.total(stacked)
            terms, whole = dict(zip(terms, summed, strict=True)), summed.sum()
        self.ledger.samples += samples
        for name, term in terms.items():
            before = self._terms.get(name, self.ledger.sums.get(name, 0.0))
            self._terms[name] = before + term.detach().double() * samples
        if (self.device.type == "cpu" or at.index % CHECK_EVERY == 0 or at.ends_epoch) and not torch.isfinite(whole):
            self._diverge(at, float(whole.detach()))
        return total

    def _backward(self, at: Position, terms: dict[str, Tensor], added: dict[str, Tensor], total: Tensor) -> None:
        weighting = self.recipe.weighting
        if weighting is None or not weighting.surgery:
            self.manual_backward(total / at.group)
            return
        others = torch.stack([term.float() for term in added.values()]).sum() / at.group if added else None
        weighting.accumulate({name: term / at.group for name, term in terms.items()}, others, self._trained())

    def _trained(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.encoder.parameters() if parameter.requires_grad]

    def _step(self, at: Position) -> None:
        optimizer: Any = self.optimizers()
        self.team.reduce(self.parameters())
        if self.recipe.gradient_clip is not None:
            self.clip_gradients(optimizer, self.recipe.gradient_clip, gradient_clip_algorithm="norm")
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if self.recipe.scheduler is not None:
            self.recipe.scheduler.step()
        for learner in self.recipe.learners:
            learner.after_step(self.recipe.network, (at.step + 1) / max(1, self.recipe.course.total_steps))
        self.team.average_statistics(self)

    def _rates(self) -> list[float]:
        optimizer = self.recipe.optimizer
        return [] if optimizer is None else [float(group["lr"]) for group in optimizer.param_groups]

    def _named_rates(self) -> dict[str, float]:
        """Give the rates of stages and heads by name, where they differ."""
        groups = [] if self.recipe.optimizer is None else self.recipe.optimizer.param_groups
        return {group["name"]: float(group["lr"]) for group in groups if "name" in group}

    def _diverge(self, at: Position, loss: float) -> None:
        rates = ", ".join(f"{rate:.3g}" for rate in self._rates())
        raise DivergedError(
            f"loss {loss} at batch {at.index}, step {at.step}, epoch {at.epoch + 1}; learning rate {rates}; "
            f"gradient norm of the batches before it in the group {norm(p.grad for p in self.parameters()):.3g}"
        )

    # The end of an epoch

    def settle_sums(self) -> None:
        """Bring the loss sums of the running epoch from the device into the ledger."""
        self.ledger.sums = {name: float(value) for name, value in self._terms.items()} or self.ledger.sums
        self._terms = {}

    def _end_epoch(self, at: Position) -> None:
        self.settle_sums()
        ledger = self.ledger
        line: dict[str, Any] = {
            "epoch": at.epoch + 1,
            "steps": at.step + 1,
            "train": {name: plain_number(value / ledger.samples) for name, value in ledger.sums.items()},
            "lr": self._rates(),
        }
        if ledger.norms:
            line["gradients"] = {name: plain_number(value) for name, value in ledger.norms.items()}
        named = self._named_rates()
        if named:
            line["rates"] = named
        if ledger.notes:
            line["notes"] = ledger.notes
        ledger.sums, ledger.samples, ledger.norms, ledger.notes = {}, 0, {}, {}
        self._check_weights(at.epoch + 1)
        if self.recipe.validation:
            seen = self.validate_all()
            line["val"] = {
                role: {head: plain_number(value) for head, value in losses.items()}
                for role, losses in seen.losses.items()
            }
            line["monitor"] = plain_number(seen.monitored)
            self._judge(at.epoch + 1, seen.monitored)
        ledger.history.append(line)

    def _check_weights(self, epoch: int) -> None:
        bad = [name for name, value in self.named_parameters() if not torch.isfinite(value).all()]
        if bad:
            raise DivergedError(f"weights are not finite after epoch {epoch}: {bad[0]}")

    def _judge(self, epoch: int, value: float) -> None:
        ledger = self.ledger
        if self.recipe.monitored.better(value, ledger.best):
            ledger.best, ledger.best_epoch, ledger.waited = value, epoch, 0
            if self.recipe.keep_best:
                self.best_weights = {name: tensor.detach().clone() for name, tensor in self.state_dict().items()}
        else:
            ledger.waited += 1
        if self.recipe.patience is not None and ledger.waited >= self.recipe.patience:
            ledger.stopped = True

    def validate_all(self) -> Seen:
        """Predict all validation rows with the present weights."""
        return validate(
            self.recipe.validated,
            self.recipe.validation,
            self.recipe.monitored,
            self.recipe.batch_size,
            self.device,
            self.recipe.precision,
            self.team,
        )

    # Resume points

    def snapshot(self) -> dict[str, Any]:
        """Give everything that a restart needs, as plain data; only right between two optimizer steps."""
        self.settle_sums()
        scaler = self._scaler()
        return {
            "model": self.state_dict(),
            "best_weights": self.best_weights,
            "optimizer": {} if self.recipe.optimizer is None else self.recipe.optimizer.state_dict(),
            "scheduler": scheduler_state(self.recipe.scheduler),
            "scaler": scaler.state_dict() if scaler is not None else {},
            "ledger": self.ledger.to_json(),
        }

    def _scaler(self) -> Any:
        return getattr(self.trainer.precision_plugin, "scaler", None) if self._trainer is not None else None

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.load_state_dict(state["model"])
        self.best_weights = {name: value.to(self.device) for name, value in state["best_weights"].items()}
        if self.recipe.optimizer is not None:
            self.recipe.optimizer.load_state_dict(state["optimizer"])
        if self.recipe.scheduler is not None:
            self.recipe.scheduler.load_state_dict(state["scheduler"])
        scaler = self._scaler()
        if scaler is not None:
            scaler.load_state_dict(state["scaler"])
        self.ledger = Ledger(**state["ledger"])


def _explain(error: ValueError, samples: int) -> Exception:
    """Say what a user can do about batch normalisation of a single value, which has no variance."""
    if "more than 1 value per channel" not in str(error):
        return error
    message = f"a batch of {samples} leaves batch normalisation a single value per channel"
    hint = "take a batch_size that leaves no single sample over, larger images, or another normalisation"
    return TlimbError(Problem("batch-too-small", message, help=hint), ExitCode.USAGE)


def scheduler_state(scheduler: torch.optim.lr_scheduler.LRScheduler | None) -> dict[str, Any]:
    """Give a schedule's state without the functions that some schedules keep in it."""
    if scheduler is None:
        return {}
    return {key: value for key, value in scheduler.state_dict().items() if not _holds_code(value)}


def _holds_code(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_code(inner) for inner in value)
    return callable(value)


def samples_of(batches: Mapping[str, Batch]) -> int:
    """Give the samples of the first role's batch, those of all devices that share it."""
    first = next(iter(batches.values()))
    return len(first.rows) if first.part is None else first.part.samples


def norm_of(term: Tensor, parameters: Sequence[nn.Parameter], team: Team) -> float:
    """Give the norm of a term's gradient, without changing any gradient that is kept; 0 when it has none."""
    if not term.requires_grad or not parameters:
        return 0.0
    parts = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return norm(team.gradients(parts, parameters))


def norm(gradients: Iterable[Tensor | None]) -> float:
    """Give the norm of several gradients together, those that are None left out."""
    return math.sqrt(sum(float(one.double().square().sum()) for one in gradients if one is not None))


def plain_number(value: float) -> float | None:
    """Give a number for JSON; None when it is not finite."""
    return value if math.isfinite(value) else None


def seconds() -> float:
    """Give the time, seconds since the epoch; replaced in tests."""
    return time.time()
