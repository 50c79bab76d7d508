"""What images teach by themselves: closed forms, and features that a few labels are enough for."""

import math

import numpy as np
import pytest
import torch
import toys

from tlimb.components import contracts
from tlimb.components.collapse import collapsed, effective_rank, measured, spread
from tlimb.components.contrast import contrast, view
from tlimb.components.objectives.masked_reconstruction import MaskedReconstruction
from tlimb.components.objectives.reconstruction import Reconstruction
from tlimb.components.objectives.simclr import SimCLR
from tlimb.components.objectives.y_aware import YAware
from tlimb.components.reconstruction import Decoder, patches_masked, squared_error

FACTS = contracts.TargetFacts()


def views(count=5, width=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(count, width, generator=generator) for _ in range(2))


def by_hand(first, second, temperature, weights):
    """Give the contrastive loss by the double sum of its definition."""
    embeddings = [e / np.linalg.norm(e) for e in [*first.double().numpy(), *second.double().numpy()]]
    count, total = len(first), 0.0
    for a in range(2 * count):
        others = [b for b in range(2 * count) if b != a]
        whole = sum(math.exp(embeddings[a] @ embeddings[b] / temperature) for b in others)
        shares = np.array([weights[a % count, b % count] for b in others])
        logs = np.array([embeddings[a] @ embeddings[b] / temperature - math.log(whole) for b in others])
        total -= (shares / shares.sum() * logs).sum()
    return total / (2 * count)


def test_the_contrastive_loss_is_nt_xent():
    first, second = views()
    assert float(contrast(first, second, 0.3)) == pytest.approx(by_hand(first, second, 0.3, np.eye(5)), rel=1e-5)


def test_the_y_aware_loss_is_its_formula_and_its_weights_sum_to_one():
    first, second = views()
    ages, known = torch.tensor([20.0, 22, 50, 51, 80]), torch.ones(5, dtype=torch.bool)
    alike = YAware(FACTS, target="age", sigma=3.0).alike(ages, known)
    expected = np.exp(-((ages[:, None] - ages[None]).numpy() ** 2) / (2 * 9))
    assert np.allclose(alike.numpy(), expected, atol=1e-6)
    assert float(contrast(first, second, 0.2, alike)) == pytest.approx(by_hand(first, second, 0.2, expected), rel=1e-5)


@pytest.mark.parametrize(("sigma", "valid"), [(1e-3, True), (5.0, False)])
def test_with_a_tiny_sigma_or_without_ages_y_aware_is_simclr(sigma, valid):
    first, second = views()
    ages = torch.tensor([20.0, 22, 50, 51, 80]) if valid else torch.full((5,), torch.nan)
    alike = YAware(FACTS, target="age", sigma=sigma).alike(ages, torch.full((5,), valid))
    assert torch.equal(alike, torch.eye(5))
    assert torch.equal(contrast(first, second, 0.2, alike), contrast(first, second, 0.2))


def test_the_spread_is_one_for_all_directions_and_zero_for_one():
    generator = torch.Generator().manual_seed(0)
    assert float(spread(torch.randn(2000, 16, generator=generator))) == pytest.approx(1.0, abs=0.02)
    assert float(spread(torch.ones(50, 16))) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("count", [2, 5])
def test_the_spread_of_a_small_batch_is_that_of_a_large_one_on_average(count):
    generator = torch.Generator().manual_seed(0)
    found = [float(spread(torch.randn(count, 64, generator=generator))) for _ in range(400)]
    # The square root of an unbiased variance is a little too small: c4(2) = .798, c4(5) = .940.
    assert np.mean(found) == pytest.approx({2: 0.798, 5: 0.940}[count], abs=0.01)
    assert measured(torch.randn(1, 64)) == {}


def test_the_effective_rank_is_that_of_its_definition():
    axes = torch.eye(4)
    assert float(effective_rank(axes)) == pytest.approx(4.0)
    assert float(effective_rank(axes[:2].repeat(8, 1))) == pytest.approx(2.0)
    line = torch.randn(1, 4) * torch.tensor([1.0, -2.0, 3.0])[:, None]
    assert float(effective_rank(line)) == pytest.approx(1.0, abs=1e-3)
    # Two of one axis and one of another: singular values sqrt(2) and 1.
    shares = np.array([2**0.5, 1]) / (2**0.5 + 1)
    assert float(effective_rank(axes[[0, 0, 1]])) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-5)


