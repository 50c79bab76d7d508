"""Rates that fall towards the input win where the early layers are right already and labels are few."""

import copy

import torch
from toys import Net, batch, network, number, r2, train, wins

from tlimb.components.optimizers.adamw import AdamW
from tlimb.training.network.learners import build_optimizer

CPU = torch.device("cpu")
SEEDS = range(8)


def problem(seed):
    """A parent that has learned what 60 inputs mean from many labels; a related target with 30 noisy ones."""
    torch.manual_seed(seed)
    mixing = torch.randn(60, 3) / 60**0.5

    def draw(count, weights, noise):
        inputs = torch.randn(count, 60)
        truth = (1.5 * inputs @ mixing).tanh() @ torch.tensor(weights)
        return batch(inputs, {"age": 1.5 * truth + noise * torch.randn(count)})

    parent = network(Net(60, 8, (16,)), {"age": number()})
    train(parent, {"data": draw(4000, [1.0, -1.0, 0.5], 0.1)}, seed, steps=400, size=128)
    return parent, draw(30, [0.8, -1.0, 0.7], 1.0), draw(500, [0.8, -1.0, 0.7], 0.0)


def score(parent, few, test, options):
    net = copy.deepcopy(parent)
    optimizer = build_optimizer(AdamW(lr=0.03, **options), net, {}, {}, CPU)
    for _ in range(150):
        optimizer.zero_grad()
        outputs = net.heads["age"](net.encoder(few.inputs))
        net.objectives["age"].loss(outputs, few.targets["age"], few.valid["age"]).backward()
        optimizer.step()
    return r2(net, test.inputs, test.targets["age"])


def test_falling_rates_win_with_few_labels_and_a_decay_of_1_changes_nothing():
    problems = [problem(seed) for seed in SEEDS]
    one, falling, same = (
        [score(*each, options) for each in problems] for options in ({}, {"layer_decay": 0.1}, {"layer_decay": 1.0})
    )
    assert wins(falling, one)
    assert one == same
