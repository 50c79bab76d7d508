"""One training of a manifest: prepare its parts, train them, write what they leave.

Reading order: `fit` is the whole; `tlimb.training.prepare` reads rows and images and builds the parts; `Run.train`
hands them to the loop (`tlimb.training.loop`); `tlimb.training.outputs` writes the object.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Checkpoint

from tlimb.manifest import Fit
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import DivergedError, YieldError
from tlimb.store import State, disk
from tlimb.training import checkpoints, resume
from tlimb.training.data.batches import Batches, StepInfo, load, resident
from tlimb.training.devices.distributed import Team, assemble, together
from tlimb.training.hooks import observers
from tlimb.training.hooks.journal import EVERY_STEPS, Journal
from tlimb.training.job import Draft, Job
from tlimb.training.lightning import StudyTrainer
from tlimb.training.loop import Loop
from tlimb.training.loop import fit as drive
from tlimb.training.network.layer_rates import rates_of
from tlimb.training.outputs import tell_collapse, write_diverged, write_fit
from tlimb.training.prepare import Prepared, prepare

LIGHTNING_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
OVERHEAD = 50.0
"""A resume point is written at most every so many times the seconds it takes: two per cent of the time."""


def fit(job: Job, staged: Path) -> Draft:
    """Train, and write every artefact of the run into a staging folder."""
    content = job.manifest.as_a(Fit)
    _refuse_unbuilt(content)
    team = assemble(job, content.trainer.devices) if content.trainer.devices > 1 else None
    try:
        run = Run(job, team, prepare(job, team))
        try:
            run.train()
            return write_fit(job, run.parts, run.trained, staged)
        except DivergedError as error:
            return write_diverged(job, run.parts, run.trained, staged, str(error))
    finally:
        if team is not None:
            team.stop()


@define(eq=False)
class Run:
    """One training: its parts, trained.

    Attributes:
        job: the manifest, and where it runs.
        team: the processes that share each batch; None for one device.
        parts: what the manifest names, read and built.
        loop: the module that trains; None before `train`.
        journal: loggers.
    """

    job: Job
    team: Team | None
    parts: Prepared
    loop: Loop | None = None
    journal: Journal = field(factory=Journal)
    _saved_at: float = field(factory=lambda: seconds(), init=False)
    _saving_took: float = field(default=0.0, init=False)
    _saved_step: int = field(default=0, init=False)

    @property
    def rank(self) -> int:
        """Return which of the processes of the run this is; the first writes what the run leaves."""
        return 0 if self.team is None else self.team.rank

    @property
    def trained(self) -> Loop:
        """Return the module that trains."""
        assert self.loop is not None
        return self.loop

    def train(self, trial: Path | None = None) -> None:
        """Train from the resume point, or from the start, to the end.

        Args:
            trial: folder for what callbacks write in a trial, which looks for no resume point, writes none and tells
                no logger; None for the training itself.
        """
        setup, options = self.parts.setup, self.job.options
        loop = self.loop = Loop(setup, self._after if trial is None else self._after_trial)
        state = None if trial is not None else self._resume_point()
        if state is not None:
            self._go_on(loop, state)
        sizes = {role: setup.scenario.samples(role, setup.batch_size) for role in self.parts.sources}
        sources = resident(self.parts.sources, setup.data, self.parts.device, options.loader_workers)
        place = (0, 1) if self.team is None else (self.team.rank, self.team.count)
        batches = Batches(sources, setup.data, setup.seed, sizes, self.parts.sampler, *place)
        loader = load(batches, range(loop.state.index, setup.length.batches), self.parts.device, options.loader_workers)
        loop.line_written = lambda line, index: self.journal.epoch(line, loop.state.metrics(), index)
        with self.job.stop_signal(), _misfits_told():
            trainer = self._trainer(trial)
            self.journal.begin(self.job.manifest, resumed=state is not None)
            together(self.team, self.parts.device, lambda: drive(loop, trainer, loader))

    def _resume_point(self) -> State | None:
        return self.job.store.load_state(self.job.manifest.work, resume.tag(self.parts.environment))

    def _go_on(self, loop: Loop, state: State) -> None:
        found = checkpoints.load(state.data)
        loop.resumed = loop.state.index = self.job.facts["resumed_at"] = found["state"]["index"]
        loop.restore = lambda module: resume.restore(module, found)

    def _trainer(self, trial: Path | None) -> StudyTrainer:
        places, options = self.job.places, self.job.options
        folder = self.job.folder if trial is None else trial
        callbacks = observers.taking_part(self.parts.content.callbacks, places)
        if callbacks or options.observers or options.loggers:
            disk.make_below(self.job.store.base, folder)
        if self.rank == 0:
            callbacks += observers.observers(options.observers, places)
            self.journal = (
                Journal.open(options.loggers, places, folder) if trial is None else Journal.deaf(options.loggers)
            )
        return StudyTrainer(
            accelerator="gpu" if self.parts.device.type == "cuda" else "cpu",
            devices=1 if self.parts.device.type == "cpu" else [self.rank],
            precision=LIGHTNING_PRECISION[self.parts.setup.precision],
            max_epochs=self.parts.setup.length.epochs_run,
            reload_dataloaders_every_n_epochs=1,
            callbacks=callbacks,
            logger=self.journal.loggers or False,
            log_every_n_steps=EVERY_STEPS,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=any(isinstance(one, Checkpoint) for one in callbacks),
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            # Named, so that Lightning does not look for a scheduler and requeue jobs behind the engine's back.
            plugins=[LightningEnvironment()],
            default_root_dir=str(folder),
        )

    # After each batch

    def _after_trial(self, loop: Loop, at: StepInfo, more: bool) -> None:
        if self.job.signal is not None:
            raise YieldError(128 + self.job.signal)
        if self.job.options.after_batch is not None:
            self.job.options.after_batch(at.index + 1)

    def _after(self, loop: Loop, at: StepInfo, more: bool) -> None:
        self.job.progress(
            at.epoch + 1, self.parts.setup.length.total_epochs, at.index + 1, self.parts.setup.length.batches
        )
        if at.ends_epoch or not more:
            tell_collapse(self.job, loop, at)
        elif at.closes and (at.step + 1) % EVERY_STEPS == 0:
            self.journal.step(at.index, loop.running, rates_of(self.parts.setup.optimizer)[0])
        if at.closes and more:
            self._keep_or_leave(loop, at)
        if self.job.options.after_batch is not None:
            self.job.options.after_batch(at.index + 1)

    def _keep_or_leave(self, loop: Loop, at: StepInfo) -> None:
        """Write a resume point where one is due, and stop where that is asked for."""
        options, now = self.job.options, seconds()
        every = max(options.checkpoint_every_s, OVERHEAD * self._saving_took)
        steps = options.checkpoint_every_steps
        due = now - self._saved_at >= every or (steps is not None and at.step + 1 - self._saved_step >= steps)
        leaving = self._leaving(now)
        if self.team is not None and self.team.together:
            agreed = self.team.agree(-1 if leaving is None else leaving)
            leaving = None if agreed < 0 else agreed
        if (due or leaving is not None) and self.rank == 0:
            self._save(loop, at)
        if leaving is not None:
            raise YieldError(leaving)

    def _leaving(self, now: float) -> int | None:
        if self.job.signal is not None:
            return 128 + self.job.signal
        deadline = self.job.options.deadline
        if deadline is not None and now + 1.5 * self._saving_took + self.job.pace() >= deadline:
            return int(ExitCode.YIELDED)
        return None

    def _save(self, loop: Loop, at: StepInfo) -> None:
        began = time.perf_counter()
        data = checkpoints.dump(resume.snapshot(loop))
        self.job.store.save_state(self.job.manifest.work, at.index + 1, resume.tag(self.parts.environment), data)
        self._saving_took, self._saved_at, self._saved_step = time.perf_counter() - began, seconds(), at.step + 1
        self.job.facts["saves"] = self.job.facts.get("saves", 0) + 1
        self.job.facts["saving_s"] = self.job.facts.get("saving_s", 0.0) + self._saving_took


@contextmanager
def _misfits_told() -> Iterator[None]:
    """Report what Lightning refuses, in its words, which name no file and no participant, of callbacks and loggers.

    Raises:
        TlimbError: it refuses something (64).
    """
    try:
        yield
    except MisconfigurationException as error:
        message = str(error).strip().partition("\n")[0]
        wants_logger = "LearningRateMonitor and its like want a logger:   execution: {loggers: [csv]}"
        problem = Problem("callback-unfit", message, help=wants_logger if "logger" in message else ())
        raise TlimbError(problem, ExitCode.USAGE) from error


def _refuse_unbuilt(content: Fit) -> None:
    """Refuse what the language can say and this runner cannot do yet.

    Raises:
        TlimbError: with exit code 69.
    """
    trainer = content.trainer
    roles = set(content.weights) - {"encoder"}
    unbuilt = {
        "fp16 with gradient_clip": trainer.precision == "fp16" and trainer.gradient_clip is not None,
        f"a file of weights as {', '.join(sorted(roles))}": bool(roles),
    }
    for what, asked in unbuilt.items():
        if asked:
            problem = Problem("not-built", f"{what} is not supported by this runner yet")
            raise TlimbError(problem, ExitCode.BACKEND_MISSING)


def seconds() -> float:
    """Return the time, seconds since the epoch; replaced in tests."""
    return time.time()
