"""Every example study is sound all the way down, and has the networks that it should."""

import shutil
from pathlib import Path

import pytest

from tlimb.api.deep import look
from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.dryrun.check import check
from tlimb.phantom.dataset import make
from tlimb.problems import Severity
from tlimb.project import Asked, project

SPECS = sorted((Path(__file__).parent.parent.parent / "specs").glob("*.yaml"))
RESNET, SFCN = "resnet3d depth=10 filters=8", "sfcn channels=8+16+32+32"
ENCODERS = {
    RESNET: (64, {"": 227_336, "layer3": 210_496, "layer4": 168_320, "all": 0}),
    "resnet3d depth=18 filters=8": (64, {"": 521_576}),
    SFCN: (32, {"": 18_784}),
    f"{SFCN} dropout=0.2": (32, {"": 18_784}),
    "timm model=resnet18": (
        512,
        {"": 11_170_240, "layer3.1.conv1": 9_574_400, "layer4.0.conv1": 8_393_728, "layer4.1.conv1": 4_720_640},
    ),
    "timm model=vit_tiny_patch16_224": (192, {"": 5_389_248}),
    "connectivity": (276, {"": 0}),
    "resnet1d depth=10 filters=16": (128, {"": 113_184}),
    "tcn depth=4 filters=32": (32, {"": 56_864}),
    "transformer1d patch_size=10 width=32": (32, {"": 33_408}),
}
"""Width of the features, and the encoder's parameters that train, by the layer that it is frozen up to."""
NETWORKS = {
    "domain-adaptation": 4,
    "layer-wise-rates": 2,
    "learning-curve": 4,
    "leave-site-out": 2,
    "lp-ft": 6,
    "multitask": 3,
    "nested-cross-validation": 2,
    "on-a-cluster": 2,
    "own-data-from-a-table": 1,
    "paper-age-to-sex": 8,
    "pretrain-finetune": 6,
    "probe-and-ladder": 7,
    "random-search": 4,
    "rest-fmri": 4,
    "semi-supervised": 6,
    "shortest": 2,
    "sources-to-targets": 3,
    "two-visits": 1,
}
"""How many networks each example has, over all of its stages."""
DECODER = (64 + 1) * 16 * 3 * 3 * 3 + 3 * (16 * 16 * 27 + 16 + 2 * 16) + 16 + 1
"""Parameters of a decoder of 16 channels from 64 features to 20 x 24 x 20 voxels, by three doublings of 3 x 3 x 3."""


@pytest.fixture(scope="session")
def cohorts(tmp_path_factory):
    """Make the cohorts that the comments of the examples ask for, and put the examples beside them."""
    folder = tmp_path_factory.mktemp("examples")
    make(folder / "data" / "population", 300, families=0.3)
    make(folder / "data" / "brains", 200)
    make(folder / "data" / "visits", 100, visits=2)
    make(folder / "data" / "people", 300, families=0.3, regions=24)
    for spec in SPECS:
        shutil.copy(spec, folder)
    return folder


@pytest.mark.parametrize("name", [spec.stem for spec in SPECS])
def test_an_example_has_the_networks_that_it_should(cohorts, name):
    loaded = load(cohorts / f"{name}.yaml")
    place = project(loaded.sound(), loaded.source.path, Asked())
    found = look(loaded, make_plan(loaded, place), place, checking=check)
    assert not [problem for problem in found.problems if problem.severity is Severity.ERROR]
    assert len(found.networks) == NETWORKS[name]
    for network in found.networks:
        features, trained = ENCODERS[network.architecture]
        facts = network.facts
        heads = sum(width * (features + 1) for _, width in facts.heads) or DECODER
        rests = network.stage == "adabn"
        assert facts.total == trained[""] + heads
        assert facts.trainable == (0 if rests else trained[network.frozen] + heads)
        assert facts.features == features
        assert facts.method == "meta"
        assert facts.memory is not None
