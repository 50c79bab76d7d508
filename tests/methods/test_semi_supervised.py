"""Labelled and unlabelled people together: closed forms, and clusters that a few labels name."""

import functools
import math

import pytest
import torch
import toys
from torch.nn import functional

from tlimb.components import contracts
from tlimb.components.auxiliaries.masked_reconstruction import MaskedReconstruction
from tlimb.components.auxiliaries.reconstruction import Reconstruction
from tlimb.components.auxiliaries.simclr import SimCLR
from tlimb.components.collapse import collapsed
from tlimb.components.objectives.soft_bins import SoftBins
from tlimb.components.opinions import Opinions
from tlimb.components.running_mean import RunningMean
from tlimb.components.scenarios.fixmatch import FixMatch
from tlimb.components.scenarios.mean_teacher import MeanTeacher
from tlimb.components.scenarios.semi_supervised import SemiSupervised


def clusters(seed):
    """Give 8 labelled and 600 unlabelled people, and 500 to test: the first of seven numbers falls into two heaps."""
    generator = torch.Generator().manual_seed(seed)

    def draw(count):
        truth = torch.randint(0, 2, (count,), generator=generator)
        inputs = torch.randn(count, 1, 7, generator=generator)
        inputs[:, 0, 0] = 1.2 * (2.0 * truth - 1) + 0.25 * inputs[:, 0, 0]
        return inputs, truth

    inputs, truth = draw(600)
    chosen = torch.cat([torch.nonzero(truth == one)[:4, 0] for one in range(2)])
    nothing = {"sex": torch.zeros(600, dtype=torch.bool)}
    # The labels of the pool are wrong, and marked as missing: they must not matter.
    pool = toys.batch(inputs, {"sex": 1 - truth}, nothing)
    return toys.batch(inputs[chosen], {"sex": truth[chosen]}), pool, draw(500)


def learned(seed, scenario, auxiliary=None, steps=200):
    few, pool, (unseen, truth) = clusters(seed)
    torch.manual_seed(seed)
    net = toys.network(toys.Net(7, 16, (32,)), {"sex": toys.classes()}, inputs=contracts.Inputs(1, (7,)))
    kept = toys.train(net, {"labelled": few, "unlabelled": pool}, seed, scenario, auxiliary, steps=steps, size=8)
    return toys.accuracy(kept, unseen, truth)


METHODS = {
    "mean_teacher": lambda weight: MeanTeacher(weight=30 * weight, ratio=5, augment=[toys.Jitter(0.5)]),
    "fixmatch": lambda weight: FixMatch(weight=weight, ratio=5, ema=0.99, augment=[toys.Jitter(0.5)]),
}


@pytest.mark.parametrize("name", METHODS)
def test_unlabelled_people_help_and_not_at_weight_0(name):
    steps = 400 if name == "mean_teacher" else 200
    plain = [learned(seed, METHODS[name](0.0), steps=steps) for seed in toys.SEEDS]
    assert toys.wins([learned(seed, METHODS[name](1.0), steps=steps) for seed in toys.SEEDS], plain)
    assert not toys.wins([learned(seed, METHODS[name](0.0), steps=steps) for seed in toys.SEEDS], plain)


@functools.cache
def beside(seed, name, weight):
    """Learn from 12 people with a score and 388 without, with a term of images or None; give the R2.

    Two hidden numbers show in eight inputs each, one of their mixtures is the score, and forty inputs are noise.
    """
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(1000, 2, generator=generator)
    shown = hidden.repeat_interleave(8, 1) + 0.5 * torch.randn(1000, 16, generator=generator)
    inputs = torch.cat([shown, torch.randn(1000, 40, generator=generator)], 1)[:, None]
    score = hidden @ functional.normalize(torch.randn(2, generator=generator), dim=0)
    torch.manual_seed(seed)
    net = toys.network(toys.Net(56, 4, linear=True), {"age": toys.number()}, inputs=contracts.Inputs(1, (56,)))
    nobody = torch.zeros(388, dtype=torch.bool)
    pool = toys.batch(inputs[12:400], {"age": torch.zeros(388)}, {"age": nobody})
    data = {"labelled": toys.batch(inputs[:12], {"age": score[:12]}), "unlabelled": pool}
    term = TERMS[name](weight) if name else None
    toys.train(net, data, seed, SemiSupervised(ratio=3), term, steps=200, size=16)
    return toys.r2(net, inputs[400:], score[400:])


