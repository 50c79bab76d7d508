"""Objectives, the elastic penalty, schedules and metrics against closed forms and other implementations."""

import itertools
import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from torch import nn

from tlimb.components import contracts
from tlimb.components.auxiliaries.l2_sp import L2SP
from tlimb.components.contracts import TargetFacts
from tlimb.components.metrics.accuracy import Accuracy
from tlimb.components.metrics.auroc import AUROC
from tlimb.components.metrics.balanced_accuracy import BalancedAccuracy
from tlimb.components.metrics.cross_entropy import CrossEntropy
from tlimb.components.metrics.mae import MAE
from tlimb.components.metrics.mse import MSE
from tlimb.components.metrics.r2 import R2
from tlimb.components.objectives.classification import Classification
from tlimb.components.objectives.regression import Regression
from tlimb.components.schedulers.cosine import Cosine
from tlimb.components.schedulers.one_cycle import OneCycle
from tlimb.testing.learning import tiny_network

AGE = TargetFacts("age", (), (), 50.0, 20.0)
SEX = TargetFacts("sex", ("F", "M"), (90, 10))


def test_regression_predicts_in_the_targets_unit_and_loses_in_standard_deviations():
    objective = Regression(AGE, target="age")
    outputs = torch.tensor([[0.0], [1.0]])
    assert objective.predict(outputs).tolist() == [50.0, 70.0]
    loss = objective.loss(outputs, torch.tensor([50.0, 90.0]), torch.tensor([True, True]))
    assert math.isclose(loss.item(), 0.5)


def test_a_new_head_predicts_the_training_mean_and_the_training_shares():
    features = torch.zeros(1, 4)
    head = nn.Linear(4, 1)
    objective = Regression(AGE, target="age")
    objective.initialise(head)
    assert objective.predict(head(features)).item() == 50.0
    two = nn.Linear(4, 2)
    classes = Classification(SEX, target="sex")
    classes.initialise(two)
    assert torch.allclose(classes.predict(two(features)), torch.tensor([[0.9, 0.1]], dtype=torch.float64))


def test_balanced_weights_are_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    labels = [0] * 90 + [1] * 10
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    objective = Classification(SEX, target="sex", class_weights="balanced")
    outputs, valid = torch.zeros(2, 2), torch.tensor([True, True])
    loss = objective.loss(outputs, torch.tensor([0, 1]), valid)
    assert math.isclose(loss.item(), math.log(2) * expected.mean(), rel_tol=1e-6)


THREE = TargetFacts("diagnosis", ("AD", "HC", "MCI"), (20, 50, 30), None, None)
WEIGHTS = {"HC": 1.0, "AD": 3.0, "MCI": 0.5}


def test_weights_by_class_are_torchs_weighted_cross_entropy_over_the_training_part():
    torch.manual_seed(0)
    targets = torch.tensor([0] * 20 + [1] * 50 + [2] * 30)
    outputs = torch.randn(100, 3, dtype=torch.float64)
    objective = Classification(THREE, target="diagnosis", class_weights=WEIGHTS)
    by_class = torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64)
    everybody = torch.ones(100, dtype=torch.bool)
    expected = torch.nn.functional.cross_entropy(outputs, targets, weight=by_class)
    assert objective.loss(outputs, targets, everybody).item() == pytest.approx(expected.item(), rel=1e-6)
    # Of a batch it is the same weights over the number of samples, so that parts of a batch add up.
    mean = (20 * 3 + 50 * 1 + 30 * 0.5) / 100
    of_batch = torch.nn.functional.cross_entropy(outputs[:30], targets[:30], weight=by_class, reduction="sum")
    found = objective.loss(outputs[:30], targets[:30], everybody[:30])
    assert found.item() == pytest.approx(of_batch.item() / (30 * mean), rel=1e-6)


def test_only_ratios_of_weights_count_and_inverse_shares_are_balanced():
    outputs, targets, valid = torch.randn(3, 3), torch.tensor([0, 1, 2]), torch.ones(3, dtype=torch.bool)
    inverse = {"AD": 1 / 20, "HC": 1 / 50, "MCI": 1 / 30}
    made = [inverse, {name: 700 * one for name, one in inverse.items()}, "balanced"]
    found = [Classification(THREE, target="diagnosis", class_weights=one).loss(outputs, targets, valid) for one in made]
    assert torch.allclose(torch.stack(found), found[0])
    plain = Classification(THREE, target="diagnosis").loss(outputs, targets, valid)
    same = Classification(THREE, target="diagnosis", class_weights=dict.fromkeys(WEIGHTS, 4.0))
    assert torch.allclose(same.loss(outputs, targets, valid), plain)


