"""Learning rates by depth: they differ in the optimizer itself, and in what it does."""

import json

import pytest
import torch
from node_manifests import AGE, SEX, Cohort, component, fit_manifest, toy
from test_resume import run_with_crashes

from tlimb.components.architectures.resnet3d import ResNet3D
from tlimb.components.architectures.timm import Timm
from tlimb.components.contracts import Encoder, Inputs, Network
from tlimb.components.optimizers.adamw import AdamW
from tlimb.components.optimizers.sgd import SGD
from tlimb.components.schedulers.cosine import Cosine
from tlimb.components.schedulers.one_cycle import OneCycle
from tlimb.language import catalogue
from tlimb.problems import TlimbError
from tlimb.store import Store
from tlimb.training.execute import execute
from tlimb.training.network.layer_rates import stages_of
from tlimb.training.network.learners import build_optimizer, build_schedule

CPU = torch.device("cpu")


def network(encoder):
    heads = torch.nn.ModuleDict({"a": torch.nn.Linear(encoder.feature_dim, 1), "b": torch.nn.Linear(1, 1)})
    return Network(encoder, heads, {}, {"a": 1.0, "b": 1.0})


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return network(ResNet3D(Inputs(1, (16, 16, 16)), depth=10, filters=4))


def rates(optimizer):
    return {group["name"]: group["lr"] for group in optimizer.param_groups if "name" in group}


@pytest.mark.parametrize("make", [AdamW, SGD])
def test_each_stage_has_the_rate_of_the_one_behind_it_times_the_decay_and_heads_their_own(resnet, make):
    found = rates(build_optimizer(make(lr=0.1, layer_decay=0.5, head_rate=10.0), resnet, {}, {}, CPU))
    stages = resnet.encoder.stages
    assert list(found) == [*stages, "heads"]
    assert [found[stage] for stage in stages] == [0.1 * 0.5**power for power in range(len(stages), 0, -1)]
    assert found["heads"] == 1.0
    assert stages == ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
    assert len(set(found.values())) == 7


def test_without_the_options_there_is_one_group_of_all_as_before(resnet):
    optimizer = build_optimizer(AdamW(lr=0.1), resnet, {}, {}, CPU)
    assert len(optimizer.param_groups) == 1
    assert rates(optimizer) == {}


@pytest.mark.parametrize(
    "encoder",
    [
        lambda: ResNet3D(Inputs(1, (16, 16, 16)), depth=10, filters=4),
        lambda: Timm(Inputs(1, (32, 32)), model="vit_tiny_patch16_224"),
        lambda: Timm(Inputs(1, (32, 32)), model="resnet18"),
    ],
    ids=["resnet3d", "vit", "resnet18"],
)
def test_every_parameter_is_in_one_stage_and_none_is_lost(encoder):
    made = encoder()
    found = stages_of(made)
    grouped = [id(one) for parameters in found.values() for one in parameters]
    assert sorted(grouped) == sorted(id(one) for one in made.parameters())
    assert all(found.values())


class Loose(Encoder):
    """Layers before, between and behind its stages."""

    def __init__(self):
        super().__init__()
        layers = {name: torch.nn.Linear(1, 1, bias=False) for name in ("before", "one", "between", "two", "behind")}
        self.network, self.stages, self.feature_dim = torch.nn.ModuleDict(layers), ("one", "two"), 1

    def forward(self, inputs):
        return inputs


def test_what_is_in_no_stage_goes_with_the_stage_before_it():
    loose = Loose()
    layers = loose.network
    found = stages_of(loose)
    assert [id(one) for one in found["one"]] == [id(layers[name].weight) for name in ("before", "one", "between")]
    assert [id(one) for one in found["two"]] == [id(layers[name].weight) for name in ("two", "behind")]


