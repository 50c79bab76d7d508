"""What holds a network near its parent, or shrinks what is weak: closed forms, differences, and problems to win."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from tlimb.components import contracts
from tlimb.components.auxiliaries.bss import BSS
from tlimb.components.auxiliaries.delta import Delta
from tlimb.components.auxiliaries.l2_sp import L2SP
from tlimb.components.auxiliaries.l2_sp_fisher import L2SPFisher
from tlimb.components.contracts import Batch, Inputs, Network, StepContext, TargetFacts
from tlimb.components.objectives.regression import Regression
from tlimb.problems import TlimbError

PLAIN = TargetFacts("y", (), (), 0.0, 1.0)
"""A number that is its own standard score."""
SEEDS = range(8)


class Layers(contracts.Encoder):
    """An encoder of given layers, averaged over what is behind axis 1."""

    def __init__(self, width, **layers):
        super().__init__()
        self.network = nn.Sequential()
        for name, layer in layers.items():
            self.network.add_module(name, layer)
        self.feature_dim, self.stages = (
            width,
            tuple(n for n, one in layers.items() if any(True for _ in one.parameters())),
        )

    def forward(self, inputs):
        found = self.network(inputs)
        return found.flatten(2).mean(2) if found.dim() > 2 else found

    def channel_axis(self):
        return 1


def network_of(encoder):
    heads = nn.ModuleDict({"y": nn.Linear(encoder.feature_dim, 1)})
    return Network(encoder, heads, {"y": Regression(PLAIN, target="y")}, {"y": 1.0})


def batch_of(inputs, targets):
    return Batch(inputs, torch.arange(len(inputs)), {"y": targets}, {"y": torch.ones(len(inputs), dtype=torch.bool)})


def begun(auxiliary, network, inputs):
    """Do what the runner does before the first step."""
    auxiliary.build(network, Inputs(inputs.shape[1], tuple(inputs.shape[2:])))
    auxiliary.begin(network.encoder, {n: t.clone() for n, t in network.encoder.network.state_dict().items()})
    return auxiliary


def context_of(network, batch):
    features = network.encoder(batch.inputs)
    outputs = {name: head(features) for name, head in network.heads.items()}
    return StepContext(network.encoder, network.heads, {"data": batch}, {"data": features}, outputs, 0, 0.0)


def trained(network, batch, auxiliary, steps, lr=0.01):
    """Train on one batch all the time."""
    network = copy.deepcopy(network)
    begun(auxiliary, network, batch.inputs)
    parameters = [p for p in [*network.encoder.parameters(), *network.heads.parameters()] if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        context = context_of(network, batch)
        loss = network.objectives["y"].loss(context.outputs["y"], batch.targets["y"], batch.valid["y"])
        (loss + auxiliary.loss(context)).backward()
        optimizer.step()
    return network


def error(network, batch):
    with torch.no_grad():
        return float((context_of(network, batch).outputs["y"][:, 0] - batch.targets["y"]).square().mean())


def gain(errors):
    """Give the mean paired gain of the second over the first, in standard errors."""
    differences = np.array([without - with_ for without, with_ in errors])
    deviation = differences.std(ddof=1)
    return differences.mean() / (deviation / math.sqrt(len(differences))) if deviation else 0.0


def compared(problem, method, steps, lr):
    """Give by seed the errors without anything, with the method, and with the method at weight 0."""
    errors = []
    for seed in SEEDS:
        network, train, test = problem(seed)
        ways = (BSS(weight=0.0), method(1.0), method(0.0))
        errors.append([error(trained(network, train, way, steps, lr), test) for way in ways])
    return errors


def wins(errors):
    """Say whether the method wins, and whether it does at weight 0; prints every seed."""
    print("  ".join(f"{without:.3f}/{with_:.3f}" for without, with_, _ in errors))
    gains = np.array([without - with_ for without, with_, _ in errors])
    print(f"gain {gains.mean():.3f}, standard error {gains.std(ddof=1) / math.sqrt(len(gains)):.3f}")
    return tuple(gain([(one[0], one[place]) for one in errors]) > 2 for place in (1, 2))


# -- the elastic penalty --


def near_problem(seed):
    """A parent that is nearly right about thirty inputs, twenty people, and a head that begins anew."""
    torch.manual_seed(seed)
    network = network_of(Layers(4, linear=nn.Linear(30, 4, bias=False)))
    parent = network.encoder.network.linear.weight.detach()
    direction = nn.functional.normalize(torch.randn(4), dim=0)
    truth = 3 * direction @ (parent + 0.03 * torch.randn(4, 30))

    def draw(count):
        inputs = torch.randn(count, 30)
        return batch_of(inputs, inputs @ truth + 0.5 * torch.randn(count))

    return network, draw(20), draw(500)


def test_the_elastic_penalty_wins_where_the_parent_is_nearly_right_and_not_at_weight_0():
    errors = compared(near_problem, lambda weight: L2SP(alpha=1.0, weight=weight), 400, 0.02)
    assert wins(errors) == (True, False)


# -- the elastic penalty by Fisher information --


def test_the_fisher_information_is_the_mean_square_of_the_features_derivatives():
    torch.manual_seed(0)
    network = network_of(Layers(3, first=nn.Linear(4, 5), act=nn.Tanh(), second=nn.Linear(5, 3)))
    images = torch.randn(6, 4)
    penalty = begun(L2SPFisher(alpha=1.0, samples=3000), network, images)
    context = context_of(network, batch_of(images.repeat(500, 1), torch.zeros(3000)))
    penalty.loss(context)
    named = dict(network.encoder.network.named_parameters())

    def features(*values):
        return torch.func.functional_call(network.encoder.network, dict(zip(named, values, strict=True)), images)

    jacobians = torch.func.jacrev(features, argnums=tuple(range(len(named))))(*named.values())
    exact = {name: one.square().sum(1).mean(0) for name, one in zip(named, jacobians, strict=True)}
    mean = torch.cat([one.flatten() for one in exact.values()]).mean()
    for name, one in penalty.importance().items():
        assert torch.allclose(one, exact[name] / mean, rtol=0.15, atol=0.01), name


def test_the_fisher_penalty_is_the_elastic_one_with_each_square_multiplied():
    torch.manual_seed(1)
    network = network_of(Layers(2, linear=nn.Linear(3, 2)))
    batch = batch_of(torch.randn(8, 3), torch.zeros(8))
    penalty = begun(L2SPFisher(alpha=0.6, beta=0.2, samples=8, weight=0.5), network, batch.inputs)
    moves = {name: torch.randn_like(one) for name, one in network.encoder.network.named_parameters()}
    with torch.no_grad():
        for name, one in network.encoder.network.named_parameters():
            one.add_(moves[name])
    found = penalty.loss(context_of(network, batch)).item()
    importance = penalty.importance()
    assert math.isclose(torch.cat([one.flatten() for one in importance.values()]).mean().item(), 1.0, rel_tol=1e-5)
    pull = sum((importance[name] * moves[name].square()).sum().item() for name in moves)
    decay = sum(one.square().sum().item() for one in network.heads.parameters())
    assert math.isclose(found, 0.5 * (0.3 * pull + 0.1 * decay), rel_tol=1e-5)


def test_the_fisher_information_stays_that_of_the_parent_and_of_the_first_images():
    torch.manual_seed(2)
    network = network_of(Layers(2, linear=nn.Linear(3, 4), norm=nn.BatchNorm1d(4), act=nn.Tanh(), out=nn.Linear(4, 2)))
    first, second = (batch_of(torch.randn(4, 3), torch.zeros(4)) for _ in range(2))

    def importance(moved, batches):
        changed = copy.deepcopy(network)
        penalty = begun(L2SPFisher(alpha=1.0, samples=6), changed, first.inputs)
        for batch in batches:
            penalty.loss(context_of(changed, batch))
            if moved:
                with torch.no_grad():
                    for one in changed.encoder.parameters():
                        one.add_(torch.randn_like(one))
        return penalty.importance()

    still, moved = importance(False, [first, second]), importance(True, [first, second, first])
    assert all(torch.equal(still[name], moved[name]) for name in still)
    # The seventh image on would count if the limit were not kept; the sixth does.
    assert any(not torch.equal(still[name], one) for name, one in importance(False, [first]).items())


def fisher_problem(seed):
    """Twenty loud inputs that the parent knows, five quiet ones that it does not: which weights may move?"""
    torch.manual_seed(seed)
    scale = torch.cat([torch.ones(20), torch.full((5,), 0.1)])
    truth = torch.cat([torch.randn(20) / 4, torch.randn(5) * 4])
    known = torch.where(scale == 1, truth, 0.0)
    network = network_of(Layers(3, linear=nn.Linear(25, 3, bias=False)))
    network.heads.requires_grad_(False)
    head = network.heads["y"]
    with torch.no_grad():
        head.bias.zero_()
        head.weight.copy_(torch.tensor([[1.0, -0.5, 0.5]]))
        network.encoder.network.linear.weight.copy_(torch.linalg.pinv(head.weight) @ known[None])

    def draw(count):
        inputs = torch.randn(count, 25) * scale
        return batch_of(inputs, inputs @ truth + 0.5 * torch.randn(count))

    return network, draw(30), draw(500)


def test_the_fisher_penalty_wins_where_quiet_weights_must_move_and_not_at_weight_0():
    errors = compared(fisher_problem, lambda weight: L2SPFisher(alpha=0.5, samples=30, weight=weight), 250, 0.02)
    assert wins(errors) == (True, False)
    equal = compared(fisher_problem, lambda weight: L2SP(alpha=0.5, weight=weight), 250, 0.02)
    assert gain([(theirs[1], ours[1]) for ours, theirs in zip(errors, equal, strict=True)]) > 2


# -- feature maps --


@pytest.mark.parametrize(
    ("layer", "shape"), [(nn.Linear, ()), (nn.Conv1d, (9,)), (nn.Conv2d, (5, 4)), (nn.Conv3d, (4, 3, 5))]
)
def test_a_shift_of_a_channel_costs_its_square_whatever_the_image_and_the_batch(layer, shape):
    torch.manual_seed(3)
    kernel = (3,) if shape else ()
    network = network_of(Layers(4, layer=layer(2, 4, *kernel)))
    inputs, shift = torch.randn(5, 2, *shape), torch.tensor([0.5, 0.0, -1.0, 2.0])
    delta = begun(Delta(weight=0.6, attention="equal"), network, inputs)
    bias = network.encoder.network.layer.bias
    with torch.no_grad():
        bias.add_(shift)
    for count in (1, 3):
        batch = batch_of(inputs.repeat(count, *[1] * (inputs.dim() - 1)), torch.zeros(5 * count))
        loss = delta.loss(context_of(network, batch))
        assert math.isclose(loss.item(), 0.3 * shift.square().sum().item(), rel_tol=1e-5)
        (slope,) = torch.autograd.grad(loss, bias)
        assert torch.allclose(slope, 0.6 * shift, atol=1e-5)


def test_the_attention_is_the_softmax_of_how_much_the_loss_rises_without_a_channel():
    torch.manual_seed(4)
    network = network_of(Layers(3, layer=nn.Conv1d(1, 3, 3)))
    batch = batch_of(torch.randn(10, 1, 8), torch.randn(10))
    delta = begun(Delta(samples=6), network, batch.inputs)
    before = context_of(network, batch)
    with torch.no_grad():
        network.heads["y"].weight.add_(1)  # heads that move later change nothing
    delta.loss(context_of(network, batch))
    with torch.no_grad():
        network.heads["y"].weight.sub_(1)
        weight, features = network.heads["y"].weight[0], before.features["data"][:6]
        wrong = before.outputs["y"][:6, 0] - batch.targets["y"][:6]
        plain = wrong.square().mean()
        rises = torch.stack([(wrong - features[:, c] * weight[c]).square().mean() - plain for c in range(3)])
        scale = network.objectives["y"].loss(before.outputs["y"], batch.targets["y"], batch.valid["y"])
        assert scale > 0
    standard = (rises - rises.mean()) / rises.std(correction=0)
    expected = 3 * (standard / 5).softmax(0)
    assert torch.allclose(delta._parent.attention()["layer"], expected, rtol=1e-4)


def test_only_training_passes_of_the_trained_encoder_are_compared():
    torch.manual_seed(5)
    network = network_of(Layers(3, layer=nn.Conv1d(1, 3, 3)))
    batch = batch_of(torch.randn(4, 1, 8), torch.zeros(4))
    delta = begun(Delta(attention="equal", weight=1.0), network, batch.inputs)
    copied = copy.deepcopy(network.encoder)
    with torch.no_grad():
        network.encoder.network.layer.bias.add_(1)
        network.encoder(100 * batch.inputs)
    copied(batch.inputs)
    assert math.isclose(delta.loss(context_of(network, batch)).item(), 1.5, rel_tol=1e-5)


def delta_problem(seed):
    """A parent that learned three filters from many series; a related target with 16."""
    torch.manual_seed(seed)
    relu = nn.ReLU()
    network = network_of(Layers(8, first=nn.Conv1d(1, 8, 5), act=relu, second=nn.Conv1d(8, 8, 3), out=relu))
    filters = torch.randn(3, 1, 5)

    def draw(count, mix, noise):
        inputs = torch.randn(count, 1, 24)
        hidden = nn.functional.conv1d(inputs, filters).relu().mean(2)
        return batch_of(inputs, (hidden - 1) * 3 @ torch.tensor(mix) + noise * torch.randn(count))

    parent = trained(network, draw(400, [1.0, -1.0, 0.5], 0.5), BSS(weight=0.0), 200)
    return parent, draw(16, [1.0, -0.8, 0.8], 1.0), draw(500, [1.0, -0.8, 0.8], 0.5)


def test_near_feature_maps_win_with_few_labels_of_a_related_task_and_not_at_weight_0():
    errors = compared(delta_problem, lambda weight: Delta(weight=weight, samples=16), 150, 0.01)
    assert wins(errors) == (True, False)


# -- singular values --


def spectral(features, k):
    network = network_of(Layers(features.shape[1], layer=nn.Identity()))
    bss = begun(BSS(k=k, weight=0.5), network, features)
    return bss.loss(StepContext(network.encoder, {}, {}, {"data": features}, {}, 0, 0.0))


def test_the_smallest_singular_values_are_squared_and_summed_and_so_is_their_gradient():
    torch.manual_seed(6)
    left, right = torch.linalg.qr(torch.randn(9, 6))[0], torch.linalg.qr(torch.randn(6, 6))[0]
    values = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0, 0.5])
    features = (left * values @ right.T).requires_grad_()
    loss = spectral(features, 2)
    assert math.isclose(loss.item(), 0.5 * (1.0 + 0.25), rel_tol=1e-4)
    loss.backward()
    assert torch.allclose(features.grad, left[:, 4:] * values[4:] @ right[:, 4:].T, atol=1e-4)


def test_a_step_of_too_few_samples_adds_nothing_and_too_few_features_are_refused():
    few = torch.randn(3, 6, requires_grad=True)
    loss = spectral(few, 2)
    loss.backward()
    assert loss.item() == 0
    assert not few.grad.any()
    with pytest.raises(TlimbError, match="`k: 4` needs 8 features; the encoder gives 6"):
        spectral(torch.randn(20, 6), 4)


def spectral_problem(seed):
    """Features with four strong directions, two of which tell the target, and twelve weak ones of noise."""
    torch.manual_seed(seed)
    network = network_of(Layers(16, linear=nn.Linear(16, 16, bias=False)))
    sizes = torch.cat([torch.full((4,), 2.0), torch.full((12,), 0.4)])
    basis = torch.linalg.qr(torch.randn(16, 16))[0]
    with torch.no_grad():
        network.encoder.network.linear.weight.copy_(sizes[:, None] * basis)
        network.heads["y"].weight.zero_()
        network.heads["y"].bias.zero_()

    def draw(count):
        inputs = torch.randn(count, 16)
        return batch_of(inputs, inputs @ (basis[0] - basis[1]) + 0.7 * torch.randn(count))

    return network, draw(24), draw(500)


def test_shrinking_weak_directions_wins_where_they_are_noise_and_not_at_weight_0():
    assert wins(compared(spectral_problem, lambda weight: BSS(k=8, weight=weight), 150, 0.005)) == (True, False)
