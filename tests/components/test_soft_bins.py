"""Soft bins: labels, loss and prediction against closed forms, and a toy that learns."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from tlimb.components.contracts import TargetFacts
from tlimb.components.objectives.soft_bins import SoftBins
from tlimb.problems import ExitCode, TlimbError
from tlimb.training.network.networks import refuse_targets

AGE = TargetFacts("age", (), (), 60.0, 8.0)


def sfcn_bins(**options):
    return SoftBins(AGE, target="age", low=42, high=82, **options)


def soft(age, sigma=1.0):
    """Give scipy's normal distribution over 40 bins of a year from 42, and what of it lies inside."""
    edges = np.arange(42, 83)
    share = np.diff(scipy.stats.norm.cdf(edges, age, sigma))
    return share / share.sum(), share.sum()


def test_the_bins_are_those_of_sfcn():
    objective = sfcn_bins()
    assert objective.outputs == 40
    one_hot = torch.full((40, 40), -1e3).fill_diagonal_(1e3)
    assert objective.predict(one_hot).tolist() == [42.5 + index for index in range(40)]
    assert objective.predict(torch.zeros(1, 40)).item() == pytest.approx(62.0)


@pytest.mark.parametrize("age", [42.0, 42.3, 60.5, 81.9, 82.0])
@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_the_loss_is_scipys_divergence_also_at_the_edges(age, sigma):
    outputs = torch.randn(1, 40, generator=torch.Generator().manual_seed(0))
    expected = scipy.stats.entropy(soft(age, sigma)[0], outputs.double().softmax(dim=1)[0].numpy())
    loss = sfcn_bins(sigma=sigma).loss(outputs, torch.tensor([age]), torch.tensor([True]))
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_nothing_is_lost_at_the_edge_where_half_of_the_label_would_be():
    assert soft(42.0)[1] == pytest.approx(0.5)
    right = torch.tensor(soft(42.0)[0]).clamp(min=1e-30).log()[None].float()
    loss = sfcn_bins().loss(right, torch.tensor([42.0]), torch.tensor([True]))
    assert abs(loss.item()) < 1e-6


def test_the_gradient_is_the_predicted_minus_the_soft_label():
    outputs = torch.randn(3, 40, dtype=torch.float64, requires_grad=True)
    ages, valid = torch.tensor([50.2, 61.0, math.nan]), torch.tensor([True, True, False])
    sfcn_bins().loss(outputs, ages, valid).backward()
    labels = torch.tensor(np.stack([soft(float(np.float32(50.2)))[0], soft(61.0)[0]]))
    assert torch.allclose(outputs.grad[:2], (outputs[:2].softmax(dim=1) - labels).detach() / 2, atol=1e-7)
    assert not outputs.grad[2].any()


def test_an_untrained_head_predicts_about_the_training_mean():
    head = nn.Linear(4, 40)
    objective = sfcn_bins()
    objective.initialise(head)
    given = head(torch.zeros(1, 4))
    assert objective.predict(given).item() == pytest.approx(60.0, abs=0.3)
    spread = (given.double().softmax(dim=1) @ (torch.arange(40) + 42.5 - 60.0).double().square()).sqrt()
    assert spread.item() == pytest.approx(8.0, abs=0.5)


def test_labels_outside_are_refused_with_how_many_and_none_of_them():
    ages = torch.tensor([41.9, 50.0, 82.0, 95.0, 20.0])
    valid = torch.tensor([True, True, True, True, False])
    with pytest.raises(ValueError, match="2 of 4 people have values of `age` outside 42 to 82") as caught:
        sfcn_bins().refuse(ages, valid)
    assert "95" not in str(caught.value)
    sfcn_bins().refuse(ages[1:3], valid[1:3])


def test_a_run_ends_before_its_first_step_where_planning_could_not_see_the_labels():
    inside = {"age": (torch.tensor([50.0]), torch.tensor([True]))}
    outside = {"age": (torch.tensor([50.0, 90.0]), torch.tensor([True, True]))}
    refuse_targets({"age": sfcn_bins()}, [inside, inside])
    with pytest.raises(TlimbError) as caught:
        refuse_targets({"age": sfcn_bins()}, [inside, outside])
    assert (caught.value.problems[0].code, caught.value.exit_code) == ("out-of-bins", ExitCode.DATA)


@pytest.mark.parametrize("options", [{"high": 82.5}, {"high": 43}, {"high": 40}])
def test_bins_that_do_not_divide_the_range_are_refused(options):
    with pytest.raises(ValueError, match="change low or high"):
        SoftBins(AGE, target="age", **{"low": 42, "high": 82, **options})


def fitted_error(seed, weight):
    """Train a linear head on features that hold the age, and give the mean absolute error in years."""
    generator = torch.Generator().manual_seed(seed)
    ages = 44 + 36 * torch.rand(200, generator=generator)
    places = torch.linspace(40, 84, 12)
    features = torch.exp(-(((ages[:, None] - places) / 4) ** 2))
    torch.manual_seed(seed)
    objective, head = SoftBins(AGE, target="age", low=42, high=82, sigma=2.0), nn.Linear(12, 40)
    objective.initialise(head)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        (weight * objective.loss(head(features[:100]), ages[:100], torch.ones(100, dtype=torch.bool))).backward()
        optimizer.step()
    return float((objective.predict(head(features[100:])).detach() - ages[100:]).abs().mean())


def test_soft_bins_learn_an_age_that_the_features_hold_and_nothing_at_weight_0():
    gains = np.array([fitted_error(seed, 0.0) - fitted_error(seed, 1.0) for seed in range(8)])
    assert gains.mean() > 2 * gains.std(ddof=1) / math.sqrt(8)
    assert gains.mean() > 5
    assert fitted_error(0, 1.0) < 2
