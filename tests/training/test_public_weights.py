"""Runs that start from somebody else's file: every tensor arrives under its name here, or the run does not begin."""

import hashlib

import pytest
import torch
from attrs import evolve
from node_manifests import Cohort, component, fit_manifest, toy

from tlimb.components.architectures.resnet3d import ResNet3D
from tlimb.components.contracts import Inputs
from tlimb.store import Store
from tlimb.training.execute import execute

MEDICALNET = component("layout", "medicalnet")
RESNET = component("architecture", "resnet3d", depth=10, filters=2, stem_stride=2, dilated=True)


@pytest.fixture
def cohort(tmp_path):
    return Cohort(tmp_path, shape=(20, 21, 20))


def saved(cohort, content):
    """Write a file; give its sha256 and where it lies."""
    path = cohort.folder / "public.pth"
    torch.save(content, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return sha256, evolve(cohort.places(), weights={sha256: path})


def run(cohort, content, layout=MEDICALNET, **more):
    sha256, places = saved(cohort, content)
    weights = {"encoder": {"sha256": sha256, "layout": layout}}
    frozen = {"up_to": "all", "thaw_epoch": None, "thaw_every_epochs": None}
    options = {"architecture": RESNET, "freeze": frozen, "trainer": {"epochs": 1}, **more}
    manifest = fit_manifest(cohort.view(range(4)), weights=weights, **options)
    return execute(manifest, places), Store(places.store).result(manifest.work), manifest


def theirs():
    torch.manual_seed(8)
    return ResNet3D(Inputs(1, (20, 21, 20)), depth=10, filters=2, dilated=True).network.state_dict()


def wrapped(tensors):
    names = {f"module.{name}": one for name, one in tensors.items()}
    return {"state_dict": {**names, "module.conv_seg.0.weight": torch.ones(3)}, "epoch": 100, "arch": "resnet"}


def test_a_file_as_it_is_handed_out_is_loaded_whole_and_the_record_says_so(cohort):
    from safetensors.torch import load_file

    tensors = theirs()
    outcome, result, manifest = run(cohort, wrapped(tensors))
    assert outcome.code == 0
    report = result.transfer
    assert report["matched"] == len(tensors)
    assert report["missing"] == report["mismatched"] == report["unexpected"] == []
    assert report["layout"] == {"dropped": ["module.conv_seg.0.weight"], "folded": [], "unwrapped": "state_dict"}
    after = load_file(Store(cohort.places().store).path(manifest.work) / "encoder.safetensors")
    assert all(torch.equal(after[name], tensors[name]) for name in tensors)


def test_a_tensor_less_is_refused_unless_the_study_lets_it_be_missing(cohort):
    tensors = dict(theirs())
    del tensors["layer4.0.bn2.weight"]
    outcome, result, _ = run(cohort, wrapped(tensors))
    assert (outcome.code, result) == (65, None)
    assert f"{len(tensors)} of {len(tensors) + 1} encoder tensors match" in outcome.reason
    adapt = {"heads": "new", "stem": None, "position": None, "missing": ["layer4.0.bn2.*"]}
    outcome, result, _ = run(cohort, wrapped(tensors), adapt=adapt)
    assert (outcome.code, result.transfer["missing"]) == (0, ["layer4.0.bn2.weight"])


def test_a_file_without_its_layout_or_with_code_in_it_is_refused(cohort):
    outcome, _, _ = run(cohort, wrapped(theirs()), layout=None)
    assert outcome.code == 65
    assert "not only tensors are in it but state_dict, epoch, arch" in outcome.reason
    outcome, _, _ = run(cohort, {**wrapped(theirs()), "callback": print})
    assert outcome.code == 65
    assert "an object of print, which would have to be run" in outcome.reason


def test_a_layout_of_ones_own_is_a_class_like_any_other(cohort):
    torch.manual_seed(9)
    tensors = {"stem.weight": torch.randn(4, 1, 3, 3, 3), "stem.bias": torch.randn(4)}
    content = {"net": {f"body/{name.replace('stem', 'first')}": one for name, one in tensors.items()}}
    content["net"]["body/tail.weight"] = torch.ones(2)
    adapt = {"heads": "new", "stem": None, "position": None, "missing": ["norm.*", "second.*"]}
    more = {"architecture": toy("ToyEncoder"), "adapt": adapt}
    outcome, result, _ = run(cohort, content, toy("ToyLayout"), **more)
    assert (outcome.code, result.transfer["matched"]) == (0, 2)
    assert result.transfer["layout"]["dropped"] == ["body/tail.weight"]


def test_another_layout_of_one_file_is_other_work(cohort):
    content = wrapped(theirs())
    works = {run(cohort, content, one)[2].work for one in (MEDICALNET, component("layout", "plain"))}
    assert len(works) == 2
