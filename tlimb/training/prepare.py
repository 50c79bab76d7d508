"""From a manifest to the parts of one training: rows and images read, networks and what trains them built."""

from collections.abc import Mapping
from statistics import median
from typing import Any

import torch
from attrs import frozen
from torch import Tensor

from tlimb.components.contracts import Auxiliary, DataModule, Inputs, Network, Sampler
from tlimb.manifest import Fit, Head
from tlimb.manifest.parts import Median
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import DivergedError
from tlimb.store.documents import FitResult
from tlimb.training.builder import Builder
from tlimb.training.data.batches import Source, TrainLength
from tlimb.training.data.views import Row, read_view, target_tensors, targets
from tlimb.training.data.volumes import open_volumes, recipe_digest
from tlimb.training.devices.distributed import Team
from tlimb.training.devices.environment import choose_device, fingerprint, settle
from tlimb.training.evaluation.validation import ValidationPart, unlabelled
from tlimb.training.job import Job
from tlimb.training.network.freezing import Freezer, count
from tlimb.training.network.learners import by_duty, groups_of, refuse_indivisible
from tlimb.training.network.networks import Loaded, facts_of, head_tensors, refuse_targets, scaled
from tlimb.training.network.starting_weights import inherit, teach
from tlimb.training.setup import TrainSetup


@frozen(eq=False, kw_only=True)
class Prepared:
    """What a manifest names, read and built.

    Attributes:
        content: what the manifest says.
        device: where it trains.
        environment: what besides the manifest decides bits.
        rows: role -> part -> rows, the role that decides the length of an epoch first.
        heads: with the scales of their targets.
        scales: those of private numbers, which no manifest holds.
        loaded: what came from a parent; None for nothing.
        kept_heads: names of the heads that are the parent's.
        counts: parameters of encoder and heads.
        inputs: what the network receives.
        sources: training rows by role, with their images.
        sampler: draws the rows of an epoch; None for all of them in a random order.
        setup: what is trained.
    """

    content: Fit
    device: torch.device
    environment: dict[str, Any]
    rows: Mapping[str, Mapping[str, tuple[Row, ...]]]
    heads: tuple[Head, ...]
    scales: Mapping[str, Tensor]
    loaded: Loaded | None
    kept_heads: list[str]
    counts: dict[str, int]
    inputs: Inputs
    sources: Mapping[str, Source]
    sampler: Sampler | None
    setup: TrainSetup


@frozen(eq=False, kw_only=True)
class Start:
    """What a training begins with: its images, and the network with its first weights."""

    data: DataModule
    sources: Mapping[str, Source]
    validation: Mapping[str, ValidationPart]
    inputs: Inputs
    network: Network
    loaded: Loaded | None
    kept_heads: list[str]


def prepare(job: Job, team: Team | None, most_rows: int | None = None) -> Prepared:
    """Read the rows and images of a training, and build its parts.

    Args:
        job: the manifest, and where it runs.
        team: the processes that share each batch; None for one device.
        most_rows: for a trial: read only so many rows of each part, and begin with initial weights where a parent has
            not been trained yet; None for the training itself.
    """
    content, trial = job.manifest.as_a(Fit), most_rows is not None
    trainer = content.trainer
    device = choose_device(trainer.device, *((0, 1) if team is None else (team.rank, team.count)))
    settle(device, trainer.threads, trainer.deterministic)
    rows = {
        role: {
            part: read_view(job.places, view)[:most_rows]
            for part, view in (("train", parts.train), ("val", parts.val))
            if view is not None
        }
        for role, parts in content.ordered_roles.items()
    }
    heads, scales = scaled(content.heads, {role: parts.get("train", ()) for role, parts in rows.items()})
    builder = Builder(content, job.places, heads)
    start = _begin(job, builder, rows, trial)
    freezer = builder.freezer(start.network)
    freezer.apply(0)
    counts = count(start.network.encoder, start.network.heads)  # type: ignore[arg-type]
    setup = _setup(job, builder, start, freezer, device, team, trial)
    return Prepared(
        content=content, device=device, environment=fingerprint(device), rows=rows, heads=heads, scales=scales,
        loaded=start.loaded, kept_heads=start.kept_heads, counts=counts, inputs=start.inputs, sources=start.sources,
        sampler=builder.sampler(), setup=setup,
    )  # fmt: skip


def _begin(job: Job, builder: Builder, rows: Mapping[str, Mapping[str, tuple[Row, ...]]], trial: bool) -> Start:
    """Open the images of all parts, and make the network with a parent's weights in it."""
    data, content = builder.data(), builder.fit
    sources, validation = _images(job, builder, data, rows)
    _refuse_few(content, sources)
    volumes = next(iter(sources.values())).volumes
    inputs = Inputs(volumes.shape[0], tuple(volumes.shape[1:]))
    network = builder.network(inputs)
    known = [{name: (one.targets[name], one.valid[name]) for name in one.targets} for one in sources.values()]
    refuse_targets(network.objectives, [*known, *(part.tensors for part in validation.values())])
    # What is tried before its parent has been trained begins with initial weights.
    ready = not trial or all(job.store.has(work) for work in content.weights_from)
    loaded, kept = inherit(job, network, builder.heads) if ready else (None, [])
    return Start(
        data=data,
        sources=sources,
        validation=validation,
        inputs=inputs,
        network=network,
        loaded=loaded,
        kept_heads=kept,
    )


