"""What one training is made of, and what it remembers."""

from collections.abc import Mapping
from typing import Any

import torch
from attrs import asdict, define, field, frozen
from torch import Tensor, nn

from tlimb.components.contracts import Auxiliary, DataModule, Learner, Network, Scenario, Weighting
from tlimb.runner.batches import Course
from tlimb.runner.frozen import Freezer
from tlimb.runner.validation import Monitored, ValidationPart


@define
class Ledger:
    """Everything a run remembers besides weights, optimizer and schedule; it stands in every resume point.

    Attributes:
        index: batches done.
        sums: sum of each loss term over the samples of the running epoch.
        samples: samples of the running epoch.
        norms: norm of the encoder's gradient in the running epoch's first step, of the sum and of each added term.
        notes: numbers of the epoch's last batch that are no terms of the loss.
        history: one JSON object an epoch.
        best: best monitored value; None before the first.
        best_epoch: its epoch, counted from 1; 0 before the first.
        waited: epochs since then.
        stopped: training has ended early.
    """

    index: int = 0
    sums: dict[str, float] = field(factory=dict)
    samples: int = 0
    norms: dict[str, float] = field(factory=dict)
    notes: dict[str, Any] = field(factory=dict)
    history: list[dict[str, Any]] = field(factory=list)
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0
    stopped: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give plain data for a resume point."""
        return asdict(self)


@frozen(eq=False)
class Recipe:
    """What one training is made of.

    Attributes:
        network: encoder, heads, objectives.
        data: augments batches on the device.
        scenario: makes the loss terms of a step.
        weighting: brings the heads' terms together; None for their sum.
        auxiliaries: name -> term that is added.
        owned: layers that scenario, weighting and auxiliaries own, by their names.
        optimizer: over all parameters, frozen ones included; None where nothing is trained.
        scheduler: advanced after every optimizer step; None for a constant rate.
        freezer: says what rests.
        course: how many batches and steps.
        seed: of the run.
        batch_size: for validation.
        precision: fp32, bf16 or fp16.
        gradient_clip: largest norm of the gradient; None for no limit.
        validation: role -> validation part; empty for none.
        monitored: what decides which epoch is best.
        keep_best: the weights of the best epoch are kept, not those of the last.
        patience: epochs without improvement before stopping; None for never.
        transferred: the parent's tensors, for auxiliaries.
        kept: those of its heads that were kept, as `<head>.<name>`.
    """

    network: Network
    data: DataModule
    scenario: Scenario
    weighting: Weighting | None
    auxiliaries: Mapping[str, Auxiliary]
    owned: Mapping[str, nn.Module]
    optimizer: torch.optim.Optimizer | None
    scheduler: torch.optim.lr_scheduler.LRScheduler | None
    freezer: Freezer
    course: Course
    seed: int
    batch_size: int
    precision: str
    gradient_clip: float | None
    validation: Mapping[str, ValidationPart]
    monitored: Monitored
    keep_best: bool
    patience: int | None
    transferred: Mapping[str, Tensor]
    kept: Mapping[str, Tensor]

    @property
    def learners(self) -> list[Learner]:
        """Give everything that may own layers."""
        return [self.scenario, *([] if self.weighting is None else [self.weighting]), *self.auxiliaries.values()]

    @property
    def result(self) -> Network:
        """Give the network that is kept."""
        return self.scenario.result(self.network)

    @property
    def validated(self) -> dict[str, Network]:
        """Give the network that predicts each validation part, by role."""
        return {role: self.scenario.result(self.network, role) for role in self.validation}
