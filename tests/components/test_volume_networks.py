"""Densely connected networks and transformers for volumes are those of the literature and of MONAI."""

import pytest
import torch

from tlimb.components.architectures.densenet121 import DenseNet121
from tlimb.components.architectures.swin3d import Swin3D
from tlimb.components.architectures.vit3d import ViT3D
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


# -- vision transformer --


def monai_vit(shape, patch, width, depth, heads, *, token, bias):
    from monai.networks.nets import ViT

    return ViT(
        2, shape, patch, hidden_size=width, mlp_dim=2 * width, num_layers=depth, num_heads=heads, qkv_bias=bias,
        classification=token, num_classes=3, post_activation=None,
    )  # fmt: skip


@pytest.mark.parametrize(("token", "bias"), [(True, False), (False, True)])
def test_vit3d_gives_what_monai_gives_on_copied_weights(token, bias):
    shape = (24, 16, 32)
    theirs = monai_vit(shape, 8, 36, 3, 4, token=token, bias=bias)
    randomise(theirs)
    ours = ViT3D(
        Inputs(2, shape), patch_size=8, width=36, depth=3, heads=4, hidden=72, class_token=token, qkv_bias=bias
    )
    own = [name for name in theirs.state_dict() if "cross_attn" not in name and "classification" not in name]
    assert list(ours.network.state_dict()) == own
    report = transfer(ours, theirs.state_dict())
    assert not report.missing
    assert all("norm_cross_attn" in name or "classification_head" in name for name in report.unexpected)
    volumes = images(2, *shape)
    with torch.no_grad():
        expected = theirs.eval()(volumes)[0]
        actual = ours.eval()(volumes)
        if token:
            head = LinearHead(36, 3)
            head.linear.load_state_dict(theirs.classification_head.state_dict())
            actual = head.eval()(actual)
        close(actual, expected if token else expected.mean(dim=1))


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [((96, 96, 96), {}, 88_361_474), ((64, 64, 64), {"width": 192, "heads": 3}, 6_135_938)],
)
def test_vit3d_has_the_known_number_of_parameters(shape, options, expected):
    with torch.device("meta"):
        encoder = ViT3D(Inputs(1, shape), **options)
        head = LinearHead(encoder.feature_dim, 2)
    # MONAI's count has a layer normalisation in each block that nothing uses.
    unused = 12 * 2 * encoder.feature_dim
    assert size(encoder) + size(head) + unused == expected


def test_vit3d_refuses_a_size_that_patches_do_not_cover_and_names_two_that_they_do():
    with pytest.raises(ValueError, match="crop or pad to 32 x 48 x 32 or 48 x 64 x 48"):
        ViT3D(Inputs(1, (40, 48, 40)))
    with pytest.raises(ValueError, match="write width 760 or 768"):
        ViT3D(Inputs(1, (32, 32, 32)), width=766, heads=8)


def test_attention_drops_weights_by_the_mode_of_its_own_layer():
    encoder = ViT3D(Inputs(1, (16, 16, 16)), patch_size=8, width=12, depth=1, heads=3, dropout=0.5)
    volumes = images(1, 16, 16, 16)
    assert torch.equal(encoder.eval()(volumes), encoder(volumes))
    attention = encoder.train().network.blocks[0].attn
    attention.drop_output.eval()
    tokens = torch.randn(1, 8, 12)
    assert not torch.equal(attention(tokens), attention(tokens))
    attention.drop_weights.eval()
    assert torch.equal(attention(tokens), attention(tokens))


# -- shifted windows --


def monai_swin(merging="merging"):
    from monai.networks.nets import SwinUNETR

    return SwinUNETR(2, 3, feature_size=12, depths=(2, 2, 1, 1), window_size=4, downsample=merging).swinViT


def features_of(theirs, volumes):
    return theirs(volumes)[4].mean(dim=(2, 3, 4))


SMALL = {"feature_size": 12, "depths": (2, 2, 1, 1), "window": 4}


@pytest.mark.parametrize(
    ("shape", "merging", "theirs"),
    [
        ((32, 32, 32), "each", "merging"),
        ((25, 46, 7), "each", "merging"),
        ((30, 18, 40), "ordered", "mergingv2"),
    ],
)
def test_swin3d_gives_what_monai_gives_on_copied_weights(shape, merging, theirs):
    theirs = monai_swin(theirs)
    randomise(theirs)
    ours = Swin3D(Inputs(2, shape), merging=merging, **SMALL)
    assert list(ours.network.state_dict()) == list(theirs.state_dict())
    report = transfer(ours, theirs.state_dict())
    assert (report.missing, report.unexpected) == ((), ())
    volumes = images(2, *shape)
    with torch.no_grad():
        close(ours.eval()(volumes), features_of(theirs.eval(), volumes))


def test_repeated_merging_takes_two_of_eight_tokens_twice_as_monai_did_before_1_5():
    merge = Swin3D(Inputs(1, (16, 16, 16)), merging="repeated", **SMALL).network.layers1[0].downsample
    places = torch.arange(8.0).reshape(1, 2, 2, 2, 1)
    taken = []
    merge.norm.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0].flatten()))
    merge.norm.forward = lambda tokens: tokens.repeat(1, 1, 1, 1, 12)
    merge(places)
    assert taken[0].tolist() == [0, 4, 2, 1, 5, 2, 1, 7]


def test_swin3d_has_the_known_number_of_parameters():
    with torch.device("meta"):
        encoder = Swin3D(Inputs(1, (96, 96, 96)))
    assert (size(encoder), encoder.feature_dim) == (8_062_002, 768)


@pytest.mark.parametrize("shape", [(40, 48, 40), (9, 3, 1)])
def test_swin3d_takes_every_size(shape):
    features = Swin3D(Inputs(1, shape), **SMALL).eval()(images(1, *shape))
    assert features.shape == (2, 192)
    assert torch.isfinite(features).all()


def test_a_skipped_block_gives_back_what_it_got_in_training_only():
    encoder = Swin3D(Inputs(1, (16, 16, 16)), drop_path=1.0, **SMALL)
    block = encoder.network.layers4[0].blocks[0]
    tokens = torch.randn(3, 2, 2, 2, 96)
    assert torch.equal(block.train()(tokens), tokens)
    assert not torch.equal(block.eval()(tokens), tokens)


@pytest.mark.parametrize("make", [DenseNet121, Swin3D, ViT3D])
def test_a_network_for_volumes_refuses_slices(make):
    with pytest.raises(ValueError, match="volumes"):
        make(Inputs(1, (32, 32)))
