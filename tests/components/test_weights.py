"""Files of public weights, made here in the form in which they are handed out, and damaged in every way we know."""

import argparse
import pickle
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import torch
from attrs import frozen
from safetensors.torch import save_file
from torch import nn

from tlimb.components.architectures.resnet3d import ResNet3D
from tlimb.components.architectures.sfcn import SFCN
from tlimb.components.architectures.timm import Timm
from tlimb.components.contracts import Encoder, Inputs, Layout
from tlimb.components.layouts.brainiac import BrainIAC
from tlimb.components.layouts.brainiac_v1 import BrainIACV1
from tlimb.components.layouts.brainsegfounder import BrainSegFounder
from tlimb.components.layouts.medicalnet import MedicalNet
from tlimb.components.layouts.plain import Plain
from tlimb.components.layouts.sfcn_ukb import SFCNUKB
from tlimb.components.layouts.swinunetr_ssl import SwinUNETRSSL
from tlimb.components.layouts.timm import Timm as TimmLayout
from tlimb.components.transfer import tensors_digest, transfer
from tlimb.components.weights import arrange, read
from tlimb.problems import TlimbError

CUBE = Inputs(1, (16, 16, 16))


def filled(encoder, seed):
    """Give an encoder every tensor of which is random, buffers too."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for one in encoder.network.state_dict().values():
            if one.is_floating_point():
                one.copy_(torch.rand_like(one) + 0.1)
    return encoder


class Named(Encoder):
    """An encoder of made-up tensors under given names, for networks that are too large for a test."""

    def __init__(self, *names):
        super().__init__()
        self.network = nn.Module()
        for name in names:
            place = self.network
            *path, last = name.split(".")
            for part in path:
                if not hasattr(place, part):
                    place.add_module(part, nn.Module())
                place = getattr(place, part)
            place.register_parameter(last, nn.Parameter(torch.rand(3)))

    def forward(self, inputs):
        return inputs


VIT = (
    "cls_token", "patch_embedding.position_embeddings", "patch_embedding.patch_embeddings.weight",
    "blocks.0.attn.qkv.weight", "blocks.0.mlp.linear1.weight", "norm.weight",
)  # fmt: skip
SWIN = (
    "patch_embed.proj.weight", "layers1.0.blocks.0.attn.qkv.weight", "layers1.0.blocks.0.mlp.linear1.weight",
    "layers1.0.blocks.1.mlp.linear2.bias", "layers1.0.downsample.norm.weight",
)  # fmt: skip


@frozen
class Handed:
    """One way in which weights are handed out.

    Attributes:
        make: makes an encoder that they fit.
        layout: its name here.
        wrap: the encoder's tensors to what stands in the file.
        dropped: how many tensors belong to no encoder.
    """

    make: object
    layout: type[Layout]
    wrap: object
    dropped: int


def prefixed(prefix, tensors):
    return OrderedDict((prefix + name, one) for name, one in tensors.items())


def head(*names):
    return {name: torch.ones(2) for name in names}


def resnet(**options):
    return lambda: ResNet3D(CUBE, filters=2, **options)


HANDED = {
    "medicalnet": Handed(
        resnet(depth=18, shortcut="A", dilated=True),
        MedicalNet,
        lambda t: {
            "epoch": 9,
            "state_dict": prefixed("module.", {**t, **head("conv_seg.0.weight", "conv_seg.0.bias")}),
        },
        2,
    ),
    "sfcn_ukb": Handed(
        lambda: SFCN(CUBE, channels=(2, 3, 4)),
        SFCNUKB,
        lambda t: prefixed("module.", {**t, **head("classifier.conv_6.weight", "classifier.conv_6.bias")}),
        2,
    ),
    "brainiac": Handed(
        lambda: Named(*VIT),
        BrainIAC,
        lambda t: {
            "state_dict": prefixed("backbone.", {**t, **head("blocks.0.norm_cross_attn.weight")})
            | head("classification_head.0.weight"),
            "hyper_parameters": {"lr": 1e-4},
        },
        2,
    ),
    "brainiac_v1": Handed(
        resnet(depth=50),
        BrainIACV1,
        lambda t: {"state_dict": prefixed("backbone.", {**t, **head("fc.weight")})},
        1,
    ),
    "brainsegfounder": Handed(
        lambda: Named(*SWIN),
        BrainSegFounder,
        lambda t: {
            "epoch": 1,
            "args": argparse.Namespace(lr=0.1),
            "state_dict": prefixed("module.swinViT.", t) | head("module.encoder1.c.weight", "module.out.c.weight"),
        },
        2,
    ),
    "swinunetr_ssl": Handed(
        lambda: Named(*SWIN),
        SwinUNETRSSL,
        lambda t: {
            "state_dict": {name.replace("linear", "fc"): one for name, one in prefixed("module.", t).items()}
            | head("module.rotation_head.weight", "module.contrastive_head.bias", "module.norm.weight")
        },
        3,
    ),
    "timm": Handed(
        lambda: Timm(Inputs(1, (32, 32)), model="resnet18"),
        TimmLayout,
        lambda t: {"state_dict": head("other"), "state_dict_ema": {**t, **head("fc.weight", "fc.bias")}, "arch": "r"},
        2,
    ),
    "plain": Handed(
        lambda: SFCN(CUBE, channels=(2, 3, 4)),
        Plain,
        lambda t: {"model_state_dict": prefixed("_orig_mod.", t), "optimizer": {"state": {}}},
        0,
    ),
}  # fmt: skip


@pytest.fixture
def handed(tmp_path):
    """Write a file as it is handed out, and give its path, an encoder that it fits, and the tensors in it."""

    def make(name, change=lambda content: content):
        one = HANDED[name]
        torch.manual_seed(1)
        tensors = filled(one.make(), 1).network.state_dict()
        path = tmp_path / f"{name}.pth"
        torch.save(change(one.wrap(tensors)), path)
        torch.manual_seed(2)
        return path, filled(one.make(), 2), tensors

    return make


@pytest.mark.parametrize("name", HANDED)
def test_every_tensor_of_a_file_as_it_is_handed_out_arrives(handed, name):
    path, encoder, tensors = handed(name)
    found = arrange(read(path), HANDED[name].layout())
    report = transfer(encoder, found.tensors, {})
    assert len(report.matched) == len(tensors)
    assert (report.missing, report.mismatched, report.unexpected) == ((), (), ())
    assert len(found.dropped) == HANDED[name].dropped
    assert tensors_digest(encoder.network.state_dict()) == tensors_digest(tensors)


@pytest.mark.parametrize("name", HANDED)
def test_names_and_shapes_are_the_same_without_memory(handed, name):
    path, _, tensors = handed(name)
    found = arrange(read(path, "meta"), HANDED[name].layout()).tensors
    assert {key: one.shape for key, one in found.items()} == {key: one.shape for key, one in tensors.items()}
    assert all(one.is_meta for one in found.values())


@pytest.mark.parametrize("name", [name for name in HANDED if name != "plain"])
def test_another_prefix_matches_nothing_or_not_all_and_that_is_an_error(handed, name):
    def change(content):
        if not any(isinstance(one, dict) for one in content.values()):
            return prefixed("wrong.", content)
        return {key: prefixed("wrong.", one) if isinstance(one, dict) else one for key, one in content.items()}

    path, encoder, _ = handed(name, change)
    before = tensors_digest(encoder.network.state_dict())
    with pytest.raises(TlimbError, match="0 of"):
        transfer(encoder, arrange(read(path), HANDED[name].layout()).tensors, {})
    assert tensors_digest(encoder.network.state_dict()) == before


@pytest.mark.parametrize("name", HANDED)
def test_one_tensor_less_is_an_error_unless_it_may_be_missing(handed, name):
    path, encoder, tensors = handed(name)
    found = dict(arrange(read(path), HANDED[name].layout()).tensors)
    lost = list(tensors)[-1]
    del found[lost]
    with pytest.raises(TlimbError, match=f"{len(tensors) - 1} of {len(tensors)}"):
        transfer(encoder, found, {})
    report = transfer(encoder, found, {"missing": [lost]})
    assert (len(report.matched), report.missing) == (len(tensors) - 1, (lost,))


def test_two_tensors_of_one_name_are_refused():
    content = {"module.a.weight": torch.ones(1), "a.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"two tensors for `a.weight`: module.a.weight and a.weight"):
        arrange(content, Plain())


def test_a_bias_before_a_normalisation_is_taken_off_its_mean_and_computes_the_same():
    """The first version of BrainIAC has biases in its shortcuts, this network has none."""
    torch.manual_seed(3)
    ours = filled(ResNet3D(CUBE, depth=50, filters=2), 4)
    theirs = filled(ResNet3D(CUBE, depth=50, filters=2), 4)
    for name in ("layer1", "layer2", "layer3", "layer4"):
        shortcut = theirs.network.get_submodule(name)[0].downsample
        old = shortcut[0]
        shortcut[0] = nn.Conv3d(old.in_channels, old.out_channels, 1, stride=old.stride)
        shortcut[0].weight.data.copy_(old.weight)
    found = arrange({"state_dict": prefixed("backbone.", theirs.network.state_dict())}, BrainIACV1())
    assert len(found.folded) == 4
    assert transfer(ours, found.tensors, {}).unexpected == ()
    images = torch.randn(3, 1, 16, 16, 16)
    with torch.no_grad():
        assert torch.allclose(ours.eval()(images), theirs.eval()(images), rtol=1e-4)
        assert torch.allclose(ours.train()(images), theirs.train()(images), rtol=1e-4)
        assert torch.allclose(ours.eval()(images), theirs.eval()(images), rtol=1e-4)
    without = arrange({"state_dict": prefixed("backbone.", theirs.network.state_dict())}, Plain())
    assert len(transfer(ours, {k.removeprefix("backbone."): v for k, v in without.tensors.items()}, {}).unexpected) == 4


def test_a_dilated_network_has_the_same_tensors_and_is_another_function():
    """What makes weights load in silence into a network that they were not made for."""
    plain, dilated = (filled(ResNet3D(Inputs(1, (32,) * 3), depth=10, filters=2, dilated=d), 5) for d in (False, True))
    assert transfer(plain, dilated.network.state_dict(), {}).unexpected == ()
    images = torch.randn(2, 1, 32, 32, 32)
    shapes = []
    for encoder in (plain, dilated):
        encoder.network.layer4.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[2:])))
    with torch.no_grad():
        assert not torch.allclose(plain.eval()(images), dilated.eval()(images), rtol=0.01)
    assert shapes == [(1, 1, 1), (4, 4, 4)]


# -- files that are not what they should be --


class Evil:
    """Does something when it is unpickled."""

    def __reduce__(self):
        return print, ("this code was run",)


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.pth"
    torch.save({"state_dict": {"a": torch.ones(50), "b": torch.zeros(3)}}, path)
    return path


def test_p21_code_in_a_file_is_named_and_not_run(tmp_path, capsys):
    for path, save in ((tmp_path / "new.pth", torch.save), (tmp_path / "old.pth", legacy)):
        save({"state_dict": {"a": torch.ones(1)}, "callback": Evil()}, path)
        with pytest.raises(ValueError, match=r"neither a .safetensors file nor a state dict without code"):
            read(path)
    plain = tmp_path / "plain.pkl"
    plain.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match="neither"):
        read(plain)
    assert "this code was run" not in capsys.readouterr().out


def test_the_class_that_a_file_needs_is_named(tmp_path):
    path = tmp_path / "class.pth"
    torch.save({"state_dict": {"a": torch.ones(1)}, "config": OddConfig()}, path)
    with pytest.raises(ValueError, match=r"an object of .*OddConfig, which would have to be run"):
        read(path)


class OddConfig:
    """Stands for the settings of some framework."""


def legacy(content, path):
    """Save in the form that torch had before 1.6, in which many public weights still are."""
    torch.save(content, path, _use_new_zipfile_serialization=False)


def test_the_form_of_old_versions_of_torch_is_read(tmp_path):
    path = tmp_path / "old.p"
    legacy(prefixed("module.", {"a": torch.arange(3.0)}), path)
    assert path.read_bytes()[:1] == b"\x80"
    assert torch.equal(arrange(read(path), SFCNUKB()).tensors["a"], torch.arange(3.0))


def test_settings_and_numbers_beside_the_tensors_are_no_obstacle(tmp_path):
    path = tmp_path / "trained.pth"
    more = {"args": argparse.Namespace(lr=0.1), "best": np.float64(0.9), "epoch": np.int64(3), "ok": np.bool_(True)}
    legacy({"state_dict": {"a": torch.ones(1)}, **more}, path)
    data = path.read_bytes()
    assert b"numpy._core.multiarray" in data
    for written in (data, data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")):
        path.write_bytes(written)
        found = read(path)
        assert (found["best"], found["epoch"], found["args"].lr) == (0.9, 3, 0.1)
    legacy({"state_dict": {"a": torch.ones(1)}, "table": np.array([Evil()], dtype=object)}, path)
    with pytest.raises(ValueError, match="neither"):
        read(path)


def test_safetensors_are_read_with_a_layout_too(tmp_path):
    path = tmp_path / "any.name"
    save_file({"module.a": torch.ones(2), "module.fc.weight": torch.ones(2)}, path)
    found = arrange(read(path), MedicalNet())
    assert [*found.tensors] == ["a"]
    assert found.unwrapped is None


def test_a_file_that_is_cut_short_or_changed_is_damaged(good, tmp_path):
    data = good.read_bytes()
    for count in (len(data) - 1, len(data) // 2, 8):
        cut = tmp_path / "cut.pth"
        cut.write_bytes(data[:count])
        with pytest.raises(ValueError, match="damaged: the file is cut short or was changed"):
            read(cut)
    old, tensors = tmp_path / "old.pth", tmp_path / "cut.safetensors"
    legacy(torch.load(good, weights_only=True), old)
    old.write_bytes(old.read_bytes()[:-100])
    save_file({"a": torch.ones(50)}, tensors)
    tensors.write_bytes(tensors.read_bytes()[:-1])
    for path in (old, tensors):
        with pytest.raises(ValueError, match="neither"):
            read(path)


def test_a_torchscript_archive_is_a_program_and_is_said_to_be_one(tmp_path):
    path = tmp_path / "model.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    with pytest.raises(ValueError, match=r"a TorchScript archive, a program: save the module's state_dict\(\)"):
        read(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file, as Keras writes"),
        (b"<html>not found</html>", "neither"),
        (bytes(64), "neither"),
        (b"\xff" * 64, "neither"),
    ],
)
def test_other_files_are_told_apart(tmp_path, data, message):
    path = tmp_path / "weights"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize("content", [torch.ones(2), [torch.ones(2)], {"a": 1}, {"state_dict": {"a": 1}}, {}])
def test_what_holds_no_state_dict_is_refused(tmp_path, content):
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    if content == {}:
        assert arrange(read(path), Plain()).tensors == {}
        return
    with pytest.raises(ValueError, match="no plain state dict"):
        arrange(read(path), Plain())
