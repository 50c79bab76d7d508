"""Public weights come from MONAI's networks: what these write is found whole, and computes the same."""

import warnings

import pytest
import torch

from tlimb.components.architectures.resnet3d import ResNet3D
from tlimb.components.architectures.swin3d import Swin3D
from tlimb.components.architectures.vit3d import ViT3D
from tlimb.components.contracts import Inputs
from tlimb.components.layouts.brainiac import BrainIAC
from tlimb.components.layouts.brainiac_v1 import BrainIACV1
from tlimb.components.layouts.brainsegfounder import BrainSegFounder
from tlimb.components.layouts.swinunetr_ssl import SwinUNETRSSL
from tlimb.components.transfer import transfer
from tlimb.components.weights import arrange

nets = pytest.importorskip("monai.networks.nets")
CUBE = (32, 32, 32)


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def loaded(encoder, content, layout):
    """Load a file's content, and give what was left over and how many tensors belong to no encoder."""
    found = arrange(content, layout)
    report = transfer(encoder, found.tensors, {})
    assert report.missing == report.mismatched == ()
    assert len(report.matched) == len(encoder.network.state_dict())
    return report.unexpected, found


@pytest.fixture(scope="module")
def swin():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nets.SwinUNETR(in_channels=2, out_channels=3, feature_size=12)


@pytest.mark.parametrize(
    "content",
    [
        lambda made: {"state_dict": prefixed("module.", made.state_dict())},
        lambda made: {"state_dict": prefixed("module.swinViT.", made.swinViT.state_dict())},
    ],
    ids=["whole", "encoder"],
)
def test_brainsegfounders_files_are_found_whole(swin, content):
    encoder = Swin3D(Inputs(2, CUBE), feature_size=12, merging="repeated")
    assert loaded(encoder, content(swin), BrainSegFounder())[0] == ()


def test_the_file_of_swin_unetrs_pretraining_is_found_whole(swin):
    encoder = Swin3D(Inputs(2, CUBE), feature_size=12, merging="repeated")
    state = {name.replace(".mlp.linear", ".mlp.fc"): one for name, one in swin.swinViT.state_dict().items()}
    heads = {"rotation_head.weight": torch.ones(2), "contrastive_head.bias": torch.ones(2), "norm.bias": torch.ones(2)}
    unexpected, found = loaded(encoder, {"state_dict": prefixed("module.", {**state, **heads})}, SwinUNETRSSL())
    assert unexpected == ()
    assert len(found.dropped) == 3


def test_brainiacs_transformer_is_found_whole():
    settings = {"hidden_size": 48, "mlp_dim": 96, "num_layers": 2, "num_heads": 4}
    made = nets.ViT(1, CUBE, (16, 16, 16), classification=True, **settings)
    encoder = ViT3D(Inputs(1, CUBE), width=48, hidden=96, depth=2, heads=4)
    unexpected, found = loaded(encoder, {"state_dict": prefixed("backbone.", made.state_dict())}, BrainIAC())
    assert unexpected == ()
    # In each block a normalisation of a cross-attention that is never computed, and one classifier.
    assert len(found.dropped) == 2 * 2 + 2


def test_brainiacs_first_network_is_found_whole_and_computes_the_same():
    torch.manual_seed(0)
    made = nets.resnet50(spatial_dims=3, n_input_channels=1, num_classes=1, conv1_t_stride=2)
    encoder = ResNet3D(Inputs(1, CUBE), depth=50)
    unexpected, found = loaded(encoder, {"state_dict": prefixed("backbone.", made.state_dict())}, BrainIACV1())
    assert unexpected == ()
    assert len(found.folded) == 4
    made.fc = torch.nn.Identity()
    images = torch.randn(2, 1, *CUBE)
    with torch.no_grad():
        assert torch.allclose(made.eval()(images), encoder.eval()(images), atol=1e-4)
