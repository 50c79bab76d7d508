"""The parts of a run that may own layers, and the optimizer and schedule over all that is trained."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from tlimb.components.contracts import (
    Auxiliary,
    Inputs,
    Learner,
    Network,
    NetworkUnfitError,
    Objective,
    Optimizer,
    Sampler,
    Scenario,
    Scheduler,
    Weighting,
)
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.training.data.views import Row
from tlimb.training.network.layer_rates import by_depth, check_rates, graded
from tlimb.training.seeds import seed_initialisation


def groups_of(rows: Sequence[Row], sampler: Sampler | None) -> Tensor | None:
    """Number the groups that a sampler draws from: (rows,) int64, -1 where a row's group is unknown."""
    if sampler is None:
        return None
    values = [row.dataset if sampler.by == "dataset" else row.labels.get(sampler.by) for row in rows]
    known = sorted({str(value) for value in values if value is not None})
    return torch.tensor([-1 if value is None else known.index(str(value)) for value in values], dtype=torch.int64)


def by_duty(
    scenario: Scenario, weighting: Weighting | None, auxiliaries: Mapping[str, Auxiliary]
) -> dict[str, Learner]:
    """Name what may own layers by what it does: a component's file and a role of it may have equal names."""
    found: dict[str, Learner] = {"scenario": scenario, **({} if weighting is None else {"weighting": weighting})}
    return found | {f"auxiliary_{name}": auxiliary for name, auxiliary in auxiliaries.items()}


def refuse_indivisible(parts: Mapping[str, Learner | Objective]) -> None:
    """Refuse what several devices cannot each compute a part of.

    Raises:
        TlimbError: one needs the whole batch (64).
    """
    for name, part in parts.items():
        if not part.divisible:
            message = f"{name} ({type(part).__name__}) needs whole batches, which several devices do not have"
            raise TlimbError(Problem("several-devices", message, help="write `devices: 1`"), ExitCode.USAGE)


def own_layers(learners: Mapping[str, Learner], network: Network, inputs: Inputs, seed: int) -> dict[str, nn.Module]:
    """Let each make its own layers, from initial weights that depend on the seed and on its name only.

    Raises:
        TlimbError: one cannot work with this network (64).
    """
    made = {}
    for name, learner in learners.items():
        seed_initialisation(seed, "own", name)
        try:
            module = learner.build(network, inputs)
        except NetworkUnfitError as error:
            raise TlimbError(Problem("bad-option", str(error)), ExitCode.USAGE) from error
        if module is not None:
            made[name] = module
    return made


def build_optimizer(
    optimizer: Optimizer,
    network: Network,
    learners: Mapping[str, Learner],
    owned: Mapping[str, nn.Module],
    device: torch.device,
) -> torch.optim.Optimizer:
    """Make the optimizer over encoder, heads and own layers; what is frozen now may thaw, so it is in it too."""
    parameters = [*network.encoder.parameters(), *network.heads.parameters()]  # type: ignore[attr-defined]
    groups: list[dict[str, Any]] = by_depth(optimizer, network) if graded(optimizer) else [{"params": parameters}]
    known = {id(parameter) for parameter in parameters}
    for name, module in owned.items():
        # A copy of the encoder may share its parameters.
        trained = [one for one in module.parameters() if one.requires_grad and id(one) not in known]
        if not trained:
            continue
        group: dict[str, Any] = {"params": trained}
        learner, lr = learners[name], getattr(optimizer, "lr", None)
        if learner.rate != 1.0 and lr is not None:
            group["lr"] = learner.rate * lr
        if learner.weight_decay is not None:
            group["weight_decay"] = learner.weight_decay
        groups.append(group)
    made = optimizer.build(groups)
    if graded(optimizer):
        check_rates(made, groups, type(optimizer).__name__, "optimizer")
    if optimizer.fuses and device.type == "cpu":
        # torch's own choice is a pass for each of its operations. On a GPU such a step would unscale the gradients of
        # fp16 too, so that they could not be clipped before.
        for group in made.param_groups:
            group["fused"] = True
    return made


def build_schedule(scheduler: Scheduler, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    """Make the schedule of a run of so many optimizer steps; it must keep how the rates of layers differ."""
    before = [{"lr": group["lr"]} for group in optimizer.param_groups]
    made = scheduler.build(optimizer, steps)
    if any("name" in group for group in optimizer.param_groups):
        check_rates(optimizer, before, type(scheduler).__name__, "scheduler")
    return made
