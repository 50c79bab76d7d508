"""What computes the loss of one step, prepared as a run prepares it, and what it keeps in memory all the time."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from attrs import field, frozen
from torch import Tensor

from tlimb import manifest
from tlimb.components.contracts import Auxiliary, Batch, Component, Inputs, Network, Scenario, StepContext
from tlimb.dryrun.building import Bench, tried
from tlimb.dryrun.tracing import Alive, bytes_of
from tlimb.problems import TlimbError
from tlimb.training.network.instantiate import build

T = TypeVar("T", bound=Component)


@frozen
class Step:
    """What one step is made of, as the manifest has it.

    Attributes:
        fit: content of the manifest.
        inputs: what the encoder receives.
        transferred: the parent's tensors by name, without memory; empty without a parent.
        teachers: slot -> network without memory that an auxiliary objective reads.
    """

    fit: manifest.Fit
    inputs: Inputs
    transferred: Mapping[str, Tensor] = field(factory=dict)
    teachers: Mapping[str, Network] = field(factory=dict)


@frozen
class Parts:
    """What computes the loss of a step besides the network.

    Attributes:
        scenario: None where it cannot be made without values of tensors; the plain loss stands for it.
        auxiliaries: those that could be prepared.
        held: bytes of the layers and copies that they all keep from the first step to the last.
    """

    scenario: Scenario | None
    auxiliaries: Sequence[Auxiliary]
    held: int


def prepared(bench: Bench, network: Network, step: Step, device: str) -> Parts:
    """Make scenario and auxiliaries as a run does, their own layers and copies included, and weigh what they keep."""
    holding = Alive()
    holding.leave_out([part.state_dict(keep_vars=True) for part in (network.encoder, *network.heads.values())])
    holding.leave_out(list(step.transferred.values()))
    with torch.device(device), holding:
        made = [
            auxiliary
            for one in step.fit.auxiliary
            if (auxiliary := _made(one, Auxiliary, bench)) is not None and _begun(auxiliary, network, step)
        ]
        scenario = _made(step.fit.scenario, Scenario, bench)
        if scenario is not None and not _built(scenario, network, step):
            scenario = None
    taught = [teacher for slot, teacher in step.teachers.items() if any(slot in one.slots for one in made)]
    # Teachers are made before, and once for all that read them.
    held = holding.live + sum(weights_of(teacher) for teacher in taught)
    return Parts(scenario, made, held)


def _made(component: manifest.Component, base: type[T], bench: Bench) -> T | None:
    try:
        return build(component, base, bench.places)
    except TlimbError:
        return None  # whoever runs it is told


def _begun(auxiliary: Auxiliary, network: Network, step: Step) -> bool:
    """Prepare an auxiliary objective; False where it needs values of tensors for that."""
    for slot in auxiliary.slots:
        if slot in step.teachers:
            auxiliary.learn_from(slot, step.teachers[slot])
    return _built(auxiliary, network, step) and (
        tried(lambda: auxiliary.begin(network.encoder, dict(step.transferred)), False) is not False
    )


def _built(learner: Scenario | Auxiliary, network: Network, step: Step) -> bool:
    return tried(lambda: learner.build(network, step.inputs), False) is not False


def terms_of(network: Network, helpers: Parts, step: Step, device: str) -> tuple[list[Tensor], StepContext] | None:
    """Give the losses that the scenario makes, and the step; None where it needs values of tensors."""
    if helpers.scenario is None:
        return None
    size = step.fit.trainer.batch
    features_checked = _checked(network, size)
    scenario = helpers.scenario
    batches = {role: batch_of(network, step.inputs, size, device) for role in step.fit.roles}
    # Where it fails, the plain loss that follows tells whether it was the network.
    found = tried(lambda: scenario.terms(network, batches, 0, 0.0), None)
    features_checked.remove()
    # A scenario that takes no steps has no loss; what passes through the network is tried all the same.
    return (list(found[0].values()), found[1]) if found is not None and found[0] else None


def added_to(terms: Sequence[Tensor], context: StepContext, auxiliaries: Sequence[Auxiliary]) -> Tensor:
    """Give the sum of all losses.

    An auxiliary objective that needs values is left out: what it keeps is known, what it computes is not.
    """
    added = [tried(lambda one=one: one.loss(context), None) for one in auxiliaries]  # type: ignore[misc]
    return torch.stack([loss.float() for loss in (*terms, *added) if loss is not None]).sum()


def plain_loss(network: Network, batches: Mapping[str, Batch]) -> Tensor:
    """Give a number that depends on all outputs of all heads."""
    total: list[Tensor] = []
    for batch in batches.values():
        features = network.encoder(batch.inputs)
        check_features(features, len(batch.inputs), network)
        total += [head(features).float().sum() for head in network.heads.values()] or [features.float().sum()]
    return torch.stack(total).sum()


def _checked(network: Network, size: int) -> Any:
    return network.encoder.register_forward_hook(lambda _, __, features: check_features(features, size, network))


def check_features(features: Tensor, size: int, network: Network) -> None:
    """Refuse features that have not the promised width.

    Raises:
        ValueError: they have another shape than (size, feature_dim).
    """
    width = network.encoder.feature_dim
    if tuple(features.shape) != (size, width):
        shape = " x ".join(str(length) for length in features.shape)
        raise ValueError(f"it gives features of {shape} for {size} images, its feature_dim promises {size} x {width}")


def batch_of(network: Network, inputs: Inputs, size: int, device: str) -> Batch:
    """Make a batch of zeros, in which every sample has every label."""
    targets, valid = {}, {}
    for name, objective in network.objectives.items():
        kind = torch.int64 if objective.kind == "class" else torch.float32
        targets[name] = torch.zeros(size, dtype=kind, device=device)
        valid[name] = torch.ones(size, dtype=torch.bool, device=device)
    images = torch.zeros(size, inputs.channels, *inputs.shape, device=device)
    rows = torch.zeros(size, dtype=torch.int64, device=device)
    return Batch(images, rows, targets, valid, rows)


def weights_of(network: Network) -> int:
    """Give the bytes of the weights and buffers of encoder and heads."""
    return sum(bytes_of([*part.parameters(), *part.buffers()]) for part in (network.encoder, *network.heads.values()))
