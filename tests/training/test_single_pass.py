"""On a processor Adam updates every parameter in a single pass over memory, to the same values."""

import copy

import pytest
import torch
from torch import nn

from tlimb.components.contracts import Network, Optimizer
from tlimb.components.optimizers.adamw import AdamW
from tlimb.components.optimizers.sgd import SGD
from tlimb.training.network.learners import build_optimizer

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SETTINGS = {"lr": 0.01, "weight_decay": 0.1}


class Own(Optimizer):
    """A laboratory's own, which does as torch does by itself."""

    def build(self, groups):
        return torch.optim.AdamW(groups, **SETTINGS)


@pytest.fixture
def net():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(37, 53), nn.ReLU(), nn.Linear(53, 3))
    return Network(encoder, nn.ModuleDict({"a": nn.Linear(3, 2)}), {}, {"a": 1.0})


def train(net, optimizer, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        outputs = net.heads["a"](net.encoder(torch.randn(16, 37, generator=generator)))
        outputs.square().mean().backward()
        optimizer.step()
    return torch.cat([one.detach().flatten() for one in (*net.encoder.parameters(), *net.heads.parameters())])


def fused(optimizer):
    return [group["fused"] for group in optimizer.param_groups]


def test_only_adam_on_a_processor_steps_in_a_single_pass(net):
    assert fused(build_optimizer(AdamW(**SETTINGS), net, {}, {}, CPU)) == [True]
    assert fused(build_optimizer(AdamW(**SETTINGS), net, {}, {}, GPU)) == [None]
    assert fused(build_optimizer(SGD(lr=0.01), net, {}, {}, CPU)) == [None]
    assert fused(build_optimizer(Own(), net, {}, {}, CPU)) == [None]


def test_a_single_pass_is_torchs_adam_up_to_rounding(net):
    other = copy.deepcopy(net)
    ours = train(net, build_optimizer(AdamW(**SETTINGS), net, {}, {}, CPU), 100, 1)
    theirs = train(other, build_optimizer(Own(), other, {}, {}, CPU), 100, 1)
    assert (ours - theirs).abs().max() < 1e-5
    assert ours.abs().max() > 0.1


def test_a_single_pass_goes_on_from_its_state_to_the_bit(net):
    optimizer = build_optimizer(AdamW(**SETTINGS), net, {}, {}, CPU)
    train(net, optimizer, 10, 1)
    other, state = copy.deepcopy(net), copy.deepcopy(optimizer.state_dict())
    resumed = build_optimizer(AdamW(**SETTINGS), other, {}, {}, CPU)
    resumed.load_state_dict(state)
    assert torch.equal(train(net, optimizer, 10, 2), train(other, resumed, 10, 2))
