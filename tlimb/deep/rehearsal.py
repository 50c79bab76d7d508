"""One training step of a network on tensors without memory: does it fit, and what would it cost."""

from collections.abc import Mapping
from typing import Any

import torch
from attrs import field, frozen
from torch import Tensor, nn

from tlimb.components.contracts import Auxiliary, Batch, Inputs, Network, Optimizer, Scenario
from tlimb.deep.building import Bench
from tlimb.deep.findings import Memory
from tlimb.deep.tracing import Alive, Layers, bytes_of
from tlimb.problems import TlimbError
from tlimb.runner.code import build
from tlimb.runner.frozen import Freezer
from tlimb.runner.inference import arithmetic


class UnfitError(Exception):
    """A network cannot compute what it is given.

    Attributes:
        layers: how far it came.
    """

    def __init__(self, message: str, layers: Layers) -> None:
        """Keep what was said and how far the network came."""
        self.layers = layers
        super().__init__(message)


@frozen
class Step:
    """What one step is made of, as the manifest has it.

    Attributes:
        hashed: content of the manifest.
        inputs: what the encoder receives.
        transferred: the parent's tensors by name, without memory; empty without a parent.
    """

    hashed: Mapping[str, Any]
    inputs: Inputs
    transferred: Mapping[str, Tensor] = field(factory=dict)


@frozen
class Rehearsal:
    """What a step showed.

    Attributes:
        layers: what became of the image's size.
        memory: None where the way of computing cannot tell.
        multiply_adds: of one sample's forward pass; None when unknown.
        calls: operations of the forward and the backward pass with their layers; empty without a backward pass.
    """

    layers: Layers
    memory: Memory | None
    multiply_adds: int | None
    calls: tuple[tuple[str, str], ...]


def rehearse(bench: Bench, network: Network, freezer: Freezer, step: Step, method: str) -> Rehearsal:
    """Do one training step, on the processor only the forward pass of one sample.

    Raises:
        UnfitError: the network cannot do it.
    """
    layers = Layers(network.encoder.network)
    freezer.apply(0)
    for part in (network.encoder, *network.heads.values()):
        part.train(method != "cpu")
        part.zero_grad(set_to_none=True)
    freezer.rest(0)
    try:
        with bench.way(method) as device:
            if method == "cpu":
                return _forward(network, step.inputs, layers)
            return _step(bench, network, step, layers, device)
    except TlimbError:
        raise
    except Exception as error:
        # Whatever a network raises here, it cannot be trained as it is.
        raise UnfitError(str(error), layers) from error


def _forward(network: Network, inputs: Inputs, layers: Layers) -> Rehearsal:
    alive = Alive()
    with torch.no_grad(), layers.followed(), alive:
        features = network.encoder(torch.zeros(1, inputs.channels, *inputs.shape))
        _check(features, 1, network)
        for head in network.heads.values():
            head(features)
    return Rehearsal(layers, None, alive.multiply_adds, ())


