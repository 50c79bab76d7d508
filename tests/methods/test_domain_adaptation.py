"""Unsupervised domain adaptation: closed forms, and toys in which it must win."""

import math

import numpy as np
import pytest
import torch
import toys
from torch import nn

from tlimb.components import contracts
from tlimb.components.auxiliaries.coral import Coral
from tlimb.components.auxiliaries.dann import DANN, reverse
from tlimb.components.auxiliaries.mmd import FACTORS, MMD
from tlimb.components.scenarios.adabn import AdaBN
from tlimb.components.scenarios.domain_adaptation import DomainAdaptation


def context(source, target, progress=0.5):
    return contracts.StepContext(None, {}, {}, {"source": source, "target": target}, {}, 0, progress)


def pair(seed=0, m=7, n=5, size=3):
    generator = torch.Generator().manual_seed(seed)
    source = torch.randn(m, size, generator=generator)
    return source, 0.7 * torch.randn(n, size, generator=generator) + 0.4


def test_coral_is_the_distance_of_covariances_and_of_means():
    source, target = pair()
    covariances = np.cov(source.numpy().T) - np.cov(target.numpy().T)
    published = (covariances**2).sum() / (4 * 9)
    means = ((source.mean(0) - target.mean(0)) ** 2).sum().item() / (4 * 3)
    assert math.isclose(Coral(weight=2.0, mean=False).loss(context(source, target)), 2 * published, rel_tol=1e-5)
    assert math.isclose(Coral(weight=2.0).loss(context(source, target)), 2 * (published + means), rel_tol=1e-5)


def test_coral_as_published_is_blind_to_a_domain_that_moved():
    source, _ = pair()
    assert float(Coral(weight=1.0, mean=False).loss(context(source, source + 3))) == pytest.approx(0, abs=1e-9)
    assert float(Coral(weight=1.0).loss(context(source, source + 3))) == pytest.approx(3 * 9 / 12, rel=1e-5)


