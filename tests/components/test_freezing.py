"""Freezing is exclusive and in order of registration, buffers included."""

import pytest
import torch

from tlimb.components.architectures.timm import Timm
from tlimb.components.contracts import Inputs
from tlimb.components.freezing import frozen_modules, frozen_names
from tlimb.components.heads.linear import LinearHead
from tlimb.problems import TlimbError


@pytest.fixture(scope="module")
def encoder():
    return Timm(Inputs(1, (32, 32)), model="resnet18")


@pytest.mark.parametrize(
    ("up_to", "expected"),
    [
        (None, 11_171_266),
        ("layer3.1.conv1", 9_575_426),
        ("layer4.0.conv1", 8_394_754),
        ("layer4.1.conv1", 4_721_666),
        ("all", 1_026),
    ],
)
def test_the_trainable_parameters_are_those_of_the_papers_fourth_table(encoder, up_to, expected):
    frozen = frozen_names(encoder.network, up_to)
    trained = sum(p.numel() for name, p in encoder.network.named_parameters() if name not in frozen)
    assert trained + sum(p.numel() for p in LinearHead(512, 2).parameters()) == expected


def test_running_statistics_are_frozen_with_their_layer(encoder):
    frozen = frozen_names(encoder.network, "layer4.0.conv1")
    assert "layer3.1.bn2.running_mean" in frozen
    assert "layer4.0.bn1.running_mean" not in frozen
    assert "layer4.0.conv1.weight" not in frozen


def test_frozen_modules_in_evaluation_mode_keep_every_buffer(encoder):
    network = Timm(Inputs(1, (32, 32)), model="resnet18").network
    frozen = frozen_names(network, "layer4.0.conv1")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    for module in frozen_modules(network, frozen):
        module.eval()
    network(torch.randn(4, 1, 32, 32))
    after = network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved, "no statistics moved at all, so this shows nothing"
    assert not moved & frozen
    assert all(name.startswith("layer4") for name in moved)


@pytest.mark.parametrize(
    ("up_to", "message", "hint"),
    [
        ("layer5", "no layer `layer5`", "did you mean `layer"),
        ("bn2", "not unique", "full name"),
        ("head.linear", "in the head", "`all`"),
        ("fc", "nothing of it would be trained", "`all`"),
        ("layer4.0.conv9", "no layer", "did you mean `layer4.0.conv"),
    ],
)
def test_a_layer_that_cannot_be_meant_is_refused_with_a_hint(encoder, up_to, message, hint):
    with pytest.raises(TlimbError) as caught:
        frozen_names(encoder.network, up_to, "/stages/probe/freeze/up_to")
    problem = caught.value.problems[0]
    assert problem.code == "freeze-layer"
    assert problem.pointer == "/stages/probe/freeze/up_to"
    assert message in problem.message
    assert hint in problem.help[0]
