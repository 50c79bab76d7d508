"""What encoders and heads must do."""

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from tlimb.components import contracts


def _same_seed(make: Callable[[], nn.Module]) -> tuple[nn.Module, nn.Module]:
    """Make a module twice from one seed, checking that initial weights come from torch's generator alone."""
    made = []
    for _ in range(2):
        torch.manual_seed(7)
        made.append(make())
    first, second = (module.state_dict() for module in made)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first), "one seed gave two sets of weights"
    return made[0], made[1]


def _round_trip(module: nn.Module, make: Callable[[], nn.Module], inputs: Tensor) -> None:
    """Check that weights carry the function: saved and loaded elsewhere, outputs are equal to the bit."""
    other = make()
    other.load_state_dict(copy.deepcopy(module.state_dict()))
    with torch.no_grad():
        assert torch.equal(module.eval()(inputs), other.eval()(inputs)), "the state does not carry the function"


def check_encoder(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check shapes, gradients, stages and names of an encoder."""
    for count in cls.dims:
        for channels in (cls.fewest_channels, cls.fewest_channels + 1):
            inputs = contracts.Inputs(channels, (32,) * count)
            encoder, other = _same_seed(lambda inputs=inputs: make(inputs))  # type: ignore[misc]
            torch.manual_seed(3)
            batch = torch.randn(4, channels, *inputs.shape)
            kept = batch.clone()
            outputs = []
            for module in (encoder, other):
                torch.manual_seed(11)
                outputs.append(module.train()(batch))
            assert torch.equal(*outputs), "one seed gave two results"
            assert torch.equal(batch, kept), "forward changed its input"
            features = outputs[0]
            assert features.shape == (4, encoder.feature_dim), f"features are {tuple(features.shape)}, not as declared"
            assert features.dtype == torch.float32
            assert torch.isfinite(features).all()
            _check_gradients(encoder, features)
            _check_names(cast("contracts.Encoder", encoder))
            _round_trip(encoder, lambda inputs=inputs: make(inputs), batch)  # type: ignore[misc]
            with torch.no_grad():
                alone, together = encoder.eval()(batch[:1]), encoder(batch)[:1]
            assert torch.allclose(alone, together, atol=1e-4), "in eval, a sample's features depend on its batch"


def _check_gradients(encoder: nn.Module, features: Tensor) -> None:
    if not list(encoder.parameters()):
        return
    torch.autograd.backward(features.square().sum())
    silent = [name for name, parameter in encoder.named_parameters() if parameter.grad is None]
    assert not silent, f"no gradient reaches {silent[:3]}"


def _check_names(encoder: contracts.Encoder) -> None:
    inside = {id(parameter) for parameter in encoder.network.parameters()}
    assert all(id(parameter) in inside for parameter in encoder.parameters()), "a parameter stands outside `network`"
    modules = [name for name, _ in encoder.network.named_modules()]
    assert bool(encoder.stages) == bool(inside), "stages are named where there are weights, and only there"
    absent = [stage for stage in encoder.stages if stage not in modules]
    assert not absent, f"stages {absent} are no modules of `network`"
    places = [modules.index(stage) for stage in encoder.stages]
    assert places == sorted(places), "stages are not in order of registration"
    for stage in encoder.stages:
        assert any(True for _ in encoder.network.get_submodule(stage).parameters()), f"{stage} has no parameters"


def check_head(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check shapes and gradients of a head."""
    head, _ = _same_seed(lambda: make(6, 3))
    features = torch.randn(4, 6, requires_grad=True)
    outputs = head(features)
    assert outputs.shape == (4, 3)
    outputs.sum().backward()
    assert features.grad is not None, "no gradient reaches the encoder"
    assert all(parameter.grad is not None for parameter in head.parameters())
    _round_trip(head, lambda: make(6, 3), features)