@pytest.mark.parametrize("weights", [None, "balanced", WEIGHTS])
def test_the_untrained_bias_is_where_the_weighted_loss_has_no_gradient(weights):
    objective = Classification(THREE, target="diagnosis", class_weights=weights)
    head = torch.nn.Linear(4, 3)
    objective.initialise(head)
    bias = head.bias.detach().clone().requires_grad_(True)
    targets = torch.tensor([0] * 20 + [1] * 50 + [2] * 30)
    objective.loss(bias.expand(100, 3), targets, torch.ones(100, dtype=torch.bool)).backward()
    assert bias.grad.abs().max() < 1e-6


def test_a_class_without_a_weight_is_refused():
    with pytest.raises(ValueError, match="nothing for 1 of the classes"):
        Classification(THREE, target="diagnosis", class_weights={"AD": 3.0, "HC": 1.0})


def test_an_output_that_is_not_finite_where_the_label_is_missing_reaches_no_gradient():
    outputs = torch.tensor([[1.0, 0.0], [math.nan, math.inf]], requires_grad=True)
    Classification(SEX, target="sex").loss(outputs, torch.tensor([0, 0]), torch.tensor([True, False])).backward()
    assert torch.isfinite(outputs.grad).all()


class _Linear(contracts.Encoder):
    def __init__(self, width):
        super().__init__()
        self.network = nn.Linear(width, 1, bias=False).double()

    def forward(self, inputs):
        return self.network(inputs)


def fitted_distance(alpha, weight):
    """Fit linear regression with the penalty and give the distance from the closed form for alpha."""
    rng = np.random.default_rng(0)
    x, y, start = rng.normal(size=(40, 5)), rng.normal(size=40), rng.normal(size=5)
    closed = np.linalg.solve(x.T @ x / 40 + alpha * np.eye(5), x.T @ y / 40 + alpha * start)
    encoder = _Linear(5)
    first = {"weight": torch.tensor(start)[None]}
    encoder.network.load_state_dict(first)
    penalty = L2SP(alpha=alpha, beta=0.0, weight=weight)
    penalty.begin(encoder, dict(encoder.network.state_dict()))
    inputs, targets = torch.tensor(x), torch.tensor(y)
    # torch's own tolerance_change of 1e-9 stops at a distance of 1e-6, which would hide as much.
    settings = {"max_iter": 500, "tolerance_grad": 1e-14, "tolerance_change": 1e-16}
    optimizer = torch.optim.LBFGS(encoder.parameters(), line_search_fn="strong_wolfe", **settings)

    def closure():
        optimizer.zero_grad()
        context = contracts.StepContext(encoder, {}, {}, {}, {}, 0, 0.0)
        loss = (encoder(inputs)[:, 0] - targets).square().mean() / 2 + penalty.loss(context)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(np.abs(encoder.network.weight.detach().numpy()[0] - closed).max())


@pytest.mark.parametrize("alpha", [0.01, 0.1, 1.0, 100.0])
def test_the_elastic_penalty_reaches_its_closed_form_and_not_at_weight_0(alpha):
    assert fitted_distance(alpha, weight=1.0) < 1e-7
    assert fitted_distance(alpha, weight=0.0) > 1e-3


@pytest.mark.parametrize("kept", [True, False])
def test_a_kept_head_is_pulled_to_its_parent_by_alpha_and_a_new_one_to_zero_by_beta(kept):
    rng = np.random.default_rng(1)
    x, y, start = rng.normal(size=(40, 5)), rng.normal(size=40), rng.normal(size=5)
    alpha, beta = 0.3, 0.7
    strength, anchor = (alpha, start) if kept else (beta, np.zeros(5))
    closed = np.linalg.solve(x.T @ x / 40 + strength * np.eye(5), x.T @ y / 40 + strength * anchor)
    encoder = _Linear(5)
    encoder.requires_grad_(False)
    head = nn.Linear(5, 1, bias=False).double()
    with torch.no_grad():
        head.weight.copy_(torch.tensor(start)[None])
    penalty = L2SP(alpha=alpha, beta=beta)
    penalty.begin(encoder, dict(encoder.network.state_dict()))
    if kept:
        penalty.keep({"age.weight": head.weight})
    context = contracts.StepContext(encoder, {"age": head}, {}, {}, {}, 0, 0.0)
    settings = {"max_iter": 500, "tolerance_grad": 1e-14, "tolerance_change": 1e-16}
    optimizer = torch.optim.LBFGS(head.parameters(), line_search_fn="strong_wolfe", **settings)

    def closure():
        optimizer.zero_grad()
        error = (head(torch.tensor(x))[:, 0] - torch.tensor(y)).square().mean() / 2
        loss = error + penalty.loss(context)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert np.abs(head.weight.detach().numpy()[0] - closed).max() < 1e-7


def context_of(network):
    return contracts.StepContext(network.encoder, network.heads, {}, {}, {}, 0, 0.0)


