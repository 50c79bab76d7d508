"""Networks for time series are those of the literature, and the baseline is a correlation matrix."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from tests.components.test_volume_networks import close, randomise, size
from tlimb.components.architectures.connectivity import Connectivity
from tlimb.components.architectures.resnet1d import ResNet1D
from tlimb.components.architectures.tcn import TCN
from tlimb.components.architectures.transformer1d import Transformer1D
from tlimb.components.contracts import Inputs
from tlimb.components.transfer import transfer


def series(regions, length, people=2, seed=0):
    return torch.randn(people, regions, length, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("depth", "kernel", "stride", "length"), [(10, 7, 2, 31), (18, 5, 1, 100), (34, 3, 2, 64)])
def test_resnet1d_gives_what_monai_gives_on_copied_weights(depth, kernel, stride, length):
    from monai.networks.nets.resnet import ResNet

    layers = {10: [1, 1, 1, 1], 18: [2, 2, 2, 2], 34: [3, 4, 6, 3]}[depth]
    theirs = ResNet(
        "basic", layers, [8, 16, 32, 64], spatial_dims=1, n_input_channels=5, conv1_t_size=kernel,
        conv1_t_stride=stride, feed_forward=False, bias_downsample=False,
    )  # fmt: skip
    randomise(theirs)
    ours = ResNet1D(Inputs(5, (length,)), depth=depth, filters=8, kernel=kernel, stem_stride=stride)
    assert list(ours.network.state_dict()) == list(theirs.state_dict())
    transfer(ours, theirs.state_dict())
    given = series(5, length, people=3)
    with torch.no_grad():
        close(ours.eval()(given), theirs.eval()(given))
        assert torch.allclose(ours.train()(given), theirs.train()(given), atol=1e-5)


@pytest.mark.parametrize("token", [True, False])
def test_transformer1d_gives_what_monais_vit_gives_in_one_dimension(token):
    from monai.networks.nets import ViT

    theirs = ViT(
        5, (40,), (8,), hidden_size=12, mlp_dim=48, num_layers=2, num_heads=3, spatial_dims=1,
        classification=token, num_classes=12, post_activation=None,
    )  # fmt: skip
    randomise(theirs)
    if token:
        nn.init.eye_(theirs.classification_head.weight)
        nn.init.zeros_(theirs.classification_head.bias)
    ours = Transformer1D(Inputs(5, (40,)), patch_size=8, width=12, depth=2, heads=3, class_token=token)
    assert not transfer(ours, theirs.state_dict()).missing
    given = series(5, 40)
    with torch.no_grad():
        expected = theirs.eval()(given)[0]
        close(ours.eval()(given), expected if token else expected.mean(dim=1))


def test_a_transformer_on_regions_knows_them_by_their_place_only():
    encoder = Transformer1D(Inputs(6, (20,)), tokens="regions", width=12, depth=1, heads=3).eval()
    given = series(6, 20)
    shuffled = given[:, [3, 1, 2, 0, 5, 4]]
    assert not torch.allclose(encoder(given), encoder(shuffled), atol=1e-5)
    nn.init.zeros_(encoder.network.patch_embedding.position_embeddings)
    assert torch.allclose(encoder(given), encoder(shuffled), atol=1e-5)


def test_transformer1d_refuses_a_length_that_its_patches_do_not_cover():
    with pytest.raises(ValueError, match="crop or pad to 30 or 40"):
        Transformer1D(Inputs(3, (35,)))


class PublishedBlock(nn.Module):
    """The block as described: dilated causal convolution, weight normalisation, ReLU, twice, and a shortcut."""

    def __init__(self, before, width, kernel, dilation):
        super().__init__()
        self.reach = (kernel - 1) * dilation
        pad = {"padding": self.reach, "dilation": dilation}
        self.conv1 = weight_norm(nn.Conv1d(before, width, kernel, **pad))
        self.conv2 = weight_norm(nn.Conv1d(width, width, kernel, **pad))
        self.downsample = nn.Conv1d(before, width, 1) if before != width else nn.Identity()

    def forward(self, inputs):
        inner = self.conv1(inputs)[:, :, : -self.reach].relu()
        inner = self.conv2(inner)[:, :, : -self.reach].relu()
        return (inner + self.downsample(inputs)).relu()


def test_tcn_is_the_published_function():
    theirs = nn.Sequential(*[PublishedBlock(5 if index == 0 else 6, 6, 3, 2**index) for index in range(3)])
    renamed = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): torch.randn(value.shape, generator=torch.Generator().manual_seed(len(name)))
        for name, value in theirs.state_dict().items()
    }
    theirs.load_state_dict(dict(zip(theirs.state_dict(), renamed.values(), strict=True)))
    ours = TCN(Inputs(5, (25,)), filters=6, depth=3, kernel=3, pool="last")
    report = transfer(ours, renamed)
    assert (report.missing, report.unexpected) == ((), ())
    given = series(5, 25)
    close(ours(given), theirs(given)[:, :, -1])


@pytest.mark.parametrize(("causal", "first", "last"), [(True, 60 - 28, 60), (False, 60 - 14, 60 + 14)])
def test_a_time_point_of_the_tcn_sees_as_many_others_as_documented(causal, first, last):
    encoder = TCN(Inputs(2, (101,)), filters=4, depth=3, kernel=3, causal=causal)
    for name, parameter in encoder.named_parameters():
        nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
    given = torch.ones(1, 2, 101, requires_grad=True)
    encoder.network(given)[0, 0, 60].backward()
    seen = given.grad[0].abs().sum(dim=0).nonzero().flatten()
    assert (int(seen.min()), int(seen.max())) == (first, last)


def test_tcn_has_the_number_of_parameters_of_its_description():
    encoder = TCN(Inputs(90, (200,)), filters=64, depth=4, kernel=7)
    first = (90 + 64) * 7 * 64 + 4 * 64 + 90 * 64 + 64
    others = 3 * (2 * 64 * 7 * 64 + 4 * 64)
    assert size(encoder) == first + others


def test_connectivity_is_fishers_z_of_numpys_correlations():
    given = series(7, 50, people=3) + series(1, 50, people=3, seed=1)
    features = Connectivity(Inputs(7, (50,)))(given)
    assert features.shape == (3, 21)
    above = np.triu_indices(7, 1)
    for person, found in zip(given.double().numpy(), features, strict=True):
        expected = np.corrcoef(person)[above]
        assert np.allclose(found, np.arctanh(expected), atol=1e-5)
    plain = Connectivity(Inputs(7, (50,)), fisher_z=False)(given)
    assert torch.allclose(plain.atanh(), features, atol=1e-5)


def test_connectivity_does_not_depend_on_mean_and_scale_and_a_constant_region_is_uncorrelated():
    given = series(4, 30)
    encoder = Connectivity(Inputs(4, (30,)))
    assert torch.allclose(encoder(given * torch.tensor([[1.0], [5], [0.1], [9]]) + 100), encoder(given), atol=1e-3)
    given[:, 1] = 1234.567
    features = encoder(given)
    assert torch.equal(features[:, [0, 3, 4]], torch.zeros(2, 3))
    assert features[:, [1, 2, 5]].ne(0).all()
    given[:, 2] = given[:, 3]
    assert torch.isfinite(encoder(given)).all()


def test_mixed_precision_leaves_correlations_exact():
    given = series(5, 40)
    encoder = Connectivity(Inputs(5, (40,)))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = encoder(given)
    assert mixed.dtype == torch.float32
    assert torch.allclose(mixed, encoder(given), atol=1e-6)


def test_connectivity_has_no_weights_unless_a_width_is_given():
    assert size(Connectivity(Inputs(90, (200,)))) == 0
    wide = Connectivity(Inputs(90, (200,)), width=16)
    assert (wide.feature_dim, size(wide)) == (16, 90 * 89 // 2 * 16 + 16)
    with pytest.raises(ValueError, match="2 regions and 3 time points"):
        Connectivity(Inputs(1, (200,)))


@pytest.mark.parametrize("make", [Connectivity, ResNet1D, TCN, Transformer1D])
def test_a_network_for_time_series_refuses_volumes(make):
    with pytest.raises(ValueError, match="needs time series, the images have 3 dimensions"):
        make(Inputs(1, (32, 32, 32)))


def correlated(seed, people=80):
    """Give series of two groups that differ in the correlation of regions 0 and 1 alone, and the groups."""
    rng = np.random.default_rng(seed)
    groups = np.arange(people) % 2
    values = rng.standard_normal((people, 6, 60))
    share = np.where(groups, 0.6, 0.1)[:, None]
    values[:, 1] = share * values[:, 0] + np.sqrt(1 - share**2) * values[:, 1]
    return torch.from_numpy(values.astype(np.float32)), groups


def held_out_accuracy(features, groups):
    half = len(groups) // 2
    return LogisticRegression().fit(features[:half], groups[:half]).score(features[half:], groups[half:])


def test_connectivity_tells_groups_apart_that_differ_in_a_correlation_alone():
    gains, chance = [], []
    for seed in range(8):
        given, groups = correlated(seed)
        encoder = Connectivity(Inputs(6, (60,)))
        shuffled = given[:, :, torch.randperm(60, generator=torch.Generator().manual_seed(seed))]
        apart = torch.stack([row.roll(7 * place, dims=-1) for place, row in enumerate(given.unbind(1))], dim=1)
        assert torch.allclose(encoder(shuffled), encoder(given), atol=1e-4)
        gains.append(held_out_accuracy(encoder(given), groups) - held_out_accuracy(given.mean(dim=2), groups))
        # Regions that are moved against one another keep their own series, and lose what they have in common.
        chance.append(held_out_accuracy(encoder(apart), groups) - held_out_accuracy(given.mean(dim=2), groups))
    assert np.mean(gains) > 2 * np.std(gains, ddof=1) / np.sqrt(8)
    assert np.mean(gains) > 0.3
    assert abs(np.mean(chance)) < 0.1
