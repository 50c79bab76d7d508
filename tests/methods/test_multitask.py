"""Several heads on one encoder: missing labels, weightings and balanced batches."""

import math

import pytest
import torch
import toys

from tlimb.components import contracts
from tlimb.components.samplers.balanced import Balanced
from tlimb.components.weightings.fixed import Fixed
from tlimb.components.weightings.pcgrad import PCGrad, projected
from tlimb.components.weightings.uncertainty import Uncertainty

NAMES = [f"score{number}" for number in range(8)]


def related(seed, others):
    """Learn eight scores of a common two-dimensional cause, each from 20 people of its own; give the first's R2."""
    generator = torch.Generator().manual_seed(seed)
    cause = torch.linalg.qr(torch.randn(30, 2, generator=generator))[0]
    mixing = torch.nn.functional.normalize(torch.randn(2, 8, generator=generator), dim=0)
    inputs, unseen = (torch.randn(people, 30, generator=generator) for people in (160, 400))
    scores = inputs @ cause @ mixing + 0.3 * torch.randn(160, 8, generator=generator)
    owner = torch.arange(160) // 20
    torch.manual_seed(seed)
    net = toys.network(toys.Net(30, 2, linear=True), {name: toys.number(name) for name in NAMES})
    net.weights.update(dict.fromkeys(NAMES[1:], others))
    targets = {name: scores[:, number] for number, name in enumerate(NAMES)}
    valid = {name: owner == number for number, name in enumerate(NAMES)}
    toys.train(net, {"data": toys.batch(inputs, targets, valid)}, seed, steps=200, size=160, lr=0.03)
    return toys.r2(net, unseen, unseen @ cause @ mixing[:, 0], NAMES[0])


def test_related_heads_help_one_another_and_not_at_weight_0():
    alone = [related(seed, 0.0) for seed in toys.SEEDS]
    assert toys.wins([related(seed, 1.0) for seed in toys.SEEDS], alone)
    assert not toys.wins([related(seed, 0.0) for seed in toys.SEEDS], alone)


