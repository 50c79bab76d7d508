"""Predictions for all rows of a view, in row order."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tlimb.components.contracts import Network, Pretext
from tlimb.training.data.batches import Volumes
from tlimb.training.devices.distributed import Team
from tlimb.training.devices.environment import PRECISION
from tlimb.training.network.networks import load_tensors, save_tensors

Predictions = dict[str, np.ndarray[Any, Any]]


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Give the context in which a forward pass runs in a precision."""
    return torch.autocast(device.type, PRECISION[precision], enabled=precision != "fp32")


@torch.no_grad()
def forward_all(
    network: Network,
    volumes: Volumes,
    rows: int,
    batch_size: int,
    device: torch.device,
    precision: str,
    team: Team | None = None,
) -> dict[str, Tensor]:
    """Give the outputs of every head for all rows, (rows, outputs) float32 on the CPU.

    The modules are in eval mode meanwhile and in their former mode afterwards. The processes of a team take turns
    with the batches, which are those of one process, and each gets all outputs.
    """
    heads = {name: head for name, head in network.heads.items() if not isinstance(network.objectives[name], Pretext)}
    parts: dict[str, list[tuple[int, Tensor]]] = {name: [] for name in heads}
    team = team or Team()
    if not heads:
        return {}
    with resting(network):
        starts = range(0, rows, batch_size)
        for first in starts[team.rank :: team.count] if team.together else starts:
            inputs = volumes.take(torch.arange(first, min(first + batch_size, rows))).to(device)
            with arithmetic(device, precision):
                features = network.encoder(inputs)
                for name, head in heads.items():
                    parts[name].append((first, head(features).float().cpu()))
    if not team.together:
        return {name: torch.cat([outputs for _, outputs in part]) for name, part in parts.items()}
    return {name: _gathered(part, rows, network.objectives[name].outputs, team) for name, part in parts.items()}


def _gathered(parts: Sequence[tuple[int, Tensor]], rows: int, outputs: int, team: Team) -> Tensor:
    """Give all rows to every process; each puts in what it has computed, and zeros elsewhere."""
    whole = torch.zeros(rows, outputs)
    for first, part in parts:
        whole[first : first + len(part)] = part
    return team.total(whole)


@contextmanager
def resting(network: Network) -> Iterator[None]:
    """Put encoder and heads into eval mode for a while, and back into the mode that each module had."""
    modules = [module for top in (network.encoder, *network.heads.values()) for module in top.modules()]
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def predictions(network: Network, outputs: Mapping[str, Tensor]) -> Predictions:
    """Give predictions in the targets' units from outputs: (n,) or (n, classes) float64."""
    return {
        name: network.objectives[name].predict(values.double()).detach().numpy().astype(np.float64)
        for name, values in outputs.items()
    }


def save_predictions(path: Path, found: Predictions, rows: int) -> None:
    """Write predictions and the positions they belong to; a head may not be called `rows`."""
    tensors = {name: torch.from_numpy(values) for name, values in found.items()}
    save_tensors(path, {**tensors, "rows": torch.arange(rows, dtype=torch.int64)})


def load_predictions(path: Path) -> Predictions:
    """Read predictions by head, in row order."""
    return {name: value.numpy() for name, value in load_tensors(path).items() if name != "rows"}
