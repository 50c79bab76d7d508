"""Our networks are those of the literature: parameter counts, tensor names and outputs."""

import pytest
import timm
import torch
from torch import nn

from tlimb.components.architectures.resnet3d import ResNet3D
from tlimb.components.architectures.sfcn import SFCN
from tlimb.components.architectures.timm import Timm
from tlimb.components.contracts import Inputs
from tlimb.components.heads.linear import LinearHead

BRAIN = Inputs(1, (40, 48, 40))


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def randomise(module):
    """Give running statistics and shifts values that a mistake in their use would show."""
    generator = torch.Generator().manual_seed(4)
    for name, tensor in module.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
        elif name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)


@pytest.mark.parametrize(
    ("depth", "shortcut", "kernel", "stride"),
    [(10, "B", 7, 2), (10, "A", 3, 1), (18, "A", 7, 1), (34, "B", 5, 2), (50, "B", 7, 2), (50, "A", 7, 2)],
)
def test_resnet3d_gives_what_monai_gives_on_copied_weights(depth, shortcut, kernel, stride):
    from monai.networks.nets.resnet import ResNet

    layers = {10: [1, 1, 1, 1], 18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3]}[depth]
    theirs = ResNet(
        "bottleneck" if depth == 50 else "basic",
        layers,
        [8, 16, 32, 64],
        n_input_channels=2,
        conv1_t_size=kernel,
        conv1_t_stride=stride,
        shortcut_type=shortcut,
        feed_forward=False,
        bias_downsample=False,
    )
    randomise(theirs)
    ours = ResNet3D(
        Inputs(2, (25, 30, 22)), depth=depth, filters=8, kernel=kernel, stem_stride=stride, shortcut=shortcut
    )
    assert list(ours.network.state_dict()) == list(theirs.state_dict())
    ours.network.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 2, 25, 30, 22, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs.eval()(images)
        actual = ours.eval()(images)
        assert expected.abs().max() > 0.1
        assert (expected - actual).abs().max() < 1e-5 * expected.abs().max().clamp(min=1)
        assert torch.allclose(theirs.train()(images), ours.train()(images), atol=1e-5)


@pytest.mark.parametrize(
    ("depth", "shortcut", "expected"), [(18, "A", 32_986_689), (34, "A", 63_296_321), (18, "B", 33_160_000 + 513)]
)
def test_resnet3d_has_the_known_number_of_parameters(depth, shortcut, expected):
    encoder = ResNet3D(BRAIN, depth=depth, shortcut=shortcut)
    assert size(encoder) + size(LinearHead(encoder.feature_dim, 1)) == expected


def test_the_gradient_passes_the_zero_padded_shortcut():
    encoder = ResNet3D(Inputs(1, (16, 16, 16)), depth=10, filters=2, shortcut="A").eval()
    block = encoder.network.layer2[0]
    for name in ("conv1", "conv2"):
        nn.init.zeros_(getattr(block, name).weight)
    inputs = torch.rand(1, 2, 4, 4, 4, requires_grad=True)
    block(inputs).sum().backward()
    assert inputs.grad[:, :, ::2, ::2, ::2].eq(1).all()


def test_sfcn_has_the_known_number_of_parameters():
    encoder = SFCN(BRAIN)
    assert size(encoder) == 2_950_336
    assert size(encoder) + size(LinearHead(encoder.feature_dim, 40)) == 2_952_936
    sex = SFCN(BRAIN, channels=(28, 58, 128, 256, 256, 64))
    assert size(sex) + size(LinearHead(sex.feature_dim, 2)) == 2_918_144


def published_sfcn(channels):
    """Build the published network from its description, with its own pooling before the last layer."""
    features, before = nn.Sequential(), 1
    for index, width in enumerate(channels[:-1]):
        layers = [nn.Conv3d(before, width, 3, padding=1), nn.BatchNorm3d(width), nn.MaxPool3d(2, 2), nn.ReLU()]
        features.add_module(f"conv_{index}", nn.Sequential(*layers))
        before = width
    last = [nn.Conv3d(before, channels[-1], 1), nn.BatchNorm3d(channels[-1]), nn.ReLU()]
    features.add_module(f"conv_{len(channels) - 1}", nn.Sequential(*last))
    return nn.ModuleDict({"feature_extractor": features})