def unequal(seed, weighting, noise=0.0, weight=1.0):
    """Learn `age` beside `iq`, whose loss is far larger, from one narrow encoder; give the R2 of `age`."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(400, 10, generator=generator)
    first, second = (torch.randn(10, generator=generator) for _ in range(2))
    iq = inputs @ first + noise * torch.randn(400, generator=generator)
    age = torch.tanh(inputs @ second)
    torch.manual_seed(seed)
    net = toys.network(toys.Net(10, 3, (6,)), {name: toys.number(name) for name in ("age", "iq")})
    net.weights["iq"] = weight
    data = {"data": toys.batch(inputs[:200], {"age": age[:200], "iq": iq[:200]})}
    toys.train(net, data, seed, weighting=weighting, steps=150, lr=0.02)
    return toys.r2(net, inputs[200:], age[200:])


@pytest.mark.parametrize(
    ("method", "setting"), [(Uncertainty, {"noise": 3.0}), (PCGrad, {"weight": 10.0})], ids=["uncertainty", "pcgrad"]
)
def test_a_weighting_wins_where_one_head_drowns_the_other_and_fixed_weights_do_not(method, setting):
    plain = [unequal(seed, None, **setting) for seed in toys.SEEDS]
    assert toys.wins([unequal(seed, method(), **setting) for seed in toys.SEEDS], plain)
    assert not toys.wins([unequal(seed, Fixed(), **setting) for seed in toys.SEEDS], plain)


def test_the_learned_variance_is_the_loss_where_the_derivative_is_zero():
    objectives = {"age": toys.number()[0], "sex": toys.classes()[0]}
    net = contracts.Network(None, torch.nn.ModuleDict({n: torch.nn.Linear(1, 1) for n in objectives}), objectives, {})
    weighting = Uncertainty()
    logs = weighting.build(net, contracts.Inputs(1, (4,)))
    terms = {"age": torch.tensor(3.0), "sex": torch.tensor(0.4)}
    first = weighting.combine(terms)
    assert first["age"].item() == pytest.approx(1.5)
    assert first["sex"].item() == pytest.approx(0.4)
    optimizer = torch.optim.LBFGS(logs.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        total = sum(weighting.combine(terms).values())
        total.backward()
        return total

    optimizer.step(closure)
    # d/ds (exp(-s) L / 2 + s / 2) = 0 at s = log L; without the half of a number, at s = log 2 L.
    assert logs["age"].item() == pytest.approx(math.log(3.0), abs=1e-3)
    assert logs["sex"].item() == pytest.approx(math.log(0.8), abs=1e-3)


def test_projection_removes_exactly_what_works_against_the_other():
    ours, theirs = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    first, second = projected([ours, theirs])
    assert torch.allclose(first, torch.tensor([0.5, 0.5]))
    assert torch.allclose(second, torch.tensor([0.0, 1.0]))
    assert float(first @ theirs) == pytest.approx(0, abs=1e-7)
    agreeing = [torch.tensor([1.0, 0.5]), torch.tensor([1.0, 0.0])]
    assert all(torch.equal(new, old) for new, old in zip(projected(agreeing), agreeing, strict=True))


def gradients(weighting, others=None):
    """Give the gradients of encoder and heads after one batch."""
    torch.manual_seed(3)
    net = toys.network(toys.Net(5, 3), {"age": toys.number(), "iq": toys.number("iq")})
    # Equal heads with opposite targets: their gradients work against each other.
    net.heads["iq"].load_state_dict(net.heads["age"].state_dict())
    inputs = torch.randn(16, 5)
    features = net.encoder(inputs)
    terms = {
        "age": (net.heads["age"](features)[:, 0] - inputs[:, 0]).square().mean(),
        "iq": (net.heads["iq"](features)[:, 0] + inputs[:, 0]).square().mean(),
    }
    extra = None if others is None else others * features.square().mean()
    if weighting is None:
        (sum(terms.values()) + (0 if extra is None else extra)).backward()
    else:
        weighting.accumulate(terms, extra, list(net.encoder.parameters()))
    return {name: parameter.grad for part in (net.encoder, net.heads) for name, parameter in part.named_parameters()}


def test_surgery_leaves_the_gradients_of_heads_and_of_other_terms():
    plain, changed = gradients(None), gradients(PCGrad())
    assert all(torch.allclose(plain[name], changed[name]) for name in plain if name.startswith(("age", "iq")))
    assert any(not torch.allclose(plain[name], changed[name]) for name in plain if name.startswith("network"))
    added = {name: grad - changed[name] for name, grad in gradients(PCGrad(), others=2.0).items()}
    expected = {name: grad - plain[name] for name, grad in gradients(None, others=2.0).items()}
    assert all(torch.allclose(added[name], expected[name], atol=1e-6) for name in added)


def test_an_epoch_has_equal_shares_of_all_groups_and_as_many_rows_as_before():
    groups = torch.tensor([0] * 90 + [1] * 9)
    order = Balanced(by="dataset").order(groups, torch.Generator().manual_seed(0))
    shares = groups[order].unique(return_counts=True)
    assert shares[0].tolist() == [0, 1]
    assert sorted(shares[1].tolist()) == [49, 50]
    counts = order.bincount(minlength=99)
    assert counts[:90].max() == 1, "a row of the large group came twice while others never came"
    assert set(counts[90:99].tolist()) <= {5, 6}


@pytest.mark.parametrize("unknown", [1, 30, 100])
def test_rows_without_the_label_come_once_each_and_leave_equal_shares_of_the_rest(unknown):
    groups = torch.tensor([-1] * unknown + [0] * 60 + [1] * 8)
    for seed in range(3):
        order = Balanced(by="site").order(groups, torch.Generator().manual_seed(seed))
        counts = order.bincount(minlength=len(groups))
        assert len(order) == len(groups)
        assert counts[:unknown].tolist() == [1] * unknown
        assert counts[unknown : unknown + 60].sum() == counts[-8:].sum() == 34


def test_where_nobody_has_the_label_everybody_comes_once():
    order = Balanced(by="site").order(torch.tensor([-1] * 7), torch.Generator().manual_seed(0))
    assert sorted(order.tolist()) == list(range(7))


def test_balanced_batches_win_for_a_rare_group_and_shuffled_ones_do_not():
    balanced, plain, again = [], [], []
    for seed in toys.SEEDS:
        generator = torch.Generator().manual_seed(seed)
        site = torch.tensor([0] * 380 + [1] * 20)
        inputs = torch.cat([torch.randn(400, 4, generator=generator), site[:, None].float()], 1)
        sign = torch.where(site == 0, 1.0, -1.0)
        truth = (inputs[:, 0] * sign + 0.2 * torch.randn(400, generator=generator) > 0).long()
        unseen = torch.cat([torch.randn(300, 4, generator=generator), torch.ones(300, 1)], 1)
        for found, draw in ((balanced, (Balanced(by="dataset"), site)), (plain, None), (again, None)):
            torch.manual_seed(seed)
            net = toys.network(toys.Net(5, 4, (8,)), {"sex": toys.classes()})
            toys.train(net, {"data": toys.batch(inputs, {"sex": truth})}, seed, draw=draw, steps=100)
            found.append(toys.accuracy(net, unseen, (unseen[:, 0] < 0).long()))
    assert toys.wins(balanced, plain)
    assert not toys.wins(again, plain)
