"""A small trainer for toy problems: the real components in the order of a training step, without files.

The order is that of `tlimb.training.loop`: terms, weighting, auxiliary terms, backward, optimizer, `after_step`.
"""

import itertools
import math
from typing import Any

import torch
from torch import nn

from tlimb.components import contracts
from tlimb.components.objectives.classification import Classification
from tlimb.components.objectives.regression import Regression
from tlimb.components.scenarios.supervised import Supervised

SEEDS = range(8)


class Net(contracts.Encoder):
    """A multilayer perceptron from vectors to features; with batch normalisation of its inputs where asked."""

    def __init__(self, width, features, hidden=(), norm=False, linear=False):
        super().__init__()
        sizes = [width, *hidden, features]
        layers: list[nn.Module] = [nn.BatchNorm1d(width)] if norm else []
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after)] + ([] if linear else [nn.ReLU()])
        self.network = nn.Sequential(*layers)
        self.feature_dim = features
        self.stages = tuple(str(n) for n, layer in enumerate(layers) if isinstance(layer, nn.Linear))

    def forward(self, inputs):
        return self.network(inputs.flatten(1))


def classes(count=2, name="sex"):
    facts = contracts.TargetFacts(name, tuple("abcdefgh"[:count]), (50,) * count)
    return Classification(facts, target=name), count


def number(name="age"):
    return Regression(contracts.TargetFacts(name, mean=0.0, sd=1.0), target=name), 1


def network(encoder, objectives, roles=None, inputs=None):
    heads = {
        name: objective.head(encoder.feature_dim, inputs)
        if isinstance(objective, contracts.Pretext)
        else nn.Linear(encoder.feature_dim, outputs)
        for name, (objective, outputs) in objectives.items()
    }
    made: Any = nn.ModuleDict(heads)
    losses = {name: objective for name, (objective, _) in objectives.items()}
    return contracts.Network(encoder, made, losses, dict.fromkeys(heads, 1.0), roles or {})


def batch(inputs, targets=None, valid=None, rows=None):
    targets = targets or {}
    valid = valid or {name: torch.ones(len(inputs), dtype=torch.bool) for name in targets}
    return contracts.Batch(inputs, torch.arange(len(inputs)) if rows is None else rows, targets, valid)


def take(whole, rows, step=0):
    targets = {name: values[rows] for name, values in whole.targets.items()}
    valid = {name: values[rows] for name, values in whole.valid.items()}
    return contracts.Batch(whole.inputs[rows], rows, targets, valid, 1009 * step + rows)


def train(
    net, data, seed, scenario=None, auxiliary=None, weighting=None, draw=None, steps=200, size=32, lr=0.01, decay=0.0
):
    """Train and give the network that is kept.

    Args:
        net: encoder and heads as they start.
        data: role -> all samples.
        seed: of the batches and of own layers.
        scenario: supervised by default.
        auxiliary: one term that is added.
        weighting: of the heads' losses.
        draw: sampler and the group of each row, for all roles; None for shuffled rows.
        steps: optimizer steps.
        size: samples a batch.
        lr: learning rate of Adam.
        decay: weight decay of Adam.
    """
    scenario = scenario or Supervised()
    torch.manual_seed(1000 + seed)
    learners = [one for one in (scenario, weighting, auxiliary) if one is not None]
    inputs = contracts.Inputs(1, tuple(next(iter(data.values())).inputs.shape[2:]))
    owned = [(one, one.build(net, inputs)) for one in learners]
    groups = [{"params": [*net.encoder.parameters(), *net.heads.parameters()]}]
    known = {id(parameter) for parameter in groups[0]["params"]}
    for learner, module in owned:
        own = [] if module is None else [p for p in module.parameters() if p.requires_grad and id(p) not in known]
        if own:
            plain = decay if learner.weight_decay is None else learner.weight_decay
            groups.append({"params": own, "lr": lr * learner.rate, "weight_decay": plain})
    if auxiliary is not None:
        auxiliary.begin(net.encoder, {name: value.clone() for name, value in net.encoder.network.state_dict().items()})
    optimizer = torch.optim.Adam(groups, lr=lr, weight_decay=decay)
    modules = [net.encoder, net.heads, *(module for _, module in owned if module is not None)]
    for module in modules:
        module.train()
    orders = {role: _passes(len(whole.rows), seed, number, draw) for number, (role, whole) in enumerate(data.items())}
    for step in range(steps):
        batches = {}
        for role, whole in data.items():
            rows = [next(orders[role]) for _ in range(min(scenario.samples(role, size), len(whole.rows)))]
            batches[role] = take(whole, torch.tensor(rows), step)
        _step(net, batches, scenario, auxiliary, weighting, optimizer, step, steps)
    for module in modules:
        module.eval()
    kept = scenario.result(net)
    kept.encoder.eval()
    return kept


def _passes(rows, seed, number, draw):
    generator = torch.Generator().manual_seed(97 * seed + number)
    while True:
        if draw is None:
            yield from torch.randperm(rows, generator=generator).tolist()
        else:
            yield from draw[0].order(draw[1], generator).tolist()


def _step(net, batches, scenario, auxiliary, weighting, optimizer, step, steps):
    terms, context = scenario.terms(net, batches, step, step / steps)
    heads = {name: term for name, term in terms.items() if name in net.heads}
    others = [term for name, term in terms.items() if name not in net.heads]
    if weighting is not None:
        heads = weighting.combine(heads)
    if auxiliary is not None:
        others.append(auxiliary.loss(context))
    optimizer.zero_grad()
    if weighting is not None and weighting.surgery:
        weighting.accumulate(heads, torch.stack(others).sum() if others else None, list(net.encoder.parameters()))
    else:
        torch.stack([*heads.values(), *others]).sum().backward()
    optimizer.step()
    for learner in (scenario, weighting, auxiliary):
        if learner is not None:
            learner.after_step(net, (step + 1) / steps)


@torch.no_grad()
def accuracy(net, inputs, truth, head="sex"):
    """Give the share of right classes."""
    return float((net.heads[head](net.encoder(inputs)).argmax(1) == truth).double().mean())


@torch.no_grad()
def r2(net, inputs, truth, head="age"):
    """Give 1 - SSE / SST."""
    error = (net.heads[head](net.encoder(inputs))[:, 0] - truth).square().sum()
    return float(1 - error / (truth - truth.mean()).square().sum())


def wins(better, worse):
    """Say whether the paired mean difference is over two standard errors; prints every seed."""
    gains = torch.tensor(better, dtype=torch.float64) - torch.tensor(worse, dtype=torch.float64)
    error = float(gains.std() / math.sqrt(len(gains)))
    print("  ".join(f"{a:.3f}/{b:.3f}" for a, b in zip(better, worse, strict=True)))
    print(f"gain {float(gains.mean()):.3f}, standard error {error:.3f}")
    return float(gains.mean()) > 2 * error and float(gains.mean()) > 0


class Jitter(contracts.Augmentation):
    """Noise of a fixed size: of two numbers there is no spread to measure it by."""

    def __init__(self, sd):
        self.sd = sd

    def apply(self, inputs, draws):
        return inputs + self.sd * draws.normal(1, *inputs.shape[1:])
