"""Learning from a trained network: closed forms, and a teacher who knows what few labels do not say."""

import pytest
import torch
import toys
from torch import nn
from torch.nn import functional

from tlimb.components import contracts
from tlimb.components.auxiliaries.distill import Distill
from tlimb.components.scenarios.semi_supervised import SemiSupervised
from tlimb.problems import TlimbError

INPUTS = contracts.Inputs(1, (56,))


def learner(objectives, features=4, linear=True):
    return toys.network(toys.Net(56, features, linear=linear), objectives, inputs=INPUTS)


def term(distill, teacher, student, batch):
    distill.learn_from("teacher", teacher)
    distill.build(student, INPUTS)
    features = {"data": student.encoder(batch.inputs)}
    return distill.loss(contracts.StepContext(student.encoder, student.heads, {"data": batch}, features, {}, 0, 0.0))


@pytest.fixture
def batch():
    torch.manual_seed(3)
    return toys.batch(torch.randn(6, 1, 56))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_classes_follow_the_softened_divergence_times_the_squared_temperature(batch, temperature):
    teacher, student = learner({"sex": toys.classes(3)}), learner({"sex": toys.classes(3)})
    found = term(Distill(weight=0.7, temperature=temperature), teacher, student, batch)
    theirs, ours = (one.heads["sex"](one.encoder(batch.inputs)) for one in (teacher, student))
    p, q = (torch.softmax(one.double() / temperature, 1) for one in (theirs, ours))
    by_hand = 0.7 * temperature**2 * (p * (p.log() - q.log())).sum(1).mean()
    assert float(found) == pytest.approx(float(by_hand), rel=1e-4)


def test_at_a_high_temperature_the_gradient_is_the_difference_of_centred_outputs(batch):
    """Equation 4 of the paper: for large T, T^2 times the gradient is (centred z - centred v) / N a sample."""
    teacher, student = learner({"sex": toys.classes(3)}), learner({"sex": toys.classes(3)})
    term(Distill(temperature=200.0), teacher, student, batch).backward()
    ours, theirs = (one.heads["sex"](one.encoder(batch.inputs)).detach() for one in (student, teacher))
    centred = [one - one.mean(1, keepdim=True) for one in (ours, theirs)]
    # The bias of the head gets the gradients of all samples.
    by_hand = (centred[0] - centred[1]).sum(0) / 3 / 6
    assert torch.allclose(student.heads["sex"].bias.grad, by_hand, atol=1e-3)


def test_numbers_have_the_teachers_predictions_for_labels_whatever_both_are_scaled_by(batch):
    facts = contracts.TargetFacts("age", mean=50.0, sd=10.0)
    teacher, student = (
        learner({"age": toys.number()}),
        learner({"age": (type(toys.number()[0])(facts, target="age"), 1)}),
    )
    found = term(Distill(), teacher, student, batch)
    theirs = teacher.heads["age"](teacher.encoder(batch.inputs))[:, 0]
    ours = student.heads["age"](student.encoder(batch.inputs))[:, 0]
    assert float(found) == pytest.approx(float(((theirs - 50) / 10 - ours).square().mean()), rel=1e-5)


def test_features_are_learned_through_a_map_between_their_widths(batch):
    teacher, student = learner({"age": toys.number()}, features=7), learner({"sex": toys.classes()}, features=4)
    distill = Distill(match="features")
    distill.learn_from("teacher", teacher)
    linear = distill.build(student, INPUTS)
    features = student.encoder(batch.inputs)
    context = contracts.StepContext(student.encoder, student.heads, {"data": batch}, {"data": features}, {}, 0, 0.0)
    by_hand = (linear(features) - teacher.encoder(batch.inputs)).square().mean()
    assert float(distill.loss(context)) == pytest.approx(float(by_hand), rel=1e-5)


def test_a_student_that_says_the_same_has_no_loss_and_only_the_student_gets_a_gradient(batch):
    one = learner({"sex": toys.classes(), "age": toys.number()})
    assert float(term(Distill(), one, one, batch)) == pytest.approx(0, abs=1e-6)
    teacher, student = learner({"sex": toys.classes()}), learner({"sex": toys.classes()})
    term(Distill(), teacher, student, batch).backward()
    assert all(parameter.grad is None for parameter in teacher.encoder.parameters())
    assert all(parameter.grad is not None for parameter in student.encoder.parameters())


def test_heads_of_other_names_are_refused_with_the_way_out(batch):
    teacher, student = learner({"age": toys.number()}), learner({"sex": toys.classes()})
    with pytest.raises(TlimbError) as error:
        term(Distill(), teacher, student, batch)
    assert "only age" in error.value.problems[0].message
    assert error.value.problems[0].help == ("write `match: features`",)


def learned(seed, weight):
    """Learn from 12 people with a score and 388 without, beside a teacher who saw 600 other people; give the R2."""
    generator = torch.Generator().manual_seed(seed)
    direction = functional.normalize(torch.randn(56, generator=generator), dim=0)
    inputs = torch.randn(2000, 1, 56, generator=generator)
    score = inputs[:, 0] @ direction + 0.3 * torch.randn(2000, generator=generator)
    torch.manual_seed(seed)
    teacher = learner({"age": toys.number()}, features=16)
    toys.train(teacher, {"data": toys.batch(inputs[:600], {"age": score[:600]})}, seed, steps=200)
    for module in (teacher.encoder, teacher.heads):
        module.requires_grad_(False).eval()
    torch.manual_seed(seed)
    student = learner({"age": toys.number()})
    nobody = torch.zeros(388, dtype=torch.bool)
    pool = toys.batch(inputs[612:1000], {"age": torch.zeros(388)}, {"age": nobody})
    distill = Distill(weight=weight, role="unlabelled")
    distill.learn_from("teacher", teacher)
    data = {"labelled": toys.batch(inputs[600:612], {"age": score[600:612]}), "unlabelled": pool}
    toys.train(student, data, seed, SemiSupervised(ratio=3), distill, steps=200, size=12)
    return toys.r2(student, inputs[1000:], score[1000:])


def test_a_teacher_helps_where_labels_are_few_and_not_at_weight_0():
    plain = [learned(seed, 0.0) for seed in toys.SEEDS]
    assert toys.wins([learned(seed, 1.0) for seed in toys.SEEDS], plain)
    assert not toys.wins([learned(seed, 0.0) for seed in toys.SEEDS], plain)


def test_a_network_of_layers_that_are_normalised_teaches_with_its_running_statistics():
    teacher = toys.network(toys.Net(8, 4, norm=True), {"sex": toys.classes()}, inputs=contracts.Inputs(1, (8,)))
    teacher.encoder.eval()
    before = {name: value.clone() for name, value in teacher.encoder.state_dict().items()}
    student = toys.network(toys.Net(8, 4), {"sex": toys.classes()}, inputs=contracts.Inputs(1, (8,)))
    term(Distill(), teacher, student, toys.batch(torch.randn(6, 1, 8) + 5))
    assert all(torch.equal(before[name], value) for name, value in teacher.encoder.state_dict().items())
    assert isinstance(teacher.encoder.network[0], nn.BatchNorm1d)