def test_sfcn_is_the_published_function_at_the_published_size():
    channels = (2, 3, 4, 4, 4, 3)
    theirs, ours = published_sfcn(channels), SFCN(Inputs(1, (160, 192, 160)), channels=channels)
    randomise(theirs)
    ours.network.load_state_dict(theirs.state_dict())
    image = torch.randn(1, 1, 160, 192, 160, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = nn.AvgPool3d([5, 6, 5])(theirs.eval()["feature_extractor"](image)).flatten(1)
        assert torch.allclose(ours.eval()(image), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(40, 48, 40), (20, 24, 20), (3, 5, 4)])
def test_sfcn_takes_small_images(shape):
    features = SFCN(Inputs(1, shape)).eval()(torch.randn(2, 1, *shape))
    assert features.shape == (2, 64)
    assert torch.isfinite(features).all()


@pytest.mark.parametrize(
    ("model", "expected", "width"),
    [("resnet18", 11_170_240, 512), ("resnet34", 21_278_400, 512), ("resnet50", 23_501_760, 2048)],
)
def test_timm_networks_have_the_known_number_of_parameters(model, expected, width):
    encoder = Timm(Inputs(1, (96, 96)), model=model)
    assert (size(encoder), encoder.feature_dim) == (expected, width)


def test_timm_encoder_gives_what_timm_gives_on_copied_weights():
    theirs = timm.create_model("resnet18", pretrained=False, in_chans=1, num_classes=2)
    ours = Timm(Inputs(1, (64, 72)), model="resnet18")
    encoder = {name: tensor for name, tensor in theirs.state_dict().items() if not name.startswith("fc.")}
    ours.network.load_state_dict(encoder)
    head = LinearHead(ours.feature_dim, 2)
    head.linear.load_state_dict(theirs.fc.state_dict())
    images = torch.randn(2, 1, 64, 72)
    with torch.no_grad():
        assert torch.allclose(head.eval()(ours.eval()(images)), theirs.eval()(images), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_timm_encoder_keeps_the_channels_of_a_pixel_side_by_side_and_its_weights_as_timm_has_them(channels):
    encoder = Timm(Inputs(channels, (64, 72)), model="resnet18")
    seen = []
    encoder.network.layer1.register_forward_hook(lambda module, given, output: seen.append(output))
    encoder(torch.randn(4, channels, 64, 72)).sum().backward()
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert not seen[0].is_contiguous()
    weight = encoder.network.layer1[0].conv1.weight
    assert weight.is_contiguous()
    assert weight.grad.is_contiguous()


def test_a_vision_transformer_is_built_for_the_images_size():
    encoder = Timm(Inputs(1, (48, 64)), model="vit_tiny_patch16_224")
    assert encoder(torch.randn(2, 1, 48, 64)).shape == (2, 192)
    assert encoder.stages[1:3] == ("blocks.0", "blocks.1")


@pytest.mark.parametrize("model", ["hf-hub:someone/something", "local-dir:weights", "resnet18.a1_in1k", "resnet19"])
def test_timm_names_that_fetch_files_or_do_not_exist_are_refused(model):
    with pytest.raises(ValueError, match="timm has no model"):
        Timm(Inputs(1, (32, 32)), model=model)


@pytest.mark.parametrize("make", [lambda i: SFCN(i), lambda i: ResNet3D(i, depth=10)])
def test_a_network_for_volumes_refuses_slices(make):
    with pytest.raises(ValueError, match="volumes"):
        make(Inputs(1, (32, 32)))


def test_dropout_of_resnet3d_acts_in_training_only():
    encoder = ResNet3D(Inputs(1, (16, 16, 16)), depth=10, filters=4, dropout=0.5)
    images = torch.randn(2, 1, 16, 16, 16)
    assert torch.equal(encoder.eval()(images), encoder(images))
    assert not torch.equal(encoder.train()(images), encoder(images))


def test_kernel_and_block_dropout_of_sfcn_change_what_they_name_and_no_tensor_names():
    plain, wide = SFCN(BRAIN, channels=(2, 3, 4)), SFCN(BRAIN, channels=(2, 3, 4), kernel=5, block_dropout=0.5)
    assert list(plain.network.state_dict()) == list(wide.network.state_dict())
    assert size(wide) - size(plain) == (1 * 2 + 2 * 3) * (5**3 - 3**3)
    block = wide.network.feature_extractor.conv_1.train()
    nn.init.ones_(block[1].bias)
    dropped = block(torch.randn(8, 2, 6, 6, 6)).flatten(2).eq(0).all(dim=2)
    assert dropped.any()
    assert not dropped.all()
    with pytest.raises(ValueError, match="write an odd one"):
        SFCN(BRAIN, kernel=2)