def _step(bench: Bench, network: Network, step: Step, layers: Layers, device: str) -> Rehearsal:
    trainer = step.hashed["trainer"]
    size, roles = int(trainer["batch_size"]), tuple(step.hashed["views"])
    parts = (network.encoder, *network.heads.values())
    alive = Alive(layers)
    alive.leave_out([part.state_dict(keep_vars=True) for part in parts])
    with alive:
        with layers.followed(), arithmetic(torch.device("cpu"), str(trainer.get("precision", "fp32"))):
            total = _whole_loss(bench, network, step, device)
            if total is None:
                layers.forget()
                alive.multiply_adds = 0
                batches = {role: _batch(network, step.inputs, size, device) for role in roles}
                total = _plain_loss(network, batches)
        forward = alive.multiply_adds
        if total.requires_grad:
            total.backward()
        del total
    parameters = [parameter for part in parts for parameter in part.parameters()]
    gradients = bytes_of([p.grad for p in parameters])
    kept = _kept(network, step)
    state, during = _optimizer(bench, step, parameters)
    for parameter in parameters:
        parameter.grad = None
    memory = None
    if state is not None:
        # A step has two peaks: within the passes, and in the optimizer, when activations are gone.
        activations = max(alive.peak - gradients, during, 0)
        memory = Memory(kept, gradients, state, activations)
    return Rehearsal(layers, memory, forward // (size * len(roles)), tuple(alive.calls))


def _whole_loss(bench: Bench, network: Network, step: Step, device: str) -> Tensor | None:
    """Give the loss as the scenario and the auxiliaries make it; None where they need values of tensors."""
    size = int(step.hashed["trainer"]["batch_size"])
    features_checked = _checked(network, size)
    try:
        scenario = build(step.hashed["scenario"], Scenario, bench.places)
        auxiliaries = [build(one, Auxiliary, bench.places) for one in step.hashed.get("auxiliary") or ()]
        batches = {role: _batch(network, step.inputs, size, device) for role in step.hashed["views"]}
        for auxiliary in auxiliaries:
            auxiliary.begin(network.encoder, dict(step.transferred))
        terms, context = scenario.terms(network, batches, 0, 0.0)
        losses = [*terms.values(), *(auxiliary.loss(context) for auxiliary in auxiliaries)]
        return torch.stack([loss.float() for loss in losses]).sum()
    except Exception:  # noqa: BLE001
        # The plain loss that follows tells whether it was the network.
        return None
    finally:
        features_checked.remove()


def _plain_loss(network: Network, batches: Mapping[str, Batch]) -> Tensor:
    """Give a number that depends on all outputs of all heads."""
    total: list[Tensor] = []
    for batch in batches.values():
        features = network.encoder(batch.inputs)
        _check(features, len(batch.inputs), network)
        total += [head(features).float().sum() for head in network.heads.values()] or [features.float().sum()]
    return torch.stack(total).sum()


def _checked(network: Network, size: int) -> Any:
    return network.encoder.register_forward_hook(lambda _, __, features: _check(features, size, network))


def _check(features: Tensor, size: int, network: Network) -> None:
    width = network.encoder.feature_dim
    if tuple(features.shape) != (size, width):
        shape = " x ".join(str(length) for length in features.shape)
        raise ValueError(f"it gives features of {shape} for {size} images, its feature_dim promises {size} x {width}")


def _batch(network: Network, inputs: Inputs, size: int, device: str) -> Batch:
    targets, valid = {}, {}
    for name, objective in network.objectives.items():
        kind = torch.int64 if objective.kind == "class" else torch.float32
        targets[name] = torch.zeros(size, dtype=kind, device=device)
        valid[name] = torch.ones(size, dtype=torch.bool, device=device)
    images = torch.zeros(size, inputs.channels, *inputs.shape, device=device)
    rows = torch.zeros(size, dtype=torch.int64, device=device)
    return Batch(images, rows, targets, valid, rows)


def _kept(network: Network, step: Step) -> int:
    """Give the bytes of weights and of the copies that a run holds of them all the time."""
    weights = sum(
        bytes_of([*part.parameters(), *part.buffers()]) for part in (network.encoder, *network.heads.values())
    )
    copies = bytes_of(list(step.transferred.values()))
    return weights + copies + (weights if step.hashed["trainer"].get("keep") == "best" else 0)


def _optimizer(bench: Bench, step: Step, parameters: list[nn.Parameter]) -> tuple[int | None, int]:
    """Give the bytes of an optimizer's state after a step, and of what it needs besides during the step."""
    alike = [nn.Parameter(torch.empty(p.shape, dtype=p.dtype, device="meta")) for p in parameters if p.grad is not None]
    if not alike or step.hashed["optimizer"] is None:
        return 0, 0
    for parameter in alike:
        parameter.grad = torch.empty_like(parameter)
    try:
        optimizer = build(step.hashed["optimizer"], Optimizer, bench.places).build([{"params": alike}])
        alive = Alive()
        alive.leave_out([alike, [parameter.grad for parameter in alike]])
        with alive:
            optimizer.step()
    except Exception:  # noqa: BLE001
        # An optimizer may look at values; then nothing is known of its memory.
        return None, 0
    state = bytes_of(dict(optimizer.state))
    return state, max(0, alive.peak - state)