def test_the_elastic_penalty_keeps_copies_of_live_tensors():
    network, _ = tiny_network()
    penalty = L2SP(alpha=2.0, beta=0.0)
    penalty.begin(network.encoder, dict(network.encoder.network.named_parameters()))
    assert penalty.loss(context_of(network)).item() == 0
    with torch.no_grad():
        for parameter in network.encoder.parameters():
            parameter.add_(0.5)
    count = sum(parameter.numel() for parameter in network.encoder.parameters())
    assert math.isclose(penalty.loss(context_of(network)).item(), 2.0 / 2 * count * 0.25, rel_tol=1e-5)


def test_new_layers_are_pulled_to_zero_and_norms_can_be_left_out():
    network, _ = tiny_network()
    state = {name: tensor.clone() for name, tensor in network.encoder.network.state_dict().items()}
    penalty = L2SP(alpha=1.0, beta=3.0, norm="exclude")
    penalty.begin(network.encoder, state)
    with torch.no_grad():
        network.encoder.network[1].weight.add_(10)
    squares = sum(parameter.square().sum().item() for parameter in network.heads.parameters())
    assert math.isclose(penalty.loss(context_of(network)).item(), 1.5 * squares, rel_tol=1e-5)


def test_the_elastic_penalty_without_a_parent_is_refused():
    network, _ = tiny_network()
    with pytest.raises(ValueError, match="transferred"):
        L2SP(alpha=1.0).begin(network.encoder, {})


def rates(component, steps):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.4)
    schedule = component.build(optimizer, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("steps", [3, 10, 57])
def test_one_cycle_is_torchs(steps):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.4)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.4, total_steps=steps, cycle_momentum=False)
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    if 0.3 * steps - 1 > 0:
        assert np.allclose(rates(OneCycle(), steps), expected, rtol=1e-9)
    else:
        assert rates(OneCycle(), steps)[0] == 0.4


def test_cosine_rises_and_falls():
    found = rates(Cosine(warmup_steps=4), 12)
    assert np.allclose(found[:5], [0.1, 0.2, 0.3, 0.4, 0.4])
    assert np.allclose(found[8], 0.2)
    assert all(later < earlier for earlier, later in itertools.pairwise(found[4:]))


def test_multiclass_auroc_is_scikit_learns_macro_one_against_rest():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 4, 80)
    raw = rng.random((80, 4)) + np.eye(4)[targets] * 0.4
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    expected = sklearn.metrics.roc_auc_score(targets, probabilities, multi_class="ovr", average="macro")
    assert math.isclose(AUROC().compute(targets, probabilities), expected)
    assert math.isnan(AUROC().compute(targets[targets < 3], probabilities[targets < 3]))


def test_metrics_are_nan_where_they_are_undefined():
    one_class, probabilities = np.zeros(5, int), np.tile([0.8, 0.2], (5, 1))
    assert math.isnan(AUROC().compute(one_class, probabilities))
    assert math.isnan(BalancedAccuracy().compute(one_class, probabilities))
    assert math.isnan(R2().compute(np.full(4, 3.0), np.arange(4.0)))
    assert math.isnan(R2().compute(np.ones(1), np.ones(1)))


@pytest.mark.parametrize(
    ("metric", "theirs"),
    [
        (Accuracy(), lambda targets, found: sklearn.metrics.accuracy_score(targets, found.argmax(axis=1))),
        (MAE(), sklearn.metrics.mean_absolute_error),
        (MSE(), sklearn.metrics.mean_squared_error),
    ],
)
def test_metrics_that_are_a_plain_mean_are_scikit_learns_to_the_bit(metric, theirs):
    draw = np.random.default_rng(7)
    for count in (1, 2, 7, 8, 9, 127, 128, 129, 1000, 4097):
        if metric.kind == "class":
            targets, found = draw.integers(0, 3, count), draw.random((count, 3))
        else:
            targets, found = draw.normal(50, 20, count), draw.normal(50, 20, count)
        assert metric.compute(targets, found) == theirs(targets, found)


def test_balanced_accuracy_does_not_reward_the_majority():
    targets = np.array([0] * 95 + [1] * 5)
    assert BalancedAccuracy().compute(targets, np.tile([0.9, 0.1], (100, 1))) == 0.5


def test_cross_entropy_is_the_mean_negative_logarithm():
    probabilities = np.array([[0.25, 0.75], [0.5, 0.5]])
    assert math.isclose(CrossEntropy().compute(np.array([1, 0]), probabilities), -(math.log(0.75) + math.log(0.5)) / 2)


def test_metrics_load_no_torch():
    import subprocess
    import sys

    code = "import sys, tlimb.components.metrics.mae, tlimb.components.metrics.auroc; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
