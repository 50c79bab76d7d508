"""What objectives, and what brings their losses together, must do."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from tlimb.components import contracts, discovery

CLASSES = contracts.TargetFacts("sex", ("F", "M", "other"), (3, 2, 1), None, None)
TINY = contracts.Inputs(1, (4, 4, 4))
NUMBERS = contracts.TargetFacts("age", (), (), 50.0, 20.0)


def check_objective(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check masking, gradients, predictions and initialisation of an objective."""
    if issubclass(cls, contracts.Pretext):
        _check_pretext(make)
        return
    objective = make(CLASSES if cls.kind == "class" else NUMBERS)
    torch.manual_seed(5)
    raw = torch.randn(6, objective.outputs)
    targets = torch.tensor([0, 1, 2, 0, 1, 0]) if cls.kind == "class" else torch.linspace(30, 80, 6)
    valid = torch.tensor([True, True, False, True, False, True])

    def gradient(mask: Tensor, given: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        given = given.clone().requires_grad_()
        loss = objective.loss(given, truth, mask)
        assert loss.shape == ()
        loss.backward()
        assert given.grad is not None
        return loss.detach(), given.grad

    none, flat = gradient(torch.zeros(6, dtype=torch.bool), raw, targets)
    assert none == 0, "no valid sample, and the loss is not 0"
    assert not flat.any(), "no valid sample, and the gradient is not 0"
    loss, slope = gradient(valid, raw, targets)
    assert torch.isfinite(loss), "the loss is not finite"
    assert not slope[~valid].any(), "a sample without label has a gradient"
    alone, _ = gradient(torch.ones(4, dtype=torch.bool), raw[valid], targets[valid])
    assert torch.allclose(loss, alone), "the loss is not the mean over valid samples"
    if cls.kind == "number":
        damaged = torch.where(valid, targets, torch.nan)
        assert torch.equal(gradient(valid, raw, damaged)[1], slope), "a missing number (NaN) reaches the gradient"
    _check_predictions(objective, cls, raw)


def _check_pretext(make: Callable[..., Any]) -> None:
    """Check that the term teaches encoder and head, and that what is random in it is drawn from the seeds."""
    network, batches = tiny_network()
    encoder, batch = network.encoder, batches["data"]
    objective = make(NUMBERS)
    torch.manual_seed(5)
    head = objective.head(encoder.feature_dim, TINY)
    losses = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        loss, notes = objective.term(encoder, head, batch, "age")
        assert loss.shape == ()
        assert torch.isfinite(loss)
        assert all(value.shape == () for value in notes.values())
        losses.append(loss)
    assert torch.equal(*losses), "something random is not drawn from the seeds of the samples"
    torch.autograd.backward(losses[0])
    silent = [name for part in (encoder, head) for name, p in part.named_parameters() if p.grad is None]
    assert not silent, f"no gradient reaches {silent[:3]}"


def _check_predictions(objective: contracts.Objective, cls: type[Any], raw: Tensor) -> None:
    predictions = objective.predict(raw)
    if cls.kind == "number":
        assert predictions.shape == (6,)
    else:
        assert predictions.shape == (6, objective.outputs)
        assert torch.allclose(predictions.sum(dim=1), torch.ones(6, dtype=predictions.dtype))
    objective.initialise(nn.Linear(4, objective.outputs))
    own = set(discovery.names("metric"))
    unknown = [name for name in cls.metrics if "." not in name and name not in own]
    assert not unknown, f"there are no metrics {unknown}"


class _Tiny(contracts.Encoder):
    """An encoder of two layers, for the checks of what works on encoders."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(64, 3), nn.BatchNorm1d(3), nn.ReLU())
        self.feature_dim = 3
        self.stages = ("0", "1")

    def forward(self, inputs: Tensor) -> Tensor:
        return cast("Tensor", self.network(inputs.flatten(1)))


def tiny_network() -> tuple[contracts.Network, dict[str, contracts.Batch]]:
    """Give a network with one head and one batch for each role, for checks of scenarios and auxiliaries."""
    from tlimb.components.objectives.regression import Regression

    torch.manual_seed(2)
    encoder, heads = _Tiny(), nn.ModuleDict({"age": nn.Linear(3, 1)})
    network = contracts.Network(encoder, cast("Any", heads), {"age": Regression(NUMBERS, target="age")}, {"age": 0.5})
    truth, valid = {"age": torch.linspace(30, 70, 5)}, {"age": torch.ones(5, dtype=torch.bool)}
    rows = torch.arange(5)
    batch = contracts.Batch(torch.randn(5, *TINY.shape).unsqueeze(1), rows, truth, valid, rows + 7)
    return network, dict.fromkeys(("data", "labelled", "unlabelled", "source", "target"), batch)


def check_scenario(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a scenario's terms are scalars with gradients."""
    network, batches = tiny_network()
    roles = {role: batches[role] for role in cls.roles}
    scenario = make()
    torch.manual_seed(4)
    scenario.build(network, TINY)
    if not cls.trains:
        _check_untrained(scenario, network, roles)
        return
    terms, context = scenario.terms(network, roles, 0, 0.0)
    assert terms, "no term"
    assert all(term.shape == () and torch.isfinite(term) for term in terms.values())
    torch.autograd.backward(torch.stack(list(terms.values())).sum())
    assert any(parameter.grad is not None for parameter in network.encoder.parameters())
    assert context.outputs.keys() == network.heads.keys()


def _check_untrained(scenario: contracts.Scenario, network: contracts.Network, roles: Any) -> None:
    """Check that a scenario that takes no steps gives no terms, leaves the parameters, and changes something else."""
    before = {name: tensor.clone() for name, tensor in network.encoder.state_dict().items()}
    terms, _ = scenario.terms(network, roles, 0, 0.0)
    assert not terms, "a scenario that takes no steps gave a term"
    after = network.encoder.state_dict()
    assert all(torch.equal(after[name], before[name]) for name, _ in network.encoder.named_parameters())
    assert any(not torch.equal(after[name], tensor) for name, tensor in before.items()), "nothing changed"


def check_auxiliary(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that an auxiliary objective gives a finite scalar, also after a resume, and keeps no hold of weights."""
    values = []
    for _ in range(2):
        network, batches = tiny_network()
        encoder = network.encoder
        transferred = {name: tensor.clone() for name, tensor in encoder.network.state_dict().items()}
        auxiliary = make()
        torch.manual_seed(6)
        for slot in cls.slots:
            auxiliary.learn_from(slot, tiny_network()[0])
        auxiliary.build(network, TINY)
        auxiliary.begin(encoder, transferred)
        with torch.no_grad():
            encoder.network[0].weight.add_(0.3)  # type: ignore[index]
        # As in a run, the network computes after everything is built: an auxiliary may listen to its layers.
        features = {role: encoder(batch.inputs) for role, batch in batches.items()}
        outputs = {name: head(features["data"]) for name, head in network.heads.items()}
        context = contracts.StepContext(encoder, network.heads, batches, features, outputs, 3, 0.5)
        loss = auxiliary.loss(context)
        assert loss.shape == ()
        assert torch.isfinite(loss)
        values.append(loss)
    assert torch.equal(*values), "a second start, as of a resumed run, gave another value"
    assert values[0].requires_grad, "the term moves nothing"


def check_weighting(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that heads' losses stay theirs by name, finite and differentiable."""
    terms = {"age": torch.tensor(2.0, requires_grad=True), "sex": torch.tensor(0.5, requires_grad=True)}
    weighting = make()
    layers: Any = nn.ModuleDict({name: nn.Linear(2, 1) for name in terms})
    weighting.build(contracts.Network(nn.Identity(), layers, {}, dict.fromkeys(terms, 1.0)), TINY)  # type: ignore[arg-type]
    combined = weighting.combine(terms)
    assert combined.keys() == terms.keys()
    grads = torch.autograd.grad(torch.stack(list(combined.values())).sum(), list(terms.values()))
    assert all(torch.isfinite(grad) and float(grad) for grad in grads), "a head learns nothing"


def check_sampler(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that an epoch has as many rows as there are, drawn from the generator alone."""
    groups = torch.tensor([0, 0, 0, 0, 0, 1, -1])
    orders = [make().order(groups, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert orders[0].shape == groups.shape
    assert 0 <= int(orders[0].min()) <= int(orders[0].max()) < len(groups)
    assert torch.equal(orders[0], orders[1]), "equal generators gave unequal orders"
    assert not torch.equal(orders[0], orders[2]), "the generator decides nothing"