TERMS = {
    "simclr": lambda weight: SimCLR(weight=weight, temperature=0.2, augment=[toys.Jitter(0.5)]),
    "reconstruction": lambda weight: Reconstruction(weight=5 * weight, width=8),
    "masked_reconstruction": lambda weight: MaskedReconstruction(weight=5 * weight, mask=0.5, patch_size=2, width=8),
}


@pytest.mark.parametrize("name", TERMS)
def test_a_term_of_images_helps_beside_labels_and_not_at_weight_0(name):
    plain = [beside(seed, None, 0.0) for seed in toys.SEEDS]
    assert toys.wins([beside(seed, name, 1.0) for seed in toys.SEEDS], plain)
    assert not toys.wins([beside(seed, name, 0.0) for seed in toys.SEEDS], plain)


def noted(seed, scenario):
    """Train on the heaps, and give what one more batch notes."""
    few, pool, _ = clusters(seed)
    torch.manual_seed(seed)
    net = toys.network(toys.Net(7, 16, (32,)), {"sex": toys.classes()}, inputs=contracts.Inputs(1, (7,)))
    toys.train(net, {"labelled": few, "unlabelled": pool}, seed, scenario, steps=200, size=8)
    batches = {"labelled": toys.take(few, torch.arange(8)), "unlabelled": toys.take(pool, torch.arange(40))}
    _, context = scenario.terms(net, batches, 0, 1.0)
    return {name: float(value) for name, value in context.notes.items()}


COLLAPSED = {
    "into one class": lambda: FixMatch(weight=1000, threshold=0.0, ratio=5, augment=[toys.Jitter(0.5)]),
    "into the same for everybody": lambda: MeanTeacher(
        weight=1e5, ema=0.9, ramp=0.0, ratio=5, augment=[toys.Jitter(2.0)]
    ),
}


@pytest.mark.parametrize("how", COLLAPSED)
@pytest.mark.parametrize("seed", range(4))
def test_what_swamps_the_labels_collapses_and_is_told(seed, how):
    (said,) = collapsed(noted(seed, COLLAPSED[how]()))
    assert said.startswith(f"predictions of sex have collapsed {how}: ")


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("seed", range(4))
def test_what_labels_hold_does_not_collapse(seed, name):
    found = noted(seed, METHODS[name](1.0))
    assert not list(collapsed(found))
    assert found["sex prediction_entropy"] > 0.9
    assert found["sex told_apart"] > 0.1


def test_opinions_are_the_entropy_of_the_mean_and_the_mutual_information():
    net = toys.network(toys.Net(3, 2), {"sex": toys.classes(), "age": toys.number()})
    opinions, said = Opinions(net), torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    found = opinions.hear({"sex": said, "age": torch.ones(2, 1)})
    assert set(found) == {"sex prediction_entropy", "sex told_apart"}
    # In bits, which are shares of the maximum of two classes.
    of_mean, each = 0.8812909, (0.4689956 + 1.0) / 2
    assert float(found["sex prediction_entropy"]) == pytest.approx(of_mean, abs=1e-5)
    assert float(found["sex told_apart"]) == pytest.approx(of_mean - each, abs=1e-5)
    # A second batch counts for half, and one person for nothing.
    found = opinions.hear({"sex": torch.tensor([[1.0, 0.0], [1.0, 0.0]])})
    assert float(found["sex told_apart"]) == pytest.approx((of_mean - each) / 2, abs=1e-5)
    assert float(found["sex prediction_entropy"]) == pytest.approx(0.6098403, abs=1e-5)
    assert opinions.hear({"sex": said[:1]}) == {}
    assert int(opinions.batches) == 2


def test_the_running_mean_is_its_recursion_and_buffers_are_in_it():
    torch.manual_seed(0)
    net = toys.network(toys.Net(3, 2, norm=True), {"sex": toys.classes()})
    mean = RunningMean(net)
    name = "network.0.running_mean"
    expected = net.encoder.state_dict()[name].clone()
    for step in range(1, 40):
        net.encoder.train()
        net.encoder(torch.randn(8, 3) + step)
        mean.follow(net, 0.9)
        kept = min(1 - 1 / (step + 1), 0.9)
        expected = kept * expected + (1 - kept) * net.encoder.state_dict()[name]
    assert torch.allclose(mean.encoder.state_dict()[name], expected, rtol=1e-5)
    assert not any(parameter.requires_grad for parameter in mean.parameters())
    assert torch.equal(
        mean.encoder.state_dict()["network.0.num_batches_tracked"],
        net.encoder.state_dict()["network.0.num_batches_tracked"],
    )