def test_mmd_is_the_unbiased_estimate_under_five_kernels():
    source, target = (one.double().numpy() for one in pair())
    pooled = np.concatenate([source, target])
    squares = np.array([[((a - b) ** 2).sum() for b in pooled] for a in pooled])
    # torch's median of an even count is the lower of the two in the middle.
    apart = np.sort(squares[~np.eye(12, dtype=bool)])
    width = apart[(len(apart) - 1) // 2]

    def kernel(a, b):
        return np.mean([np.exp(-((a - b) ** 2).sum() / (factor * width)) for factor in FACTORS])

    within = [
        np.mean([kernel(a[i], a[j]) for i in range(len(a)) for j in range(len(a)) if i != j]) for a in (source, target)
    ]
    across = np.mean([kernel(a, b) for a in source for b in target])
    found = MMD(weight=1.0).loss(context(torch.tensor(source), torch.tensor(target)))
    assert float(found) == pytest.approx(sum(within) - 2 * across, abs=1e-6)


def test_mmd_of_one_distribution_is_zero_on_average_and_below_zero_now_and_then():
    values = []
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        halves = torch.randn(40, 4, generator=generator).split(20)
        values.append(float(MMD(weight=1.0).loss(context(*halves))))
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(200)
    assert min(values) < 0


@pytest.mark.parametrize("method", [Coral(weight=1.5), Coral(weight=1.5, mean=False)])
def test_the_gradient_is_that_of_finite_differences(method):
    source, target = pair()
    source.requires_grad_()
    method.loss(context(source, target)).backward()
    step = torch.zeros_like(source)
    step[2, 1] = 1e-2
    with torch.no_grad():
        up, down = (method.loss(context(source + sign * step, target)) for sign in (1, -1))
    assert float(source.grad[2, 1]) == pytest.approx(float(up - down) / 2e-2, rel=1e-2)


def test_the_gradient_of_mmd_is_that_of_finite_differences_with_the_width_held():
    source, target = pair()
    source.requires_grad_()
    MMD(weight=1.0).loss(context(source, target)).backward()
    # Two samples decide the width; moving another, by little, leaves it.
    pooled = torch.cat([source.detach(), target])
    squares = (pooled[:, None] - pooled[None]).square().sum(-1)
    width = squares[~torch.eye(12, dtype=torch.bool)].median()
    free = next(row for row in range(7) if not (squares[row] == width).any())
    step = torch.zeros_like(source)
    step[free, 0] = 2e-3
    with torch.no_grad():
        up, down = (MMD(weight=1.0).loss(context(source + sign * step, target)) for sign in (1, -1))
    assert float(source.grad[free, 0]) == pytest.approx(float(up - down) / 4e-3, rel=1e-2, abs=1e-4)


def test_reversal_leaves_values_and_turns_gradients():
    features = torch.tensor([1.0, -2.0], requires_grad=True)
    out = reverse(features, 0.3)
    assert torch.equal(out, features)
    (out * torch.tensor([5.0, 7.0])).sum().backward()
    assert torch.allclose(features.grad, torch.tensor([-1.5, -2.1]))


@pytest.mark.parametrize(("progress", "expected"), [(0.0, 0.0), (0.1, 0.46212), (0.5, 0.98661), (1.0, 0.99991)])
def test_the_strength_of_the_adversary_follows_the_published_schedule(progress, expected):
    assert DANN(weight=2.0).strength(progress) == pytest.approx(2 * expected, abs=2e-5)


def test_dann_moves_features_against_the_discriminator_and_the_discriminator_with_it():
    source, target = pair()
    source.requires_grad_()
    method = DANN(weight=1.0, hidden=4)
    torch.manual_seed(0)
    net = toys.network(toys.Net(3, 3), {"sex": toys.classes()})
    own = method.build(net, contracts.Inputs(1, (3,)))
    loss = method.loss(context(source, target))
    loss.backward()
    step = torch.zeros_like(source)
    step[0, 0] = 1e-2
    with torch.no_grad():
        up, down = (method.loss(context(source + sign * step, target)) for sign in (1, -1))
        slope = float(up - down) / 2e-2
        first = own[0].bias
        first[0] += 1e-3
        higher = method.loss(context(source, target))
        first[0] -= 1e-3
    assert float(source.grad[0, 0]) == pytest.approx(-method.strength(0.5) * slope, rel=2e-2, abs=1e-6)
    assert float(own[0].bias.grad[0]) == pytest.approx(float(higher - loss.detach()) / 1e-3, rel=5e-2, abs=1e-4)


def domains(seed, shift, people=300):
    """Give source, target and target test: two features tell the class, four moved ones tell it in the source."""
    generator = torch.Generator().manual_seed(seed)

    def one(move):
        truth = torch.randint(0, 2, (people,), generator=generator)
        sign = 2.0 * truth - 1
        signal = 0.9 * sign[:, None] + torch.randn(people, 2, generator=generator)
        nuisance = 0.5 * sign[:, None] + torch.randn(people, 4, generator=generator) + move
        return torch.cat([signal, nuisance], 1), truth

    return one(0.0), one(shift), one(shift)


def adapted(seed, auxiliary):
    (inputs, truth), (others, hidden), (test, right) = domains(seed, 2.0)
    torch.manual_seed(seed)
    net = toys.network(toys.Net(6, 8, (16,)), {"sex": toys.classes()})
    # What the target's labels are must not matter: they are wrong here, and marked as missing.
    unlabelled = toys.batch(others, {"sex": 1 - hidden}, {"sex": torch.zeros(len(hidden), dtype=torch.bool)})
    data = {"source": toys.batch(inputs, {"sex": truth}), "target": unlabelled}
    kept = toys.train(net, data, seed, DomainAdaptation(), auxiliary, steps=200, size=64)
    return toys.accuracy(kept, test, right)


@pytest.fixture(scope="module")
def source_only():
    return [adapted(seed, None) for seed in toys.SEEDS]


METHODS = {
    "coral": lambda weight: Coral(weight=100.0 * weight),
    "mmd": lambda weight: MMD(weight=3.0 * weight),
    "dann": lambda weight: DANN(weight=0.3 * weight, hidden=16),
}


@pytest.mark.parametrize("name", METHODS)
def test_adaptation_wins_where_the_domain_moved_and_not_at_weight_0(name, source_only):
    found = [adapted(seed, METHODS[name](1.0)) for seed in toys.SEEDS]
    assert toys.wins(found, source_only)
    assert not toys.wins([adapted(seed, METHODS[name](0.0)) for seed in toys.SEEDS], source_only)


def pass_through(net, inputs, size=32):
    """Take the batches of one epoch through AdaBN, as a run does."""
    scenario = AdaBN()
    scenario.build(net, contracts.Inputs(1, tuple(inputs.shape[1:])))
    for start in range(0, len(inputs), size):
        scenario.terms(net, {"data": toys.batch(inputs[start : start + size])}, 0, 0.0)
    return scenario.result(net)


def test_adabn_gives_the_statistics_of_all_samples_and_moves_nothing_else():
    torch.manual_seed(0)
    net = toys.network(toys.Net(6, 4, norm=True), {"sex": toys.classes()})
    inputs = 3 * torch.randn(75, 6) + 2
    before = {name: value.clone() for name, value in net.encoder.state_dict().items()}
    pass_through(net, inputs)
    layer = net.encoder.network[0]
    assert torch.allclose(layer.running_mean, inputs.mean(0), atol=1e-5)
    assert torch.allclose(layer.running_var, inputs.var(0), rtol=1e-5)
    after = net.encoder.state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} >= {
        "network.0.running_mean",
        "network.0.running_var",
    }
    assert all(torch.equal(after[name], before[name]) for name, _ in net.encoder.named_parameters())


