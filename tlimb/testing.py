"""The conformance suite: what every component must do, tlimb's own and anybody else's.

In a test file of your own package, three lines are enough:

    from tlimb.testing import check_component
    def test_tiny_net_is_a_component():
        check_component(TinyNet)

Options without a default are taken from the class's `example`, or given as `options`.
"""

import copy
import inspect
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
import torch
from torch import Tensor, nn

from tlimb import describe
from tlimb.components import contracts, discovery

CLASSES = contracts.TargetFacts("sex", ("F", "M", "other"), (3, 2, 1), None, None)
NUMBERS = contracts.TargetFacts("age", (), (), 50.0, 20.0)


def check_component(cls: type[contracts.Component], options: Mapping[str, Any] | None = None) -> None:
    """Check a component's description and behaviour on tiny data on the CPU.

    Args:
        cls: the class.
        options: what YAML would set; by default the class's `example`.

    Raises:
        AssertionError: the component breaks a rule; the message says which.
    """
    kind = next((kind for kind, found in discovery.KINDS.items() if issubclass(cls, found.base)), None)
    assert kind is not None, f"{cls.__name__} is of no known kind of component"
    assert not inspect.isabstract(cls), f"{cls.__name__} lacks {sorted(getattr(cls, '__abstractmethods__', ()))}"
    check_description(cls, kind)
    given = dict(cls.example if options is None else options)
    lacking = [name for name, option in describe.options(cls).items() if option["required"] and name not in given]
    assert not lacking, f"`example` of {cls.__name__} lacks {lacking}"
    with torch.random.fork_rng(devices=[]):
        CHECKS[kind](lambda *positional: cast("Any", cls)(*positional, **copy.deepcopy(given)), cls)


def check_description(cls: type[contracts.Component], kind: str) -> None:
    """Check that the schema can be made and that everything is documented."""
    described = describe.options(cls)
    assert describe.summary(cls).endswith("."), f"{cls.__name__}: the docstring's first paragraph is no full sentence"
    undocumented = [name for name, option in described.items() if not option["doc"]]
    assert not undocumented, f"{cls.__name__}: no documentation of {undocumented}"
    extra = set(describe.arguments(cls)) - set(described)
    assert not extra, f"{cls.__name__}: documents {sorted(extra)}, which are no options"
    for name, option in described.items():
        schema = option["schema"]
        bounded = {"minimum", "exclusiveMinimum", "enum"} & set(schema)
        assert schema.get("type") not in ("number", "integer") or bounded, f"{cls.__name__}.{name} has no lower bound"
    assert kind not in ("architecture", "auxiliary") or describe.source(cls), f"{cls.__name__}: no `Source:`"
    assert isinstance(cls.revision, int)
    assert cls.revision >= 1


def _same_seed(make: Callable[[], nn.Module]) -> tuple[nn.Module, nn.Module]:
    """Make a module twice from one seed, checking that initial weights come from torch's generator alone."""
    made = []
    for _ in range(2):
        torch.manual_seed(7)
        made.append(make())
    first, second = (module.state_dict() for module in made)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first), "one seed gave two sets of weights"
    return made[0], made[1]


def _round_trip(module: nn.Module, make: Callable[[], nn.Module], inputs: Tensor) -> None:
    """Check that weights carry the function: saved and loaded elsewhere, outputs are equal to the bit."""
    other = make()
    other.load_state_dict(copy.deepcopy(module.state_dict()))
    with torch.no_grad():
        assert torch.equal(module.eval()(inputs), other.eval()(inputs)), "the state does not carry the function"