@pytest.mark.parametrize(("progress", "expected"), [(0.0, math.exp(-5)), (0.15, math.exp(-1.25)), (0.3, 1), (1, 1)])
def test_the_consistency_grows_as_published(progress, expected):
    assert MeanTeacher(weight=2.0, ramp=0.3).strength(progress) == pytest.approx(2 * expected)


def test_only_sure_guesses_count_in_a_mean_over_all():
    weak = torch.tensor([[4.0, 0.0], [0.1, 0.0], [0.0, 6.0]])
    strong = torch.tensor([[0.0, 1.0], [3.0, 0.0], [0.0, 2.0]], requires_grad=True)
    loss = FixMatch(threshold=0.95).guesses(weak, strong)
    by_hand = (math.log(1 + math.e) + math.log(1 + math.exp(-2))) / 3
    assert float(loss.detach()) == pytest.approx(by_hand, rel=1e-5)
    loss.backward()
    assert not strong.grad[1].any(), "an unsure guess teaches"


def test_no_gradient_reaches_the_guess_or_the_teacher():
    weak = torch.randn(4, 2, requires_grad=True)
    FixMatch(threshold=0.0).guesses(weak, torch.randn(4, 2, requires_grad=True)).backward()
    assert weak.grad is None


def test_consistency_is_the_squared_difference_of_what_both_say():
    torch.manual_seed(0)
    net = toys.network(toys.Net(7, 4), {"sex": toys.classes()})
    scenario = MeanTeacher(weight=1.0, ramp=0.0, augment=[toys.Jitter(0.0)])
    scenario.build(net, contracts.Inputs(1, (7,)))
    with torch.no_grad():
        for parameter in net.encoder.parameters():
            parameter.add_(0.3)
    few, pool, _ = clusters(0)
    batches = {"labelled": toys.take(few, torch.arange(8)), "unlabelled": toys.take(pool, torch.arange(20))}
    terms, _ = scenario.terms(net, batches, 0, 0.5)
    inputs = torch.cat([batch.inputs for batch in batches.values()])
    teacher = scenario.result(net)
    ours, theirs = (one.heads["sex"](one.encoder(inputs)).softmax(1) for one in (net, teacher))
    assert float(terms["consistency"].detach()) == pytest.approx(
        float((ours - theirs).square().mean().detach()), rel=1e-5
    )


def test_consistency_of_bins_compares_distributions_and_not_what_they_do_not_depend_on():
    objective = SoftBins(contracts.TargetFacts("age"), target="age", low=20.0, high=80.0, width=10.0)
    torch.manual_seed(0)
    net = toys.network(toys.Net(7, 4), {"age": (objective, objective.outputs)})
    scenario = MeanTeacher(weight=1.0, ramp=0.0, augment=[toys.Jitter(0.0)])
    scenario.build(net, contracts.Inputs(1, (7,)))
    few, pool, _ = clusters(0)
    ages = toys.batch(few.inputs, {"age": torch.full((8,), 50.0)})
    batches = {"labelled": toys.take(ages, torch.arange(8)), "unlabelled": toys.take(pool, torch.arange(20))}

    def consistency(shift):
        with torch.no_grad():
            net.heads["age"].bias.add_(shift)
        return float(scenario.terms(net, batches, 0, 0.5)[0]["consistency"].detach())

    # The same added to all bins says the same of everybody.
    assert consistency(torch.tensor(7.0)) == pytest.approx(0.0, abs=1e-10)
    assert consistency(torch.arange(6.0)) > 1e-3


def test_a_contrastive_term_reads_the_samples_of_its_role_or_of_all():
    torch.manual_seed(0)
    net = toys.network(toys.Net(7, 4), {"sex": toys.classes()})
    few, pool, _ = clusters(0)
    batches = {"labelled": toys.take(few, torch.arange(8)), "unlabelled": toys.take(pool, torch.arange(20))}
    context = contracts.StepContext(net.encoder, net.heads, batches, {}, {}, 0, 0.0)
    seen = []
    for role in (None, "unlabelled"):
        term = SimCLR(role=role, augment=[toys.Jitter(0.1)])
        term.build(net, contracts.Inputs(1, (7,)))
        handle = net.encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
        assert torch.isfinite(term.loss(context))
        handle.remove()
    assert seen == [28, 28, 20, 20]
