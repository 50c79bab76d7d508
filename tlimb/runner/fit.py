"""Train one run: from its manifest to the artefacts of its object."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import lightning.pytorch as pl
import torch
from attrs import define, field
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor

from tlimb.components.contracts import Auxiliary, DataModule, Inputs, Metric, Network, Optimizer, Scheduler
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.runner import checkpoints
from tlimb.runner.api import DivergedError, YieldError, role_order
from tlimb.runner.artefacts import tell_collapse, write_diverged, write_fit
from tlimb.runner.batches import Batches, Course, Position, Source, load, resident
from tlimb.runner.code import build
from tlimb.runner.environment import choose_device, fingerprint, settle, tag
from tlimb.runner.frozen import Freezer, count
from tlimb.runner.inherit import inherit, teach
from tlimb.runner.job import Draft, Job
from tlimb.runner.learners import (
    build_auxiliaries,
    build_optimizer,
    build_sampler,
    build_scenario,
    build_schedule,
    build_weighting,
    by_duty,
    groups_of,
    own_layers,
    refuse_indivisible,
)
from tlimb.runner.networks import (
    Loaded,
    build_network,
    facts_of,
    head_tensors,
    refuse_targets,
    scaled,
)
from tlimb.runner.recipe import Recipe
from tlimb.runner.team import Team, assemble, together
from tlimb.runner.training import Training, seconds
from tlimb.runner.validation import Monitored, ValidationPart, unlabelled
from tlimb.runner.views import Row, read_view, target_tensors, targets
from tlimb.runner.volumes import open_volumes, recipe_digest
from tlimb.store import State
from tlimb.store.documents import FitResult, Passport

LIGHTNING_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
OVERHEAD = 50.0
"""A resume point is written at most every so many times the seconds it takes: two per cent of the time."""


def fit(job: Job, staged: Path) -> Draft:
    """Train, and write every artefact of the run into a staging folder."""
    _refuse_unbuilt(job.manifest.hashed)
    devices = job.manifest.hashed["trainer"].get("devices", 1)
    team = assemble(job, devices) if devices > 1 else Team()
    try:
        run = Fit(job, team)
        return _trained(run, staged)
    finally:
        team.stop()


def _trained(run: "Fit", staged: Path) -> Draft:
    try:
        run.train()
        return write_fit(run, staged)
    except DivergedError as error:
        return write_diverged(run, staged, str(error))


@define(eq=False)
class Fit:
    """One training: what its manifest names, built; then trained."""

    job: Job
    team: Team = field(factory=Team)
    hashed: Mapping[str, Any] = field(init=False)
    device: torch.device = field(init=False)
    environment: dict[str, Any] = field(init=False)
    rows: dict[str, dict[str, tuple[Row, ...]]] = field(init=False)
    loaded: Loaded | None = field(default=None, init=False)
    kept_heads: list[str] = field(factory=list, init=False)
    heads: list[dict[str, Any]] = field(init=False)
    scales: dict[str, Tensor] = field(init=False)
    counts: dict[str, int] = field(init=False)
    inputs: Inputs = field(init=False)
    sources: dict[str, Source] = field(init=False)
    data: DataModule = field(init=False)
    recipe: Recipe = field(init=False)
    module: Training = field(init=False)
    saved_at: float = field(factory=seconds, init=False)
    saving_took: float = field(default=0.0, init=False)
    saved_step: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.hashed = self.job.manifest.hashed
        trainer = self.hashed["trainer"]
        self.device = choose_device(trainer.get("device", "any"), self.team.rank, self.team.count)
        settle(self.device, trainer.get("threads", 1), trainer.get("deterministic"))
        self.environment = fingerprint(self.device)
        self.rows = {
            role: {part: self._read(part, view) for part, view in parts.items() if view is not None}
            for role, parts in sorted(self.hashed["views"].items(), key=role_order)
        }
        training = {role: parts.get("train", ()) for role, parts in self.rows.items()}
        self.heads, self.scales = scaled(self.hashed["heads"], training)
        self._assemble()

    # Building

    def _read(self, part: str, view: str) -> tuple[Row, ...]:
        return read_view(self.job.places, view)

    def _assemble(self) -> None:
        hashed, places = self.hashed, self.job.places
        trainer, seed = hashed["trainer"], hashed["seed"]
        self.data = build(hashed["data"], DataModule, places)
        self.sources, validation = self._parts()
        first = next(iter(self.sources.values()))
        self.inputs = Inputs(first.volumes.shape[0], tuple(first.volumes.shape[1:]))
        network = build_network(hashed["architecture"], self.heads, self.inputs, seed, places)
        known = [{name: (one.targets[name], one.valid[name]) for name in one.targets} for one in self.sources.values()]
        refuse_targets(network.objectives, [*known, *(part.tensors for part in validation.values())])
        self._inherit(network)
        freezer = Freezer(network.encoder, hashed.get("freeze") or {})
        freezer.apply(0)
        self.counts = count(network.encoder, network.heads)  # type: ignore[arg-type]
        course = self._course(first.rows)
        scenario = build_scenario(hashed, places)
        weighting, auxiliaries = build_weighting(hashed, places), self._auxiliaries()
        learners = by_duty(scenario, weighting, auxiliaries)
        if course.devices > 1:
            refuse_indivisible({**learners, **network.objectives})
        owned = own_layers(learners, network, self.inputs, seed)
        optimizer = scheduler = None
        if scenario.trains:
            chosen = build(hashed["optimizer"], Optimizer, places)
            optimizer = build_optimizer(chosen, network, learners, owned, self.device)
        if optimizer is not None and hashed.get("scheduler") is not None:
            scheduler = build_schedule(build(hashed["scheduler"], Scheduler, places), optimizer, course.total_steps)
        self.recipe = Recipe(
            network,
            self.data,
            scenario,
            weighting,
            auxiliaries,
            owned,
            optimizer,
            scheduler,
            freezer,
            course,
            seed,
            trainer["batch_size"],
            trainer.get("precision", "fp32"),
            trainer.get("gradient_clip"),
            validation,
            self._monitored(),
            trainer.get("keep", "last") == "best",
            (trainer.get("early_stopping") or {}).get("patience_epochs"),
            self.loaded.tensors if self.loaded else {},
            {name: value.clone() for name, value in head_tensors(network).items()} if self.kept_heads else {},
        )
        if validation:
            self._check_watched(self.recipe)

    def _refuse_few(self, sources: Mapping[str, Source]) -> None:
        """See that each device gets two samples of every batch.

        Raises:
            TlimbError: a role has too few (65).
        """
        devices = self.hashed["trainer"].get("devices", 1)
        fewest = min(min(one.rows for one in sources.values()), self.hashed["trainer"]["batch_size"])
        if devices > 1 and fewest < 2 * devices:
            message = f"{devices} devices share batches of {fewest} samples; each needs two or more"
            raise TlimbError(Problem("several-devices", message, help="take fewer devices"), ExitCode.DATA)

    def _check_watched(self, recipe: Recipe) -> None:
        """See that a value which decides something is defined, before a step is done.

        Raises:
            TlimbError: nobody in the validation part has the label that it needs (65).
        """
        if not recipe.keep_best and recipe.patience is None:
            return
        lacking = unlabelled(recipe.network, recipe.validation, recipe.monitored)
        if lacking:
            message = f"nobody in the validation part has the label of {', '.join(lacking)}: no epoch can be best"
            raise TlimbError(Problem("label-scarce", message, help="enlarge the part `val`"), ExitCode.DATA)

    def _parts(self) -> tuple[dict[str, Source], dict[str, ValidationPart]]:
        """Open the volumes of every part, with the targets of every head."""
        facts = {head["name"]: facts_of(head) for head in self.heads}
        sampler = build_sampler(self.hashed, self.job.places)
        sources: dict[str, Source] = {}
        validation: dict[str, ValidationPart] = {}
        for role, parts in self.rows.items():
            for part, rows in parts.items():
                volumes = self._volumes(rows, self.data)
                tensors = {name: target_tensors(rows, fact) for name, fact in facts.items()}
                if part == "train":
                    known = {name: pair[0] for name, pair in tensors.items()}
                    valid = {name: pair[1] for name, pair in tensors.items()}
                    sources[role] = Source(volumes, known, valid, len(rows), groups_of(rows, sampler))
                elif rows:
                    exact = {name: targets(rows, fact) for name, fact in facts.items()}
                    validation[role] = ValidationPart(role, volumes, len(rows), tensors, exact)
        self._refuse_few(sources)
        return sources, validation

    def _course(self, rows: int) -> Course:
        trainer = self.hashed["trainer"]
        return Course(
            rows,
            trainer["batch_size"],
            trainer.get("accumulate", 1),
            self._epochs(trainer.get("epochs")),
            trainer.get("steps"),
            2 if self.job.options.smoke else None,
            trainer.get("devices", 1),
        )

    def _monitored(self) -> Monitored:
        trainer = self.hashed["trainer"]
        monitor, stopping = trainer.get("monitor") or {}, trainer.get("early_stopping") or {}
        metric = monitor.get("metric", "loss")
        return Monitored(
            None if metric == "loss" else build(metric, Metric, self.job.places),
            monitor.get("head"),
            monitor.get("role"),
            float(stopping.get("min_delta", 0.0)),
        )

    def _volumes(self, rows: tuple[Row, ...], data: DataModule) -> Any:
        job = self.job
        recipe = recipe_digest(data, self.hashed["data"])
        return open_volumes(rows, data, recipe, job.store, job.places, job.counter, job.options.memory_bytes)

    def _inherit(self, network: Network) -> None:
        self.loaded, self.kept_heads = inherit(self.job, network, self.heads)

    def _auxiliaries(self) -> dict[str, Auxiliary]:
        made = build_auxiliaries(self.hashed, self.job.places, self.loaded is not None)
        teach(self.job, made.values(), self.heads, self.inputs, self.device)
        return made

    def _epochs(self, wanted: Any) -> int | None:
        if not isinstance(wanted, Mapping):
            return wanted
        works = self.hashed["parents"][wanted["median_best_epoch_of"]]
        results = [self.job.parent_result(work) for work in works]
        epochs = [result.as_a(FitResult).best_epoch for result in results if result.done]
        if not epochs:
            raise DivergedError("every run that the number of epochs is taken from has diverged")
        return max(1, int(median(epochs) + 0.5))

    def parent_passports(self) -> Iterator[Passport]:
        """Go through the passports of all runs that formed this one, by their weights or their best epochs."""
        for work in self.job.manifest.parents:
            found = self.job.store.passport(work)
            if found is not None:
                yield found

    # Training

    def train(self) -> None:
        """Train from the resume point, or from the start, to the end."""
        module = self.module = Training(self.recipe, self._after, self.team)
        state = self._resume_point()
        if state is not None:
            module.resumed = checkpoints.load(state.data)
            module.ledger.index = module.resumed["ledger"]["index"]
            self.job.facts["resumed_at"] = module.ledger.index
        sizes = {role: self.recipe.scenario.samples(role, self.recipe.batch_size) for role in self.sources}
        sampler = build_sampler(self.hashed, self.job.places)
        workers = self.job.options.loader_workers
        sources = resident(self.sources, self.data, self.device, workers)
        team = (self.team.rank, self.team.count)
        batches = Batches(sources, self.data, self.recipe.seed, sizes, sampler, *team)
        start = module.ledger.index
        stopped = module.resumed is not None and module.resumed["ledger"]["stopped"]
        todo = range(start, start if stopped else self.recipe.course.batches)
        loader = load(batches, todo, self.device, workers)
        if len(todo):
            with self.job.stop_signal():
                together(self.team, self.device, lambda: self._trainer().fit(module, loader))
        else:
            module.to(self.device)
            module.on_fit_start()
        module.zero_grad(set_to_none=True)

    def _resume_point(self) -> State | None:
        return self.job.store.load_state(self.job.manifest.work, tag(self.environment))

    def _trainer(self) -> pl.Trainer:
        return _Loop(
            accelerator="gpu" if self.device.type == "cuda" else "cpu",
            devices=1 if self.device.type == "cpu" else [self.team.rank],
            precision=LIGHTNING_PRECISION[self.recipe.precision],  # type: ignore[arg-type]
            max_epochs=1,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            # Named, so that Lightning does not look for a scheduler and requeue jobs behind the engine's back.
            plugins=[LightningEnvironment()],
            default_root_dir=str(self.job.store.base / "tmp"),
        )

    def _after(self, module: Training, at: Position) -> None:
        options, now = self.job.options, seconds()
        self.job.progress(at.epoch + 1, self.recipe.course.total_epochs, at.index + 1, self.recipe.course.batches)
        tell_collapse(self, at)
        if at.closes:
            every = max(options.checkpoint_every_s, OVERHEAD * self.saving_took)
            steps = options.checkpoint_every_steps
            due = now - self.saved_at >= every or (steps is not None and at.step + 1 - self.saved_step >= steps)
            leaving = self._leaving(now)
            if self.team.together:
                told = self.team.agree(-1 if leaving is None else leaving)
                leaving = None if told < 0 else told
            last = at.index + 1 == self.recipe.course.batches
            if (due or leaving is not None) and not last and self.team.rank == 0:
                self._save(module, at)
            if leaving is not None and not last:
                raise YieldError(leaving)
        if options.after_batch is not None:
            options.after_batch(at.index + 1)

    def _leaving(self, now: float) -> int | None:
        if self.job.signal is not None:
            return 128 + self.job.signal
        deadline = self.job.options.deadline
        if deadline is not None and now + 1.5 * self.saving_took + self.job.pace() >= deadline:
            return int(ExitCode.YIELDED)
        return None

    def _save(self, module: Training, at: Position) -> None:
        began = time.perf_counter()
        data = checkpoints.dump(module.snapshot())
        self.job.store.save_state(self.job.manifest.work, at.index + 1, tag(self.environment), data)
        self.saving_took, self.saved_at, self.saved_step = time.perf_counter() - began, seconds(), at.step + 1
        self.job.facts["saves"] = self.job.facts.get("saves", 0) + 1
        self.job.facts["saving_s"] = self.job.facts.get("saving_s", 0.0) + self.saving_took


class _Loop(pl.Trainer):
    """A trainer that leaves SIGTERM to the run: after any batch Lightning would end the process without saving."""

    @property
    def received_sigterm(self) -> bool:
        return False


def _refuse_unbuilt(hashed: Mapping[str, Any]) -> None:
    """Refuse what the language can say and this runner cannot do yet.

    Raises:
        TlimbError: with exit code 69.
    """
    trainer = hashed["trainer"]
    roles = {*(hashed.get("weights") or {})} - {"encoder"}
    unbuilt = {
        "fp16 with gradient_clip": trainer.get("precision") == "fp16" and trainer.get("gradient_clip") is not None,
        f"a file of weights as {', '.join(sorted(roles))}": bool(roles),
    }
    for what, asked in unbuilt.items():
        if asked:
            problem = Problem("not-built", f"{what} is not supported by this runner yet")
            raise TlimbError(problem, ExitCode.BACKEND_MISSING)