def check_encoder(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check shapes, gradients, stages and names of an encoder."""
    for count in cls.dims:
        for channels in (1, 2):
            inputs = contracts.Inputs(channels, (32,) * count)
            encoder, other = _same_seed(lambda inputs=inputs: make(inputs))  # type: ignore[misc]
            torch.manual_seed(3)
            batch = torch.randn(4, channels, *inputs.shape)
            kept = batch.clone()
            outputs = []
            for module in (encoder, other):
                torch.manual_seed(11)
                outputs.append(module.train()(batch))
            assert torch.equal(*outputs), "one seed gave two results"
            assert torch.equal(batch, kept), "forward changed its input"
            features = outputs[0]
            assert features.shape == (4, encoder.feature_dim), f"features are {tuple(features.shape)}, not as declared"
            assert features.dtype == torch.float32
            assert torch.isfinite(features).all()
            _check_gradients(encoder, features)
            _check_names(cast("contracts.Encoder", encoder))
            _round_trip(encoder, lambda inputs=inputs: make(inputs), batch)  # type: ignore[misc]
            with torch.no_grad():
                alone, together = encoder.eval()(batch[:1]), encoder(batch)[:1]
            assert torch.allclose(alone, together, atol=1e-4), "in eval, a sample's features depend on its batch"


def _check_gradients(encoder: nn.Module, features: Tensor) -> None:
    torch.autograd.backward(features.square().sum())
    silent = [name for name, parameter in encoder.named_parameters() if parameter.grad is None]
    assert not silent, f"no gradient reaches {silent[:3]}"


def _check_names(encoder: contracts.Encoder) -> None:
    inside = {id(parameter) for parameter in encoder.network.parameters()}
    assert all(id(parameter) in inside for parameter in encoder.parameters()), "a parameter stands outside `network`"
    modules = [name for name, _ in encoder.network.named_modules()]
    assert encoder.stages, "no stages"
    absent = [stage for stage in encoder.stages if stage not in modules]
    assert not absent, f"stages {absent} are no modules of `network`"
    places = [modules.index(stage) for stage in encoder.stages]
    assert places == sorted(places), "stages are not in order of registration"
    for stage in encoder.stages:
        assert any(True for _ in encoder.network.get_submodule(stage).parameters()), f"{stage} has no parameters"


def check_head(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check shapes and gradients of a head."""
    head, _ = _same_seed(lambda: make(6, 3))
    features = torch.randn(4, 6, requires_grad=True)
    outputs = head(features)
    assert outputs.shape == (4, 3)
    outputs.sum().backward()
    assert features.grad is not None, "no gradient reaches the encoder"
    assert all(parameter.grad is not None for parameter in head.parameters())
    _round_trip(head, lambda: make(6, 3), features)


def check_objective(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check masking, gradients, predictions and initialisation of an objective."""
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
        self.network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU())
        self.feature_dim = 3
        self.stages = ("0", "1")

    def forward(self, inputs: Tensor) -> Tensor:
        return cast("Tensor", self.network(inputs))


def tiny_network() -> tuple[contracts.Network, dict[str, contracts.Batch]]:
    """Give a network with one head and one batch for each role, for checks of scenarios and auxiliaries."""
    from tlimb.components.objectives.regression import Regression

    torch.manual_seed(2)
    encoder, heads = _Tiny(), nn.ModuleDict({"age": nn.Linear(3, 1)})
    network = contracts.Network(encoder, cast("Any", heads), {"age": Regression(NUMBERS, target="age")}, {"age": 0.5})
    truth, valid = {"age": torch.linspace(30, 70, 5)}, {"age": torch.ones(5, dtype=torch.bool)}
    batch = contracts.Batch(torch.randn(5, 4), torch.arange(5), truth, valid)
    return network, dict.fromkeys(("data", "labelled", "unlabelled", "source", "target"), batch)


def check_scenario(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a scenario's terms are scalars with gradients."""
    network, batches = tiny_network()
    roles = {role: batches[role] for role in cls.roles}
    terms, context = make().terms(network, roles, 0, 0.0)
    assert terms, "no term"
    assert all(term.shape == () and torch.isfinite(term) for term in terms.values())
    torch.autograd.backward(torch.stack(list(terms.values())).sum())
    assert any(parameter.grad is not None for parameter in network.encoder.parameters())
    assert context.outputs.keys() == network.heads.keys()


def check_auxiliary(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that an auxiliary objective gives a finite scalar, also after a resume, and keeps no hold of weights."""
    network, batches = tiny_network()
    encoder = network.encoder
    transferred = {name: tensor.clone() for name, tensor in encoder.network.state_dict().items()}
    with torch.no_grad():
        encoder.network[0].weight.add_(0.3)  # type: ignore[index]
    features = {role: encoder(batch.inputs) for role, batch in batches.items()}
    outputs = {name: head(features["data"]) for name, head in network.heads.items()}
    context = contracts.StepContext(encoder, network.heads, batches, features, outputs, 3, 0.5)
    values = []
    for _ in range(2):
        auxiliary = make()
        auxiliary.begin(encoder, transferred)
        loss = auxiliary.loss(context)
        assert loss.shape == ()
        assert torch.isfinite(loss)
        values.append(loss)
    assert torch.equal(*values), "a second start, as of a resumed run, gave another value"
    assert values[0].requires_grad, "the term moves nothing"


def check_optimizer(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that an optimizer moves what it is given, honours a group's own rate, and resumes to the bit."""

    def run(first: int, second: int) -> list[Tensor]:
        torch.manual_seed(1)
        weights = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))]
        groups: list[dict[str, Any]] = [{"params": [weights[0]]}, {"params": [weights[1]], "lr": 0.0}]
        optimizer = make().build(groups)
        for count in (first, second):
            state = copy.deepcopy(optimizer.state_dict())
            optimizer = make().build([{"params": [weights[0]]}, {"params": [weights[1]], "lr": 0.0}])
            optimizer.load_state_dict(state)
            for _ in range(count):
                for index, weight in enumerate(weights):
                    weight.grad = torch.arange(3.0) + index + 1
                optimizer.step()
        return [weight.detach() for weight in weights]

    moved, rested = run(2, 3)
    assert not torch.equal(moved, torch.ones(3)), "nothing moved"
    assert torch.equal(rested, torch.ones(3)), "a group's own rate of 0 was not honoured"
    assert torch.equal(moved, run(5, 0)[0]), "resumed is not uninterrupted"