def noted(seed, lr, negatives=True):
    """Train simclr on 300 people of 24 numbers, and give what the last batch notes."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(300, 1, 24, generator=generator)
    torch.manual_seed(seed)
    objective = SimCLR(FACTS, temperature=0.2, augment=[toys.Jitter(0.3)])
    net = toys.network(toys.Net(24, 8, (32,)), {"views": (objective, 0)}, inputs=contracts.Inputs(1, (24,)))
    if not negatives:
        attracted = toys.network(
            toys.Net(24, 8, (32,)), {"views": (Attract(FACTS), 0)}, inputs=contracts.Inputs(1, (24,))
        )
        net.objectives["views"] = attracted.objectives["views"]
    toys.train(net, {"data": toys.batch(inputs)}, seed, steps=200, size=64, lr=lr)
    whole = toys.take(toys.batch(inputs), torch.arange(64))
    _, notes = net.objectives["views"].term(net.encoder, net.heads["views"], whole)
    return {f"views {name}": float(value) for name, value in notes.items()}


class Attract(SimCLR):
    """Pull two views together, and push nothing apart: the classical way to collapse."""

    def term(self, encode, head, batch, name=None):
        first, second = (head(encode(view(batch.inputs, batch.seeds, [toys.Jitter(0.3)], n))) for n in range(2))
        return (first - second).square().sum(1).mean(), measured(first)


@pytest.mark.parametrize("seed", range(4))
def test_what_pulls_without_pushing_collapses_and_is_told_and_contrast_does_not(seed):
    assert not list(collapsed(noted(seed, lr=0.01)))
    (said, *_) = collapsed(noted(seed, lr=0.01, negatives=False))
    assert said.startswith("embeddings of views have collapsed: ")


def test_two_views_of_a_sample_differ_and_each_is_the_same_at_every_call():
    inputs, seeds = torch.randn(3, 1, 8, 8), torch.arange(3)
    changes = SimCLR(FACTS).augment
    one, other = view(inputs, seeds, changes, 0), view(inputs, seeds, changes, 1)
    assert not torch.allclose(one, other)
    assert torch.equal(one, view(inputs, seeds, changes, 0))


def test_masks_hide_the_same_share_of_patches_in_every_sample_and_other_patches():
    inputs = torch.randn(6, 1, 16, 12, 8)
    mask = patches_masked(inputs, torch.arange(6), 0.75, 4)
    assert mask.shape == (6, 1, 16, 12, 8)
    blocks = mask[:, 0].unfold(1, 4, 4).unfold(2, 4, 4).unfold(3, 4, 4).flatten(4)
    assert torch.equal(blocks.any(-1), blocks.all(-1)), "a patch is hidden in part"
    assert blocks.all(-1).flatten(1).sum(1).tolist() == [18] * 6
    assert not torch.equal(mask[0], mask[1])


def test_the_error_counts_masked_voxels_of_the_brain_only():
    inputs = torch.zeros(2, 1, 4, 4)
    inputs[:, :, 1:3, 1:3] = 5.0
    built = torch.full_like(inputs, 3.0)
    hidden = torch.zeros_like(inputs, dtype=torch.bool)
    hidden[0, :, :2] = True
    # Sample 0: two brain voxels are hidden, (5 - 3)^2 each; sample 1: none.
    assert float(squared_error(built, inputs, hidden)) == pytest.approx((4.0 + 0.0) / 2)


def test_images_of_another_shape_are_refused_and_not_spread_over_each_other():
    # (5, 1, 1, 8) less (5, 1, 8) would be every image less every other one, whose best answer is their mean.
    inputs = torch.randn(5, 1, 8)
    with pytest.raises(ValueError, match="shape"):
        squared_error(torch.zeros(5, 1, 1, 8), inputs, torch.ones(5, 1, 8, dtype=torch.bool))


@pytest.mark.parametrize("shape", [(37,), (20, 24), (9, 17, 8)])
def test_a_decoder_gives_images_of_the_size_of_its_inputs(shape):
    decoder = Decoder(6, contracts.Inputs(2, shape), 4)
    assert decoder(torch.randn(3, 6)).shape == (3, 2, *shape)


class Drown(contracts.Augmentation):
    """Noise on all numbers but the first."""

    def __init__(self, spared, sd):
        self.spared, self.sd = spared, sd

    def apply(self, inputs, draws):
        noise = self.sd * draws.normal(1, *inputs.shape[1:])
        noise[..., : self.spared] = 0
        return inputs + noise


def probed(net, inputs, values, unseen, truth):
    """Give the R2 of ridge regression from a few people's features."""
    with torch.no_grad():
        known, asked = net.encoder(inputs).double(), net.encoder(unseen).double()
    mean, sd = known.mean(0), known.std(0) + 1e-6
    known, asked = ((torch.cat([(one - mean) / sd, torch.ones(len(one), 1)], 1)) for one in (known, asked))
    penalty = 1e-2 * len(known) * torch.eye(known.shape[1], dtype=known.dtype)
    weights = torch.linalg.solve(known.T @ known + penalty, known.T @ values.double())
    return float(1 - (asked @ weights - truth).square().sum() / (truth - truth.mean()).square().sum())


