"""Feature maps of networks of tokens: channels lie on the last axis, and nobody guesses where they lie."""

import importlib
import math

import pytest
import torch
from test_staying_near import Layers, batch_of, begun, context_of, network_of
from torch import nn

from tlimb.components import contracts
from tlimb.components.auxiliaries.delta import Delta
from tlimb.components.contracts import Inputs, NetworkUnfitError


def some_encoder(name, shape):
    module = importlib.import_module(f"tlimb.components.architectures.{name.split()[0]}")
    cls = next(
        one
        for one in vars(module).values()
        if isinstance(one, type) and one.__module__ == module.__name__ and issubclass(one, contracts.Encoder)
    )
    options = {"model": name.split()[1]} if " " in name else cls.example
    torch.manual_seed(0)
    return cls(Inputs(6 if len(shape) == 1 else 1, shape), **options)


TOKENS = {
    "vit3d": (16, 8, 8),
    "swin3d": (12, 16, 20),
    "transformer1d": (32,),
    "timm vit_tiny_patch16_224": (48, 64),
    "timm swin_tiny_patch4_window7_224": (224, 224),
}
MAPS = {
    "resnet3d": (40, 24, 24),
    "sfcn": (32, 32, 40),
    "resnet1d": (64,),
    "tcn": (20,),
    "timm resnet10t": (64, 96),
    "timm convnext_atto": (64, 96),
}


def outputs_of(encoder, shape):
    """Give what each compared layer gives, seen by hooks of the test's own."""
    found = {}
    for name in encoder.stages:
        layer = encoder.network.get_submodule(name)
        layer = layer[-1] if isinstance(layer, nn.ModuleList) else layer
        layer.register_forward_hook(lambda _, __, output, name=name: found.__setitem__(name, output))
    encoder.eval()
    with torch.no_grad():
        encoder(torch.randn(2, 6 if len(shape) == 1 else 1, *shape))
    return found


@pytest.mark.parametrize(("name", "axis"), [*[(n, -1) for n in TOKENS], *[(n, 1) for n in MAPS]])
def test_the_channels_of_a_layer_are_as_many_as_in_its_last_weights(name, axis):
    shape = {**TOKENS, **MAPS}[name]
    encoder = some_encoder(name, shape)
    assert encoder.channel_axis() == axis
    for stage, output in outputs_of(encoder, shape).items():
        # A stage ends with a vector of one entry a channel, its bias or gain, or with a matrix that gives so many.
        widths = {n for p in encoder.network.get_submodule(stage).parameters() for n in p.shape[:1]}
        assert output.shape[axis] in widths, stage
    delta = Delta(attention="equal")
    delta.build(network_of(encoder), Inputs(6 if len(shape) == 1 else 1, shape))
    assert len(delta._parent.channels) == len(encoder.stages)
    assert list(delta._parent.channels.values())[-1] == encoder.feature_dim or name.startswith(("resnet1d", "timm"))


def test_the_attention_of_tokens_is_by_channel_and_not_by_token():
    torch.manual_seed(6)
    encoder = some_encoder("vit3d", (16, 8, 8))
    network = network_of(encoder)
    batch = batch_of(torch.randn(4, 1, 16, 8, 8), torch.randn(4))
    delta = begun(Delta(samples=4, layers=("blocks.1", "norm")), network, batch.inputs)
    delta.loss(context_of(network, batch))
    attention = delta._parent.attention()["norm"]
    with torch.no_grad():
        encoder.eval()
        features = encoder(batch.inputs)  # the class token of `norm`, so a channel is a column

        def loss(given):
            return (network.heads["y"](given)[:, 0] - batch.targets["y"]).square().mean()

        rises = torch.stack([loss(features * (torch.arange(24) != channel)) - loss(features) for channel in range(24)])
    standard = (rises - rises.mean()) / rises.std(correction=0)
    assert torch.allclose(attention, 24 * (standard / 5).softmax(0), rtol=1e-3)


def test_a_shift_of_a_channel_of_tokens_costs_its_square():
    network = network_of(some_encoder("vit3d", (16, 8, 8)))
    inputs, shift = torch.randn(3, 1, 16, 8, 8), torch.linspace(-1, 2, 24)
    delta = begun(Delta(weight=0.6, attention="equal", layers=("norm",)), network, inputs)
    with torch.no_grad():
        network.encoder.network.norm.bias.add_(shift)
    loss = delta.loss(context_of(network, batch_of(inputs, torch.zeros(3))))
    assert math.isclose(loss.item(), 0.3 * shift.square().sum().item(), rel_tol=1e-4)


class Untold(Layers):
    """An encoder that does not say which axis its channels are on."""

    def channel_axis(self):
        return contracts.Encoder.channel_axis(self)


def test_an_encoder_that_does_not_say_its_channels_is_refused_for_maps_and_taken_for_vectors():
    unknown = network_of(Untold(3, layer=nn.Sequential(nn.Conv1d(1, 3, 3))))
    with pytest.raises(NetworkUnfitError, match=r"which axis of \(1, 3, 6\), given by 'layer', holds channels"):
        Delta().build(unknown, Inputs(1, (8,)))
    Delta().build(network_of(Untold(3, layer=nn.Linear(4, 3))), Inputs(4, ()))
    Delta().build(network_of(Untold(3, layer=nn.Conv1d(1, 3, 3))), Inputs(1, (8,)))