def _images(
    job: Job, builder: Builder, data: DataModule, rows: Mapping[str, Mapping[str, tuple[Row, ...]]]
) -> tuple[dict[str, Source], dict[str, ValidationPart]]:
    """Open the volumes of every part, with the targets of every head."""
    facts = {head.name: facts_of(head) for head in builder.heads}
    sampler = builder.sampler()
    recipe = recipe_digest(data, builder.fit.data.to_json())
    sources: dict[str, Source] = {}
    validation: dict[str, ValidationPart] = {}
    for role, parts in rows.items():
        for part, found in parts.items():
            room = job.options.memory_bytes
            volumes = open_volumes(found, data, recipe, job.store, job.places, job.counter, room)
            tensors = {name: target_tensors(found, fact) for name, fact in facts.items()}
            if part == "train":
                known = {name: pair[0] for name, pair in tensors.items()}
                valid = {name: pair[1] for name, pair in tensors.items()}
                sources[role] = Source(volumes, known, valid, len(found), groups_of(found, sampler))
            elif found:
                exact = {name: targets(found, fact) for name, fact in facts.items()}
                validation[role] = ValidationPart(role, volumes, len(found), tensors, exact)
    return sources, validation


def _setup(
    job: Job, builder: Builder, start: Start, freezer: Freezer, device: torch.device, team: Team | None, trial: bool
) -> TrainSetup:
    """Build everything that is trained and that trains, in the order in which initial weights are drawn."""
    content, network = builder.fit, start.network
    length = _length(job, content, next(iter(start.sources.values())).rows, trial)
    scenario, weighting = builder.scenario(), builder.weighting()
    auxiliaries = _auxiliaries(job, builder, start, device, trial)
    learners = by_duty(scenario, weighting, auxiliaries)
    if length.devices > 1:
        refuse_indivisible({**learners, **network.objectives})
    owned = builder.owned(learners, network, start.inputs)
    optimizer = builder.optimizer(network, learners, owned, device) if scenario.trains else None
    trainer = content.trainer
    setup = TrainSetup(
        network=network,
        data=start.data,
        scenario=scenario,
        weighting=weighting,
        auxiliaries=auxiliaries,
        owned=owned,
        optimizer=optimizer,
        scheduler=builder.schedule(optimizer, length.total_steps),
        freezer=freezer,
        length=length,
        seed=content.seed,
        batch_size=trainer.batch,
        precision=trainer.precision,
        gradient_clip=trainer.gradient_clip,
        validation=start.validation,
        monitored=builder.monitored(),
        keep_best=trainer.keep == "best",
        patience=trainer.patience,
        transferred=start.loaded.tensors if start.loaded else {},
        kept={k: value.clone() for k, value in head_tensors(network).items()} if start.kept_heads else {},
        team=team,
    )
    if start.validation and trainer.watches:
        _refuse_unlabelled(setup)
    return setup


def _auxiliaries(job: Job, builder: Builder, start: Start, device: torch.device, trial: bool) -> dict[str, Auxiliary]:
    if trial and start.loaded is None and builder.fit.parents:
        # A penalty on the distance from the parent's weights has nothing to hold on to before there are any.
        return {}
    made = builder.auxiliaries(has_parent=start.loaded is not None)
    teach(job, made.values(), builder.heads, start.inputs, device)
    return made


def _length(job: Job, content: Fit, rows: int, trial: bool) -> TrainLength:
    trainer = content.trainer
    epochs = trainer.epochs
    if isinstance(epochs, Median):
        epochs = 1 if trial else _median_epochs(job, content)
    limit = 2 if job.options.smoke else None
    return TrainLength(rows, trainer.batch, trainer.accumulate, epochs, trainer.steps, limit, trainer.devices)


def _median_epochs(job: Job, content: Fit) -> int:
    """Return the median of the best epochs of the inner folds.

    Raises:
        DivergedError: all of them have diverged.
    """
    results = [job.parent_result(work) for work in content.epochs_from]
    epochs = [result.as_a(FitResult).best_epoch for result in results if result.done]
    if not epochs:
        raise DivergedError("every run that the number of epochs is taken from has diverged")
    return max(1, int(median(epochs) + 0.5))


def _refuse_few(content: Fit, sources: Mapping[str, Source]) -> None:
    """See that each device gets two samples of every batch.

    Raises:
        TlimbError: a role has too few (65).
    """
    devices = content.trainer.devices
    fewest = min(min(one.rows for one in sources.values()), content.trainer.batch)
    if devices > 1 and fewest < 2 * devices:
        message = f"{devices} devices share batches of {fewest} samples; each needs two or more"
        raise TlimbError(Problem("several-devices", message, help="take fewer devices"), ExitCode.DATA)


def _refuse_unlabelled(setup: TrainSetup) -> None:
    """See that a value which decides something is defined, before a step is done.

    Raises:
        TlimbError: nobody in the validation part has the label that it needs (65).
    """
    without = unlabelled(setup.network, setup.validation, setup.monitored)
    if without:
        message = f"nobody in the validation part has the label of {', '.join(without)}: no epoch can be best"
        raise TlimbError(Problem("label-scarce", message, help="enlarge the part `val`"), ExitCode.DATA)
