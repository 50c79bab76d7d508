"""Position embeddings follow the size of the images only when asked, and the report says so."""

import pytest
import torch
from torch.nn import functional

from tlimb.components.architectures.densenet121 import DenseNet121
from tlimb.components.architectures.swin3d import Swin3D
from tlimb.components.architectures.timm import Timm
from tlimb.components.architectures.transformer1d import Transformer1D
from tlimb.components.architectures.vit3d import ViT3D
from tlimb.components.contracts import Inputs
from tlimb.components.transfer import compare, transfer
from tlimb.problems import TlimbError

NAME = "patch_embedding.position_embeddings"
INTERPOLATE = {"position": "interpolate"}


def vit(*shape, channels=1, seed=0):
    torch.manual_seed(seed)
    return ViT3D(Inputs(channels, shape), patch_size=8, width=12, depth=1, heads=3)


def ramp(encoder):
    """Give each place its coordinate along the three axes, 0 to 1 over the image."""
    shape = encoder.positions[NAME].shape
    middles = [(torch.arange(count) + 0.5) / count for count in shape]
    return torch.cartesian_prod(*middles)[None].repeat(1, 1, 4)


def test_another_size_is_refused_with_the_way_out():
    parent, child = vit(24, 32, 16), vit(32, 32, 32, seed=1)
    with pytest.raises(TlimbError) as caught:
        transfer(child, parent.network.state_dict(), {}, parent.positions)
    assert "position: interpolate" in caught.value.problems[0].help[0]
    assert "1 x 24 x 12 in the parent, 1 x 64 x 12 here" in caught.value.problems[0].note[0]


def test_an_interpolated_embedding_is_trilinear_between_the_places_of_the_image():
    parent, child = vit(32, 48, 32), vit(64, 48, 40, seed=1)
    with torch.no_grad():
        parent.network.patch_embedding.position_embeddings.copy_(ramp(parent))
    report = transfer(child, parent.network.state_dict(), INTERPOLATE, parent.positions)
    assert report.adapted == (NAME,)
    assert report.changes == {NAME: "interpolated from 4 x 6 x 4 places to 8 x 6 x 5 places"}
    assert report.to_json()["changes"] == dict(report.changes)
    found = child.network.patch_embedding.position_embeddings.detach()
    # A linear function is kept, but beyond the outermost places of the parent, where the nearest counts.
    edges = torch.tensor([1 / 8, 1 / 12, 1 / 8]).repeat(4)
    assert torch.allclose(found, ramp(child).clamp(edges, 1 - edges), atol=1e-6)


def test_equally_many_places_on_another_grid_are_not_taken_for_the_same():
    parent, child = vit(16, 24, 32), vit(32, 24, 16, seed=1)
    tensors = parent.network.state_dict()
    with pytest.raises(TlimbError) as caught:
        transfer(child, tensors, {}, parent.positions)
    assert "2 x 3 x 4 places in the parent, 4 x 3 x 2 places here" in caught.value.problems[0].note[0]
    transfer(child, tensors, INTERPOLATE, parent.positions)
    places = tensors[NAME].transpose(1, 2).reshape(1, 12, 2, 3, 4)
    expected = functional.interpolate(places, size=(4, 3, 2), mode="trilinear").flatten(2).transpose(1, 2)
    assert torch.allclose(child.network.patch_embedding.position_embeddings, expected)


def test_a_foreign_embedding_is_taken_for_a_cube_or_refused():
    child = vit(32, 24, 16)
    cube, other = vit(24, 24, 24, seed=1), vit(24, 16, 24, seed=1)
    report = transfer(child, cube.network.state_dict(), INTERPOLATE)
    assert report.changes == {NAME: "interpolated from 27 tokens to 4 x 3 x 2 places"}
    with pytest.raises(TlimbError, match="16 of 17 encoder tensors match") as caught:
        transfer(child, other.network.state_dict(), INTERPOLATE)
    assert "not known and no cube: adapt: {position: new}" in caught.value.problems[0].help[0]


def test_an_equal_size_is_copied_and_a_new_embedding_stays_random():
    parent, child = vit(16, 16, 16), vit(16, 16, 16, seed=1)
    assert transfer(child, parent.network.state_dict(), INTERPOLATE, parent.positions).adapted == ()
    wider = vit(24, 16, 16, seed=2)
    before = wider.network.patch_embedding.position_embeddings.clone()
    report = transfer(wider, parent.network.state_dict(), {"position": "new"}, parent.positions)
    assert report.mismatched == (NAME,)
    assert torch.equal(wider.network.patch_embedding.position_embeddings, before)


def test_shapes_alone_are_enough():
    parent, child = vit(24, 32, 16), vit(32, 32, 32, seed=1)
    tensors = {name: tensor.to("meta") for name, tensor in parent.network.state_dict().items()}
    found = compare(child, tensors, INTERPOLATE, parent.positions)
    assert found.copied[NAME].shape == (1, 64, 12)


def test_a_class_token_of_timm_keeps_its_embedding():
    parent = Timm(Inputs(1, (32, 48)), model="vit_tiny_patch16_224")
    child = Timm(Inputs(1, (48, 48)), model="vit_tiny_patch16_224")
    assert (parent.positions["pos_embed"].shape, parent.positions["pos_embed"].prefix) == ((2, 3), 1)
    tensors = parent.network.state_dict()
    transfer(child, tensors, INTERPOLATE, parent.positions)
    assert torch.equal(child.network.pos_embed[:, 0], tensors["pos_embed"][:, 0])
    assert torch.allclose(child.network.pos_embed[:, 1:4].mean(), tensors["pos_embed"][:, 1:4].mean(), atol=1e-2)


def test_a_longer_series_has_places_between_those_of_the_parent():
    parent = Transformer1D(Inputs(3, (20,)), patch_size=5, width=12, heads=3)
    child = Transformer1D(Inputs(3, (40,)), patch_size=5, width=12, heads=3)
    transfer(child, parent.network.state_dict(), INTERPOLATE)
    old, new = parent.network.patch_embedding.position_embeddings, child.network.patch_embedding.position_embeddings
    assert torch.allclose(new[:, 1], 0.75 * old[:, 0] + 0.25 * old[:, 1])
    assert torch.allclose(new[:, 0], old[:, 0])


@pytest.mark.parametrize(
    ("make", "stem"),
    [
        (lambda i: DenseNet121(i, growth=2, filters=4), "features.conv0.weight"),
        (lambda i: ViT3D(i, patch_size=8, width=12, depth=1, heads=3), "patch_embedding.patch_embeddings.weight"),
        (lambda i: Swin3D(i, feature_size=6, window=2, depths=(1, 1, 1, 1)), "patch_embed.proj.weight"),
    ],
)
def test_the_stem_of_every_network_for_volumes_is_fitted_to_other_channels_when_asked(make, stem):
    parent, child = make(Inputs(2, (16, 16, 16))).eval(), make(Inputs(1, (16, 16, 16))).eval()
    with pytest.raises(TlimbError) as caught:
        transfer(child, parent.network.state_dict())
    assert "stem: sum" in caught.value.problems[0].help[0]
    report = transfer(child, parent.network.state_dict(), {"stem": "sum"})
    assert report.changes == {stem: "sum of 2 channels for 1"}
    image = torch.randn(2, 1, 16, 16, 16)
    assert torch.allclose(child(image), parent(image.expand(-1, 2, -1, -1, -1)), atol=1e-5)