def test_a_step_moves_each_layer_by_its_own_rate(resnet):
    state = {name: one.clone() for name, one in resnet.encoder.network.state_dict().items()}
    moved = []
    for options in ({}, {"layer_decay": 0.5, "head_rate": 10.0}):
        resnet.encoder.network.load_state_dict(state)
        optimizer = build_optimizer(SGD(lr=0.1, momentum=0.0, **options), resnet, {}, {}, CPU)
        for parameter in resnet.encoder.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        moved.append({n: (p.detach() - state[n]).mean().item() for n, p in resnet.encoder.network.named_parameters()})
    factors = {name: moved[1][name] / moved[0][name] for name in moved[0]}
    stages = resnet.encoder.stages
    for name, factor in factors.items():
        stage = max(k for k, one in enumerate(stages) if name.startswith(one) or k == 0)
        assert factor == pytest.approx(0.5 ** (len(stages) - stage), rel=1e-4), name


class Equal(SGD):
    """An optimizer that takes no group's own rate."""

    def build(self, groups):
        return super().build([{"params": group["params"]} for group in groups])


class Highest(OneCycle):
    """A schedule with one highest rate for all groups."""

    def build(self, optimizer, steps):
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps, cycle_momentum=False)


def test_rates_that_an_optimizer_or_a_schedule_makes_equal_are_refused(resnet):
    with pytest.raises(TlimbError, match="Equal makes the learning rates of all layers equal"):
        build_optimizer(Equal(lr=0.1, layer_decay=0.5), resnet, {}, {}, CPU)
    for schedule in (Cosine(warmup_steps=2), OneCycle()):
        optimizer = build_optimizer(SGD(lr=0.1, layer_decay=0.5, head_rate=2.0), resnet, {}, {}, CPU)
        made = build_schedule(schedule, optimizer, 9)
        for _ in range(8):
            optimizer.step()
            made.step()
            shares = {group["lr"] / group["initial_lr"] for group in optimizer.param_groups}
            assert max(shares) - min(shares) < 1e-12
    with pytest.raises(TlimbError, match="Highest makes the learning rates of all layers equal"):
        build_schedule(Highest(), build_optimizer(SGD(lr=0.1, layer_decay=0.5), resnet, {}, {}, CPU), 9)


@pytest.fixture
def study(tmp_path):
    cohort = Cohort(tmp_path, people=10)
    manifest = fit_manifest(
        cohort.view(range(8)),
        cohort.view([8, 9]),
        heads=(SEX, AGE),
        auxiliary=[toy("ToyOwner")],
        optimizer=component("optimizer", "adamw", lr=0.01, layer_decay=0.5, head_rate=4.0),
        scheduler=component("scheduler", "cosine", warmup_steps=2),
        freeze={"up_to": "all", "thaw_epoch": None, "thaw_every_epochs": 1},
        trainer={"epochs": 3},
    )
    return cohort, manifest


def test_rates_are_told_by_name_and_thawing_and_resuming_keep_them(study):
    cohort, manifest = study
    places = cohort.places("whole")
    assert execute(manifest, places).code == 0
    store = Store(places.store)
    lines = json.loads((store.path(manifest.work) / "history.json").read_text())
    for line in lines:
        assert set(line["rates"]) == {"stem", "norm", "second", "heads"}
        assert line["lr"][:4] == [line["rates"][name] for name in ("stem", "norm", "second", "heads")]
        top = line["rates"]["heads"]
        assert line["rates"]["stem"] == pytest.approx(top / 32)
        # The auxiliary's layer has three times the optimizer's rate, as without other rates.
        assert line["lr"][4] == pytest.approx(top * 3 / 4)
    for number in (4, 7):
        digest, facts = run_with_crashes(cohort, manifest, f"crash{number}", [number])
        assert facts["resumed_at"] > 0
        assert digest == store.result(manifest.work).digest


def test_a_manifest_of_before_needs_no_new_options():
    listing = catalogue.load().get("optimizer", "adamw")
    assert set(listing.facts["later"]) == {"layer_decay", "head_rate"}
    assert (listing.defaults["layer_decay"], listing.defaults["head_rate"]) == (1.0, 1.0)
