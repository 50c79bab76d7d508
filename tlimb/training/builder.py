"""From the content of a manifest to the parts of a training, on a device; a run, a trial and a dry run build here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from attrs import field, frozen
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from tlimb.components.contracts import (
    Auxiliary,
    DataModule,
    Encoder,
    Inputs,
    Learner,
    Metric,
    Network,
    Optimizer,
    Sampler,
    Scenario,
    Scheduler,
    Weighting,
)
from tlimb.manifest import Component, Fit, Head
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import Places
from tlimb.training.evaluation.validation import Monitored
from tlimb.training.network.freezing import Freezer
from tlimb.training.network.instantiate import build
from tlimb.training.network.learners import build_optimizer, build_schedule, own_layers
from tlimb.training.network.networks import add_heads, build_encoder


@frozen
class Builder:
    """Builds the parts of one training.

    Attributes:
        fit: content of its manifest.
        places: what user code may be imported, and from where.
        heads: those of the manifest, with the scales of private numbers where these are known.
        device: where modules are made. A run makes them on the processor, whatever it trains on, so that initial
            weights are the same everywhere; `meta` makes shapes without values.
    """

    fit: Fit
    places: Places
    heads: Sequence[Head] = field()
    device: str = "cpu"

    @heads.default
    def _heads(self) -> Sequence[Head]:
        return self.fit.heads

    @contextmanager
    def construction(self) -> Iterator[None]:
        """Make modules on the device inside the context."""
        if self.device == "cpu":
            yield
            return
        with torch.device(self.device):
            yield

    def data(self) -> DataModule:
        """Make the data module."""
        return build(self.fit.data, DataModule, self.places)

    def sampler(self) -> Sampler | None:
        """Make what draws the rows of an epoch; None when nothing is written."""
        return None if self.fit.sampler is None else build(self.fit.sampler, Sampler, self.places)

    def encoder(self, inputs: Inputs) -> Encoder:
        """Make the encoder, with initial weights."""
        assert self.fit.architecture is not None
        with self.construction():
            return build_encoder(self.fit.architecture, inputs, self.fit.seed, self.places)

    def network(self, inputs: Inputs, encoder: Encoder | None = None) -> Network:
        """Make encoder and heads, with initial weights; an encoder that is there already gets heads."""
        made = self.encoder(inputs) if encoder is None else encoder
        with self.construction():
            return add_heads(made, inputs, self.heads, self.fit.seed, self.places)

    def freezer(self, network: Network) -> Freezer:
        """Make what says which part of the encoder rests."""
        return Freezer(network.encoder, self.fit.freeze)

    def scenario(self) -> Scenario:
        """Make the scenario."""
        return build(self.fit.scenario, Scenario, self.places)

    def weighting(self) -> Weighting | None:
        """Make what weights the losses of several heads; None when nothing is written."""
        return None if self.fit.weighting is None else build(self.fit.weighting, Weighting, self.places)

    def auxiliaries(self, has_parent: bool) -> dict[str, Auxiliary]:
        """Make the auxiliary objectives, by the name of their file.

        Raises:
            TlimbError: one needs a parent's weights, and there are none (64).
        """
        made: dict[str, Auxiliary] = {}
        for component in self.fit.auxiliary:
            auxiliary = build(component, Auxiliary, self.places)
            if auxiliary.needs_parent and not has_parent:
                problem = Problem("no-parent", f"{component.path} needs a parent's weights")
                raise TlimbError(problem, ExitCode.USAGE)
            made[component.file if component.file not in made else f"{component.file}_{len(made)}"] = auxiliary
        return made

    def owned(self, learners: Mapping[str, Learner], network: Network, inputs: Inputs) -> dict[str, nn.Module]:
        """Make the layers of scenario, weighting and auxiliaries."""
        with self.construction():
            return own_layers(learners, network, inputs, self.fit.seed)

    def optimizer(
        self,
        network: Network,
        learners: Mapping[str, Learner],
        owned: Mapping[str, nn.Module],
        device: torch.device,
    ) -> torch.optim.Optimizer | None:
        """Make the optimizer for training on a device; None where nothing is trained."""
        if self.fit.optimizer is None:
            return None
        return build_optimizer(build(self.fit.optimizer, Optimizer, self.places), network, learners, owned, device)

    def schedule(self, optimizer: torch.optim.Optimizer | None, steps: int) -> LRScheduler | None:
        """Make the schedule of so many optimizer steps; None for a constant rate."""
        if optimizer is None or self.fit.scheduler is None:
            return None
        return build_schedule(build(self.fit.scheduler, Scheduler, self.places), optimizer, steps)

    def monitored(self) -> Monitored:
        """Make what decides which epoch is best."""
        trainer = self.fit.trainer
        monitor = trainer.monitor
        metric: Component | str = "loss" if monitor is None else monitor.metric
        return Monitored(
            build(metric, Metric, self.places) if isinstance(metric, Component) else None,
            None if monitor is None else monitor.head,
            None if monitor is None else monitor.role,
            0.0 if trainer.early_stopping is None else float(trainer.early_stopping.min_delta),
        )
