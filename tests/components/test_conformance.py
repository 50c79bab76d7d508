"""Every component of tlimb passes the suite that its users' components must pass."""

import pytest
import torch

from tlimb.components import contracts, discovery
from tlimb.describe import loading
from tlimb.testing import check_component

ALL = [(kind, name) for kind in discovery.KINDS for name in discovery.names(kind)]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("kind", "name"), ALL, ids=[f"{kind}-{name}" for kind, name in ALL])
def test_component_passes_the_conformance_suite(kind, name):
    if name == "tensorboard":
        pytest.importorskip("tensorboardX")
    found = loading.find(discovery.path_of(kind, name), discovery.KINDS[kind].base)
    check_component(found)


def test_the_components_of_the_first_release_are_there():
    expected = {
        "architecture": (
            "connectivity",
            "densenet121",
            "resnet1d",
            "resnet3d",
            "sfcn",
            "swin3d",
            "tcn",
            "timm",
            "transformer1d",
            "vit3d",
        ),
        "data": ("base", "bio_image", "crop_center", "slices_2d", "volume_3d"),
        "preprocess": ("canonical", "clip", "crop", "mask", "mean", "min_max", "resample", "white_stripe", "zscore"),
        "objective": ("classification", "regression", "soft_bins"),
        "head": ("linear", "mlp"),
        "auxiliary": ("l2_sp",),
        "optimizer": ("adamw", "sgd"),
        "scheduler": ("constant", "cosine", "one_cycle"),
        "scenario": ("supervised",),
        "metric": ("accuracy", "auroc", "balanced_accuracy", "cross_entropy", "mae", "mse", "r2"),
    }
    for kind, names in expected.items():
        assert set(names) <= set(discovery.names(kind))


class Leaky(contracts.Objective):
    """Divide by the batch, not by the valid samples."""

    kind = "number"
    metrics = ("mae",)
    outputs = 1

    def __init__(self, facts: contracts.TargetFacts) -> None:
        pass

    def loss(self, outputs, targets, valid):
        return torch.where(valid, (outputs[:, 0] - targets).square(), 0.0).mean()

    def predict(self, outputs):
        return outputs[:, 0]


class Detached(contracts.Auxiliary):
    """Give a term without a gradient.

    Source: none, it is wrong.
    """

    def loss(self, context):
        return torch.ones(())


class Undocumented(contracts.Optimizer):
    """Have an option without a word about it."""

    def __init__(self, *, lr: float) -> None:
        self.lr = lr

    def build(self, groups):
        return torch.optim.SGD(list(groups), lr=self.lr)


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Leaky, "not the mean over valid samples"),
        (Detached, "moves nothing"),
        (Undocumented, "not documented"),
    ],
)
def test_the_suite_refuses_a_wrong_component(cls, message):
    with pytest.raises(Exception, match=message):
        check_component(cls)