def test_adabn_wins_where_a_scanner_has_another_gain_and_not_on_the_source_itself():
    plain, moved, stayed = [], [], []
    for seed in toys.SEEDS:
        generator = torch.Generator().manual_seed(seed)
        truth = torch.randint(0, 2, (300,), generator=generator)
        inputs = (2.0 * truth - 1)[:, None] + 1.2 * torch.randn(300, 6, generator=generator)
        torch.manual_seed(seed)
        net = toys.network(toys.Net(6, 4, (8,), norm=True), {"sex": toys.classes()})
        toys.train(net, {"data": toys.batch(inputs[:200], {"sex": truth[:200]})}, seed, steps=150)
        scanned = 0.5 * inputs + 1.5
        plain.append(toys.accuracy(net, scanned[200:], truth[200:]))
        stayed.append(toys.accuracy(net, inputs[200:], truth[200:]))
        moved.append(toys.accuracy(pass_through(net, scanned[:200]), scanned[200:], truth[200:]))
    assert toys.wins(moved, plain)
    assert not toys.wins(moved, stayed)


def test_adabn_refuses_an_encoder_without_batch_normalisation():
    net = toys.network(toys.Net(6, 4), {"sex": toys.classes()})
    with pytest.raises(ValueError, match="batch normalisation"):
        AdaBN().build(net, contracts.Inputs(1, (6,)))


def one_step(bn, seed=0):
    torch.manual_seed(seed)
    net = toys.network(toys.Net(6, 4, norm=True), {"sex": toys.classes()})
    scenario = DomainAdaptation(bn=bn)
    scenario.build(net, contracts.Inputs(1, (6,)))
    (inputs, truth), (others, _), _ = domains(seed, 2.0, people=40)
    net.encoder.train()
    labels = {"sex": truth}
    scenario.terms(net, {"source": toys.batch(inputs, labels), "target": toys.batch(others)}, 0, 0.0)
    return net, scenario, inputs, others


def moving(inputs):
    return 0.1 * inputs.mean(0)


def test_shared_statistics_are_those_of_both_domains():
    net, scenario, inputs, others = one_step("shared")
    assert torch.allclose(net.encoder.network[0].running_mean, moving(torch.cat([inputs, others])), atol=1e-6)
    assert scenario.result(net, "source") is net


def test_per_domain_statistics_are_each_domains_own_on_the_same_weights():
    net, scenario, inputs, others = one_step("per_domain")
    source = scenario.result(net, "source").encoder
    assert torch.allclose(net.encoder.network[0].running_mean, moving(others), atol=1e-6)
    assert torch.allclose(source.network[0].running_mean, moving(inputs), atol=1e-6)
    assert [id(p) for p in source.parameters()] == [id(p) for p in net.encoder.parameters()]
    assert scenario.result(net).encoder is net.encoder


def test_frozen_statistics_do_not_move():
    net, _, _, _ = one_step("frozen")
    assert not net.encoder.network[0].running_mean.any()
    assert isinstance(net.encoder.network[0], nn.BatchNorm1d)
