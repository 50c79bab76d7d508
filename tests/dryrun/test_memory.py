"""The estimate of memory against what torch's allocator hands out in real steps, and the copies that are held beside.

The count is a sum over the blocks that live at a time, the same in every run on one machine: neither a clock nor the
operating system is in it.
"""

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from tests.dryrun.conftest import told
from tlimb.components.architectures.resnet3d import ResNet3D
from tlimb.components.architectures.sfcn import SFCN
from tlimb.components.architectures.swin3d import Swin3D
from tlimb.components.architectures.vit3d import ViT3D
from tlimb.components.contracts import Inputs
from tlimb.problems import Severity

NETWORKS = {
    "resnet3d": (ResNet3D, {"depth": 10, "filters": 8}, (40, 48, 40)),
    "sfcn": (SFCN, {"channels": [8, 16, 16]}, (40, 48, 40)),
    "vit3d": (ViT3D, {"width": 96, "depth": 4, "heads": 3, "patch_size": 8}, (32, 32, 32)),
    "swin3d": (Swin3D, {"feature_size": 12, "depths": [2, 2, 2, 2]}, (32, 32, 32)),
}


def measured(cls, options, shape, size):
    """Train two steps on the processor and give the most bytes that were alive at a time."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    encoder = cls(Inputs(1, shape), **options)
    network = nn.Sequential(encoder, nn.Linear(encoder.feature_dim, 2)).train()
    before = sum(one.nbytes for one in (*network.parameters(), *network.buffers()))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        for _ in range(2):
            loss = nn.functional.cross_entropy(network(torch.randn(size, 1, *shape)), torch.zeros(size).long())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    events = [one for one in seen.profiler.kineto_results.events() if one.name() == "[memory]"]
    live = most = 0
    for event in sorted(events, key=lambda one: one.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return before + most


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_estimate_is_within_15_percent_of_what_the_allocator_hands_out(study, name, size):
    cls, options, shape = NETWORKS[name]
    written = ", ".join(f"{key}: {value}" for key, value in options.items())
    rest = (
        f"  data: {{bio_image: {{spacing_mm: 8, crop: {list(shape)}}}}}\n  architecture: {{{name}: {{{written}}}}}\n"
        f"stages: {{train: {{trainer: {{batch_size: {size}}}}}}}\n"
    )
    (network,) = study.check(rest).networks
    assert network.facts.memory.total == pytest.approx(measured(cls, options, shape, size), rel=0.15)


COPIES = (
    "  data: {bio_image: {spacing_mm: 8, crop: [16, 16, 16]}}\n  architecture: {sfcn: {channels: [16, 32]}}\n"
    "stages:\n  parent: {}\n  teacher: {architecture: {sfcn: {channels: [24, 48]}}}\n"
    "  child: {from: {encoder: parent%s}, auxiliary: [%s]}\n"
)


def kept(study, auxiliary="", slots=""):
    """Give the bytes of weights and copies that training the child keeps, and what its other peak is."""
    found = study.check(COPIES % (slots, auxiliary))
    assert not [problem for problem in found.problems if problem.severity is Severity.ERROR], found.problems
    assert not told(found, "not-checked")
    (child,) = [network for network in found.networks if network.stage == "child"]
    return child.facts.memory


def sizes(channels):
    """Bytes of parameters of the encoder, of its buffers, and of the head."""
    encoder = SFCN(Inputs(1, (16, 16, 16)), channels=channels)
    parts = ([one.nbytes for one in encoder.parameters()], [one.nbytes for one in encoder.buffers()])
    return *map(sum, parts), 4 * (2 * encoder.feature_dim + 2)


@pytest.mark.parametrize("auxiliary", ["l2_sp", "l2_sp_fisher", "delta", "distill"])
def test_copies_that_auxiliary_objectives_hold_are_counted_to_the_byte(study, auxiliary):
    parameters, buffers, head = sizes([16, 32])
    theirs = sum(sizes([24, 48]))
    # Anchors; a copy at the parent's weights, sums over images and anchors; a copy with heads, and rises of the loss.
    expected = {
        "l2_sp": parameters,
        "l2_sp_fisher": (parameters + buffers) + (parameters + 8) + parameters,
        "delta": parameters + buffers + head + 8 * (16 + 32) + 8,
        "distill": theirs,
    }
    written = {"l2_sp": "{l2_sp: {alpha: 0.1}}", "l2_sp_fisher": "{l2_sp_fisher: {alpha: 0.1}}"}
    slots = ", teacher: teacher" if auxiliary == "distill" else ""
    found = kept(study, written.get(auxiliary, auxiliary), slots)
    assert found.parameters - kept(study).parameters == expected[auxiliary]


def test_what_a_penalty_computes_with_is_in_the_estimate_too(study):
    assert kept(study, "{l2_sp: {alpha: 0.1}}").activations > kept(study).activations


def test_one_stages_listeners_do_not_stay_in_the_network_of_another(study):
    both = COPIES % ("", "delta") + "  plain: {from: parent}\n"
    networks = {network.stage: network.facts for network in study.check(both).networks}
    alone = kept(study)
    assert networks["plain"].memory == alone
