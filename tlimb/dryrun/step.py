"""One training step of a network on tensors without memory: does it fit, and what would it cost."""

import torch
from attrs import frozen
from torch import nn

from tlimb.components.contracts import Inputs, Network, Optimizer
from tlimb.dryrun.building import Bench
from tlimb.dryrun.findings import Memory
from tlimb.dryrun.losses import Step, added_to, batch_of, check_features, plain_loss, prepared, terms_of, weights_of
from tlimb.dryrun.tracing import Alive, Layers, bytes_of
from tlimb.problems import TlimbError
from tlimb.training.evaluation.inference import arithmetic
from tlimb.training.network.freezing import Freezer
from tlimb.training.network.instantiate import build


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
            try:
                return _step(bench, network, step, layers, device)
            except TlimbError:
                raise
            except Exception:
                if not step.fit.auxiliary:
                    raise
                # An auxiliary objective may need values on the way back only; the network is tried without any.
                layers.forget()
                for part in (network.encoder, *network.heads.values()):
                    part.zero_grad(set_to_none=True)
                return _step(bench, network, step, layers, device, computing=False)
    except TlimbError:
        raise
    except Exception as error:
        # Whatever a network raises here, it cannot be trained as it is.
        raise UnfitError(str(error), layers) from error


def _forward(network: Network, inputs: Inputs, layers: Layers) -> Rehearsal:
    alive = Alive()
    with torch.no_grad(), layers.followed(), alive:
        features = network.encoder(torch.zeros(1, inputs.channels, *inputs.shape))
        check_features(features, 1, network)
        for head in network.heads.values():
            head(features)
    return Rehearsal(layers, None, alive.multiply_adds, ())


def _step(
    bench: Bench, network: Network, step: Step, layers: Layers, device: str, *, computing: bool = True
) -> Rehearsal:
    """Do one step; `computing` says whether auxiliary objectives take part, or only keep what they keep."""
    trainer = step.fit.trainer
    size, roles = trainer.batch, tuple(step.fit.roles)
    parts = (network.encoder, *network.heads.values())
    helpers = prepared(bench, network, step, device)
    alive = Alive(layers)
    alive.leave_out([part.state_dict(keep_vars=True) for part in parts])
    with alive:
        with layers.followed(), arithmetic(torch.device("cpu"), trainer.precision):
            found = terms_of(network, helpers, step, device)
            if found is None:
                layers.forget()
                alive.multiply_adds = 0
                batches = {role: batch_of(network, step.inputs, size, device) for role in roles}
                total = plain_loss(network, batches)
            # What auxiliary objectives compute besides is no part of the network's own work.
            forward = alive.multiply_adds
            if found is not None:
                total = added_to(*found, helpers.auxiliaries if computing else ())
        del found
        if total.requires_grad:
            total.backward()
        del total
    parameters = [parameter for part in parts for parameter in part.parameters()]
    gradients = bytes_of([p.grad for p in parameters])
    kept = _kept(network, step) + helpers.held
    state, during = _optimizer(bench, step, parameters)
    for parameter in parameters:
        parameter.grad = None
    memory = None
    if state is not None:
        # A step has two peaks: within the passes, and in the optimizer, when activations are gone.
        activations = max(alive.peak - gradients, during, 0)
        memory = Memory(kept, gradients, state, activations)
    return Rehearsal(layers, memory, forward // (size * len(roles)), tuple(alive.calls))


def _kept(network: Network, step: Step) -> int:
    """Give the bytes of weights and of the copies that a run holds of them all the time."""
    weights = weights_of(network)
    copies = bytes_of(list(step.transferred.values()))
    return weights + copies + (weights if step.fit.trainer.keep == "best" else 0)


def _optimizer(bench: Bench, step: Step, parameters: list[nn.Parameter]) -> tuple[int | None, int]:
    """Give the bytes of an optimizer's state after a step, and of what it needs besides during the step."""
    alike = [nn.Parameter(torch.empty(p.shape, dtype=p.dtype, device="meta")) for p in parameters if p.grad is not None]
    if not alike or step.fit.optimizer is None:
        return 0, 0
    for parameter in alike:
        parameter.grad = torch.empty_like(parameter)
    try:
        optimizer = build(step.fit.optimizer, Optimizer, bench.places).build([{"params": alike}])
        alive = Alive()
        alive.leave_out([alike, [parameter.grad for parameter in alike]])
        with alive:
            optimizer.step()
    except Exception:  # noqa: BLE001
        # An optimizer may look at values; then nothing is known of its memory.
        return None, 0
    state = bytes_of(dict(optimizer.state))
    return state, max(0, alive.peak - state)
