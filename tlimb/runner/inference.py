"""Predictions for all rows of a view, in row order."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tlimb.components.contracts import Network
from tlimb.runner.environment import PRECISION
from tlimb.runner.networks import load_tensors, save_tensors
from tlimb.runner.volumes import Volumes

Predictions = dict[str, np.ndarray[Any, Any]]


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Give the context in which a forward pass runs in a precision."""
    return torch.autocast(device.type, PRECISION[precision], enabled=precision != "fp32")


@torch.no_grad()
def forward_all(
    network: Network, volumes: Volumes, rows: int, batch_size: int, device: torch.device, precision: str
) -> dict[str, Tensor]:
    """Give the outputs of every head for all rows, (rows, outputs) float32 on the CPU.

    The modules are in eval mode meanwhile and in their former mode afterwards.
    """
    modules = [module for top in (network.encoder, *network.heads.values()) for module in top.modules()]
    modes = [module.training for module in modules]
    parts: dict[str, list[Tensor]] = {name: [] for name in network.heads}
    _set_modes(modules, [False] * len(modules))
    try:
        for first in range(0, rows, batch_size):
            inputs = volumes.take(torch.arange(first, min(first + batch_size, rows))).to(device)
            with arithmetic(device, precision):
                features = network.encoder(inputs)
                for name, head in network.heads.items():
                    parts[name].append(head(features).float().cpu())
    finally:
        _set_modes(modules, modes)
    return {name: torch.cat(part) for name, part in parts.items()}


def _set_modes(modules: list[nn.Module], modes: list[bool]) -> None:
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
