"""What one training is made of, and what it remembers."""

from collections.abc import Mapping
from typing import Any

import torch
from attrs import asdict, define, field, frozen
from torch import Tensor, nn

from tlimb.components.contracts import Auxiliary, DataModule, Learner, Network, Scenario, Weighting
from tlimb.training.data.batches import TrainLength
from tlimb.training.devices.distributed import Team
from tlimb.training.evaluation.validation import Monitored, ValidationPart
from tlimb.training.network.freezing import Freezer


@define(kw_only=True)
class TrainState:
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
        """Return plain data for a resume point."""
        return asdict(self)

    def metrics(self) -> dict[str, float]:
        """Return the numbers of the last epoch under the names by which callbacks ask for them; empty before it ended.

        `train_loss` is the sum of all terms and `train/<term>` each of them; `val/<role>/<head>` are the losses on the
        validation parts, `val_loss` their sum in the first role, and `monitor` is the value that decides.
        """
        if not self.history:
            return {}
        line = self.history[-1]
        found = {f"train/{name}": value for name, value in line["train"].items()}
        found["train_loss"] = sum(value for value in found.values() if value is not None)
        for role, losses in line.get("val", {}).items():
            found |= {f"val/{role}/{head}": value for head, value in losses.items()}
            found.setdefault("val_loss", sum(value for value in losses.values() if value is not None))
        found |= {"monitor": line["monitor"]} if "monitor" in line else {}
        return {name: float("nan") if value is None else float(value) for name, value in found.items()}


@frozen(eq=False, kw_only=True)
class TrainSetup:
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
        length: how many batches and steps.
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
        team: the processes that share each batch; None for one device.
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
    length: TrainLength
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
    team: Team | None = None

    @property
    def learners(self) -> list[Learner]:
        """Return everything that may own layers."""
        return [self.scenario, *([] if self.weighting is None else [self.weighting]), *self.auxiliaries.values()]

    @property
    def result(self) -> Network:
        """Return the network that is kept."""
        return self.scenario.result(self.network)

    @property
    def validated(self) -> dict[str, Network]:
        """Return the network that predicts each validation part, by role."""
        return {role: self.scenario.result(self.network, role) for role in self.validation}