def check_scheduler(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a schedule is finite and positive or 0, scales each group alike, and resumes."""
    for steps in (1, 2, 7):
        groups: list[dict[str, Any]] = [{"params": [nn.Parameter(torch.ones(1))], "lr": lr} for lr in (0.1, 0.2)]
        optimizer = torch.optim.SGD(groups, lr=0.1)
        schedule = make().build(optimizer, steps)
        rates = []
        for _ in range(steps):
            rates.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            schedule.step()
        assert np.isfinite(rates).all()
        assert min(min(pair) for pair in rates) >= 0
        assert all(abs(second - 2 * first) < 1e-12 for first, second in rates), "groups are not scaled alike"
        json.dumps({key: value for key, value in schedule.state_dict().items() if key != "lr_lambdas"})


def check_weighting(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that heads' losses stay theirs by name, finite and differentiable."""
    terms = {"age": torch.tensor(2.0, requires_grad=True), "sex": torch.tensor(0.5, requires_grad=True)}
    weighting = make()
    layers: Any = nn.ModuleDict({name: nn.Linear(2, 1) for name in terms})
    weighting.build(contracts.Network(nn.Identity(), layers, {}, dict.fromkeys(terms, 1.0)), contracts.Inputs(1, (4,)))  # type: ignore[arg-type]
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


def check_metric(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check direction, and NaN where a metric is undefined."""
    metric = make()
    if cls.kind == "class":
        targets = np.array([0, 1, 2, 0, 1, 2])
        right = np.full((6, 3), 0.1)
        right[np.arange(6), targets] = 0.8
        wrong = np.roll(right, 1, axis=1)
    else:
        targets = np.array([1.0, 2, 4, 8, 16, 32])
        right, wrong = targets + 0.1, targets[::-1].copy()
    best, worst = metric.compute(targets, right), metric.compute(targets, wrong)
    assert isinstance(best, float)
    assert best > worst if cls.direction == "max" else best < worst, "better predictions have a worse value"
    assert np.isnan(metric.compute(targets[:0], right[:0])), "nobody was predicted, and the value is not NaN"
    assert np.isnan(metric.compute(targets, right * np.nan)), "a prediction that is NaN has a value"


def tiny_volume(folder: Path, name: str = "image.nii.gz") -> Path:
    """Write a volume of 10 x 12 x 11 voxels of 3 mm, with a bright ball in a dark background."""
    grid = np.stack(np.meshgrid(*(np.arange(n) - n / 2 for n in (10, 12, 11)), indexing="ij"))
    noise = np.random.default_rng(0).normal(0, 5, grid.shape[1:])
    voxels = np.where((grid**2).sum(axis=0) < 20, 100 + grid[0] + noise, 0).astype(np.float32)
    affine = np.diag([-3.0, 3, 3, 1])
    kind: Any = nibabel.Nifti1Image
    nibabel.save(kind(voxels, affine), folder / name)
    return folder / name


def check_data(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a data module reads a volume, is deterministic, and refuses a damaged file without naming it."""
    with tempfile.TemporaryDirectory() as name:
        path = tiny_volume(Path(name))
        module = make()
        array = module.load(path, None)
        assert array.dtype == np.float32
        assert array.ndim in (3, 4)
        assert np.isfinite(array).all()
        assert np.array_equal(array, make().load(path, None)), "a second reading gave something else"
        damaged = Path(name) / "secret.nii.gz"
        damaged.write_bytes(path.read_bytes()[:-20])
        message = None
        try:
            module.load(damaged, None)
        except ValueError as error:
            message = str(error)
        assert message is not None, "a truncated file was read"
        assert "secret" not in message, "the message names the file"
    assert json.loads(json.dumps(module.recipe(), allow_nan=False)) == json.loads(json.dumps(make().recipe()))
    batch = torch.randn(3, *array.shape)
    seeds = torch.tensor([4, 5, 6])
    whole = module.augment(batch.clone(), seeds)
    part = module.augment(batch[1:2].clone(), seeds[1:2])
    assert whole.shape == batch.shape
    assert torch.equal(whole[1:2], part), "a sample's augmentation depends on its batch"


def check_preprocess(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a step gives a finite image, leaves its input alone and says what decides its bits."""
    voxels = np.random.default_rng(1).gamma(2.0, 10.0, (1, 8, 7, 9)).astype(np.float32)
    image = contracts.Image(voxels.copy(), np.diag([3.0, 3, 3, 1]), np.ones((8, 7, 9), dtype=bool))
    first, second = make().apply(image), make().apply(image)
    assert first.voxels.dtype == np.float32
    assert np.isfinite(first.voxels).all()
    assert np.array_equal(first.voxels, second.voxels)
    assert np.array_equal(image.voxels, voxels), "the step changed its input"
    assert first.mask is not None
    assert first.mask.shape == first.voxels.shape[1:], "the mask does not follow the image"
    assert json.dumps(make().recipe(), sort_keys=True) == json.dumps(make().recipe(), sort_keys=True)


CHECKS: Mapping[str, Callable[[Callable[..., Any], type[Any]], None]] = {
    "architecture": check_encoder,
    "data": check_data,
    "preprocess": check_preprocess,
    "objective": check_objective,
    "head": check_head,
    "auxiliary": check_auxiliary,
    "optimizer": check_optimizer,
    "scheduler": check_scheduler,
    "scenario": check_scenario,
    "weighting": check_weighting,
    "sampler": check_sampler,
    "metric": check_metric,
}
