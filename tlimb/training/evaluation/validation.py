"""What is computed on the validation part after every epoch, from all its rows at once."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from tlimb.components.contracts import Batch, Metric, Network, Pretext
from tlimb.training.data.batches import Volumes, to_device
from tlimb.training.devices.distributed import Team
from tlimb.training.evaluation.inference import Predictions, arithmetic, forward_all, predictions, resting

Known = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


@frozen(eq=False)
class ValidationPart:
    """The validation rows of one role.

    Attributes:
        role: name of the role.
        volumes: their images.
        rows: how many.
        tensors: head -> targets and validity as the objectives read them.
        known: head -> targets and validity as metrics read them.
    """

    role: str
    volumes: Volumes
    rows: int
    tensors: Mapping[str, tuple[Tensor, Tensor]]
    known: Mapping[str, Known]


@frozen(eq=False)
class Monitored:
    """The value that decides which epoch is best.

    Attributes:
        metric: computes it from predictions; None for the validation loss.
        head: whose predictions.
        role: of which validation part; None for the first.
        min_delta: smallest change that counts as better.
    """

    metric: Metric | None
    head: str | None
    role: str | None
    min_delta: float = 0.0

    def better(self, value: float, best: float | None) -> bool:
        """Say whether a value beats the best one so far; NaN, which stands for undefined, never does."""
        if math.isnan(value) or best is None:
            return not math.isnan(value)
        sign = -1.0 if self.metric is None or self.metric.direction == "min" else 1.0
        return sign * (value - best) > self.min_delta


@frozen
class Seen:
    """One validation: the losses by role and head, the monitored value, and the predictions by role."""

    losses: Mapping[str, Mapping[str, float]]
    monitored: float
    predictions: Mapping[str, Predictions]


def validate(
    networks: Mapping[str, Network],
    parts: Mapping[str, ValidationPart],
    monitored: Monitored,
    batch_size: int,
    device: torch.device,
    precision: str,
    team: Team | None = None,
) -> Seen:
    """Predict every validation part, each by the network of its role, and compute the losses and the monitored value.

    A loss of a head of which no row has the label is NaN: undefined, not 0, which would look perfect.
    """
    losses: dict[str, dict[str, float]] = {}
    found: dict[str, Predictions] = {}
    for role, part in parts.items():
        network = networks[role]
        outputs = forward_all(network, part.volumes, part.rows, batch_size, device, precision, team)
        losses[role] = {
            head: _loss(network, part, head, outputs[head])
            if head in outputs
            else pretext_loss(network, part, head, batch_size, device, precision)
            for head in network.heads
            if network.roles.get(head) in (None, role)
        }
        found[role] = predictions(network, outputs)
    return Seen(losses, _value(next(iter(networks.values())), parts, monitored, losses, found), found)


def _loss(network: Network, part: ValidationPart, head: str, outputs: Tensor) -> float:
    targets, valid = part.tensors[head]
    return float(network.objectives[head].loss(outputs, targets, valid)) if bool(valid.any()) else math.nan


def unlabelled(network: Network, parts: Mapping[str, ValidationPart], monitored: Monitored) -> list[str]:
    """Name the heads that the monitored value is made of and of which no validation row has the label."""
    role = monitored.role if monitored.role is not None else next(iter(parts))
    heads = [head for head in network.heads if monitored.metric or network.roles.get(head) in (None, role)]
    watched = [monitored.head] if monitored.head is not None else heads if monitored.metric is None else heads[:1]
    return [
        head
        for head in watched
        if not isinstance(network.objectives[head], Pretext) and not parts[role].known[head][1].any()
    ]


def _value(
    network: Network,
    parts: Mapping[str, ValidationPart],
    monitored: Monitored,
    losses: Mapping[str, Mapping[str, float]],
    found: Mapping[str, Predictions],
) -> float:
    role = monitored.role if monitored.role is not None else next(iter(parts))
    if monitored.metric is None:
        heads = [monitored.head] if monitored.head else list(losses[role])
        return sum(network.weights[head] * losses[role][head] for head in heads)
    head = monitored.head if monitored.head is not None else next(iter(network.heads))
    values, valid = parts[role].known[head]
    if not valid.any():
        return math.nan
    return float(monitored.metric.compute(values[valid], found[role][head][valid]))


@torch.no_grad()
def pretext_loss(
    network: Network, part: ValidationPart, name: str, batch_size: int, device: torch.device, precision: str
) -> float:
    """Return the mean loss of what the images themselves teach; what is random in it is the same at every call."""
    objective = network.objectives[name]
    assert isinstance(objective, Pretext)
    targets, valid = part.tensors[name]
    total = 0.0
    with resting(network):
        for first in range(0, part.rows, batch_size):
            rows = torch.arange(first, min(first + batch_size, part.rows))
            pair = {name: targets[rows]}, {name: valid[rows]}
            batch = to_device(Batch(part.volumes.take(rows), rows, *pair, rows), device)
            with arithmetic(device, precision):
                loss, _ = objective.term(network.encoder, network.heads[name], batch, name)
            total += float(loss) * len(rows)
    return total / part.rows
