"""Learning rates that differ by depth: the input side learns slowest, the heads fastest."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tlimb.components.contracts import Encoder, Network, Optimizer
from tlimb.problems import ExitCode, Problem, TlimbError

HEADS = "heads"


def graded(optimizer: Optimizer) -> bool:
    """Say whether an optimizer asks for rates that differ."""
    return optimizer.layer_decay != 1.0 or optimizer.head_rate != 1.0


def by_depth(optimizer: Optimizer, network: Network) -> list[dict[str, Any]]:
    """Give the parameter groups of encoder and heads, each with its own rate, input side first.

    The rates themselves differ: a factor beside an equal rate would be read by nobody. What is frozen is in its group
    too, since it may thaw.

    Returns:
        Groups of `params`, `lr` and `name`: the stages of the encoder, then `heads`.

    Raises:
        TlimbError: the optimizer has no `lr` to multiply (64).
    """
    lr = getattr(optimizer, "lr", None)
    if lr is None:
        message = f"{type(optimizer).__name__} has no attribute `lr`, so `layer_decay` and `head_rate` have no rate"
        raise TlimbError(Problem("bad-option", message), ExitCode.USAGE)
    stages = stages_of(network.encoder)
    groups = [
        {"params": parameters, "lr": lr * optimizer.layer_decay ** (len(stages) - depth), "name": stage}
        for depth, (stage, parameters) in enumerate(stages.items())
    ]
    heads = list(network.heads.parameters())  # type: ignore[attr-defined]
    return [*groups, {"params": heads, "lr": lr * optimizer.head_rate, "name": HEADS}]


def stages_of(encoder: Encoder) -> dict[str, list[nn.Parameter]]:
    """Give the parameters of each stage of an encoder, input side first.

    What stands in no stage belongs to the one registered before it, and what stands before all to the first.
    """
    found: dict[str, list[nn.Parameter]] = {stage: [] for stage in encoder.stages}
    stage = encoder.stages[0]
    for name, module in encoder.network.named_modules():
        stage = name if name in found else stage
        found[stage] += list(module.parameters(recurse=False))
    return found


def check_rates(
    optimizer: torch.optim.Optimizer, groups: Sequence[Mapping[str, Any]], culprit: str, setting: str
) -> None:
    """See that the groups of an optimizer have the rates that they were given, or a common multiple of them.

    Raises:
        TlimbError: they were made equal, as a schedule does that sets one highest rate for all (64).
    """
    rates = [float(found["lr"]) for found, _ in zip(optimizer.param_groups, groups, strict=True)]
    wanted = [float(group["lr"]) for group in groups if "lr" in group]
    given = [rate for rate, group in zip(rates, groups, strict=True) if "lr" in group]
    top, most = given[-1], wanted[-1]
    if all(abs(rate * most - want * top) <= 1e-9 * most * max(given) for rate, want in zip(given, wanted, strict=True)):
        return
    message = f"{culprit} makes the learning rates of all layers equal: `layer_decay` and `head_rate` would do nothing"
    raise TlimbError(Problem("bad-option", message, help=f"take another {setting}"), ExitCode.USAGE)


def rates_of(optimizer: torch.optim.Optimizer | None) -> tuple[list[float], dict[str, float]]:
    """Return the present rate of each parameter group, and by name those of stages and heads where they differ."""
    groups = [] if optimizer is None else optimizer.param_groups
    return [float(group["lr"]) for group in groups], {
        group["name"]: float(group["lr"]) for group in groups if "name" in group
    }