def contrasted(seed, objective, weight):
    """Pretrain on 500 people and probe with 30; three of 24 numbers say the age."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(1000, 1, 24, generator=generator)
    ages = inputs[:, 0, :3] @ torch.randn(3, generator=generator)
    torch.manual_seed(seed)
    net = toys.network(toys.Net(24, 8, (32,)), {"age": (objective, 0)}, inputs=contracts.Inputs(1, (24,)))
    net.weights["age"] = weight
    toys.train(net, {"data": toys.batch(inputs[:500], {"age": ages[:500]})}, seed, steps=150, size=64)
    return probed(net, inputs[500:530], ages[500:530], inputs[530:], ages[530:])


def rebuilt(seed, objective, weight):
    """Pretrain on 500 people and probe with 20; 32 numbers are made of three hidden ones, one of which is asked for."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(1000, 3, generator=generator)
    inputs = hidden @ torch.randn(3, 32, generator=generator) + 0.5 * torch.randn(1000, 32, generator=generator)
    asked = hidden @ torch.randn(3, generator=generator)
    inputs = inputs[:, None]
    torch.manual_seed(seed)
    net = toys.network(toys.Net(32, 4, linear=True), {"image": (objective, 0)}, inputs=contracts.Inputs(1, (32,)))
    net.weights["image"] = weight
    toys.train(net, {"data": toys.batch(inputs[:500])}, seed, steps=200, size=64)
    return probed(net, inputs[500:520], asked[500:520], inputs[520:], asked[520:])


METHODS = {
    "simclr": (contrasted, lambda: SimCLR(FACTS, temperature=0.2, augment=[Drown(3, 1.0)])),
    "y_aware": (
        contrasted,
        lambda: YAware(FACTS, target="age", sigma=0.5, temperature=0.2, augment=[toys.Jitter(0.3)]),
    ),
    "reconstruction": (rebuilt, lambda: Reconstruction(FACTS, width=8)),
    "masked_reconstruction": (rebuilt, lambda: MaskedReconstruction(FACTS, mask=0.5, patch_size=2, width=8)),
}


@pytest.mark.parametrize("name", METHODS)
def test_pretraining_without_labels_wins_and_not_at_weight_0(name):
    study, make = METHODS[name]
    untrained = [study(seed, make(), 0.0) for seed in toys.SEEDS]
    assert toys.wins([study(seed, make(), 1.0) for seed in toys.SEEDS], untrained)
    assert not toys.wins([study(seed, make(), 0.0) for seed in toys.SEEDS], untrained)


def test_ages_teach_what_views_alone_do_not():
    same = {"temperature": 0.2, "augment": [toys.Jitter(0.3)]}
    with_ages = [contrasted(seed, YAware(FACTS, target="age", sigma=0.5, **same), 1.0) for seed in toys.SEEDS]
    without = [contrasted(seed, SimCLR(FACTS, **same), 1.0) for seed in toys.SEEDS]
    assert toys.wins(with_ages, without)
