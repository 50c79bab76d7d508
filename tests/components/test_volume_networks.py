"""Densely connected networks and transformers for volumes are those of the literature and of MONAI."""

import pytest
import torch

from tlimb.components.architectures.densenet121 import DenseNet121
from tlimb.components.contracts import Inputs
from tlimb.components.heads.linear import LinearHead
from tlimb.components.transfer import transfer


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def randomise(module):
    """Give every tensor values that a mistake in its use would show."""
    generator = torch.Generator().manual_seed(4)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif name.endswith(("running_mean", "bias", "bias_table", "cls_token", "embeddings")):
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
        elif "norm" in name and name.endswith("weight"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)


def close(actual, expected):
    assert expected.abs().max() > 0.1
    assert (expected - actual).abs().max() < 1e-5 * expected.abs().max().clamp(min=1)


def images(channels, *shape):
    return torch.randn(2, channels, *shape, generator=torch.Generator().manual_seed(0))


# -- densely connected --


def test_densenet121_gives_what_monai_gives_on_copied_weights():
    from monai.networks.nets import DenseNet121 as Theirs

    theirs = Theirs(3, 2, 3, init_features=8, growth_rate=4)
    randomise(theirs)
    ours = DenseNet121(Inputs(2, (45, 70, 33)), growth=4, filters=8)
    report = transfer(ours, theirs.state_dict())
    assert report.unexpected == ("class_layers.out.bias", "class_layers.out.weight")
    head = LinearHead(ours.feature_dim, 3)
    head.linear.load_state_dict(theirs.class_layers.out.state_dict())
    volumes = images(2, 45, 70, 33)
    with torch.no_grad():
        close(head.eval()(ours.eval()(volumes)), theirs.eval()(volumes))
        assert torch.allclose(head(ours.train()(volumes)), theirs.train()(volumes), atol=1e-4)


def test_densenet121_has_the_known_number_of_parameters():
    encoder = DenseNet121(Inputs(1, (40, 48, 40)))
    assert encoder.feature_dim == 1024
    assert size(encoder) + size(LinearHead(1024, 1)) == 11_243_649


@pytest.mark.parametrize("shape", [(20, 24, 20), (3, 5, 1)])
def test_densenet121_takes_images_that_are_too_small_for_five_halvings(shape):
    features = DenseNet121(Inputs(1, shape), growth=2, filters=4).eval()(images(1, *shape))
    assert features.shape[0] == 2
    assert torch.isfinite(features).all()


def test_dropout_of_densenet121_drops_whole_channels_in_training_only():
    encoder = DenseNet121(Inputs(1, (16, 16, 16)), growth=2, filters=4, dropout=0.5)
    volumes = images(1, 16, 16, 16)
    assert torch.equal(encoder.eval()(volumes), encoder(volumes))
    layer = encoder.network.features.denseblock1.denselayer1.train()
    added = layer(torch.randn(8, 4, 6, 6, 6))[:, 4:]
    dropped = added.flatten(2).eq(0)
    assert torch.equal(dropped.any(dim=2), dropped.all(dim=2))
    assert dropped.any()
    assert not dropped.all()


@pytest.mark.parametrize("make", [DenseNet121])
def test_a_network_for_volumes_refuses_slices(make):
    with pytest.raises(ValueError, match="volumes"):
        make(Inputs(1, (32, 32)))
