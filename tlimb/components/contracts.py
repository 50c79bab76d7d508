"""What each kind of component must offer; the runner knows these classes and no others.

A component's positional `__init__` parameters come from the runner, its keyword-only ones from YAML. Their
documentation is the `Args:` section of the class docstring, their types and defaults are the schema. `revision`
is raised when a change alters results; it is part of every digest.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import torch
from attrs import field, frozen
from torch import Tensor, nn

from tlimb.components.base import Component as Component
from tlimb.components.base import Layout as Layout
from tlimb.components.base import Metric as Metric
from tlimb.components.samples import Array as Array
from tlimb.components.samples import Augmentation as Augmentation
from tlimb.components.samples import Batch as Batch
from tlimb.components.samples import DataModule as DataModule
from tlimb.components.samples import Image as Image
from tlimb.components.samples import Inputs as Inputs
from tlimb.components.samples import Part as Part
from tlimb.components.samples import Positions as Positions
from tlimb.components.samples import Preprocess as Preprocess
from tlimb.components.samples import TargetFacts as TargetFacts


class Encoder(Component, nn.Module, ABC):
    """The reused part of a network; built as `Encoder(inputs, **options)`.

    `network` holds the parameters under the names of the literature: freezing, reports and weight files use
    these names. Parameters are initialised by the runner's generator before construction.
    """

    dims: ClassVar[tuple[int, ...]] = (2, 3)
    """Numbers of spatial dimensions that it accepts; 1 for time series, whose regions are the channels."""
    fewest_channels: ClassVar[int] = 1
    """Fewest channels that it accepts."""
    network: nn.Module
    feature_dim: int
    stages: tuple[str, ...]
    """Names of modules of `network`, input side first, for freezing by stage and layer-wise rates; empty when it has
    no weights."""
    positions: Mapping[str, Positions] = MappingProxyType({})
    """Position embeddings by their name in `network`, so that a transfer can fit them to images of another size."""

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32."""

    def channel_axis(self) -> int | None:
        """Say on which axis of what its stages give the channels lie: 1 for maps, -1 for tokens; None if not known.

        Shapes cannot tell: both (batch, channel, position) and (batch, token, channel) have three axes.
        """
        return None


class Head(Component, nn.Module, ABC):
    """Layers from features to one objective's outputs; built as `Head(feature_dim, outputs, **options)`."""

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Give (batch, outputs)."""


class Objective(Component, ABC):
    """A primary objective of one head; built as `Objective(facts, **options)`."""

    kind: ClassVar[Literal["number", "class", "image"]]
    """What it predicts; `image` for what the images themselves teach, see `Pretext`."""
    metrics: ClassVar[tuple[str, ...]]
    """Metrics reported by default."""
    divisible: ClassVar[bool] = False
    """Its loss is a mean over valid samples and each sample's part depends on that sample alone, so that several
    devices can each compute a part of it."""
    limits: ClassVar[tuple[str, str] | None] = None
    """Options that hold the least and the largest number that can be learned, so that planning can refuse others."""
    outputs: int
    """Width of the head."""

    def refuse(self, targets: Tensor, valid: Tensor) -> None:
        """Refuse targets that cannot be learned, once, before the first step.

        Args:
            targets: (n,) of a whole part.
            valid: (n,) bool.

        Raises:
            ValueError: some cannot; the message holds none of them.
        """

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Give the mean loss over valid samples, exactly 0 (with a gradient of 0) when none is valid."""

    @abstractmethod
    def predict(self, outputs: Tensor) -> Tensor:
        """Give predictions in the target's unit: (batch,) numbers, or (batch, classes) probabilities."""

    def says(self, outputs: Tensor) -> Tensor:
        """Give outputs on a scale on which two networks can be compared: (batch, outputs) float32, with a gradient.

        Probabilities of classes; numbers as they are, standardised. Override it where outputs mean the same after a
        change, as the logarithms of probabilities do when all grow alike.
        """
        return outputs.float().softmax(1) if self.kind == "class" else outputs.float()

    def initialise(self, head: nn.Module) -> None:
        """Set the output bias to the training mean or log-odds, where that makes sense."""


class Pretext(Objective):
    """A primary objective that the images themselves give: it makes its own head, and predicts nothing for anybody."""

    kind = "image"
    metrics = ()
    outputs = 0

    @abstractmethod
    def head(self, feature_dim: int, inputs: Inputs) -> nn.Module:
        """Make the layers that it needs on top of the encoder, such as a decoder."""

    @abstractmethod
    def term(
        self, encode: Callable[[Tensor], Tensor], head: nn.Module, batch: Batch, name: str | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the mean loss of a batch, and what else is worth a line in the history.

        Args:
            encode: from inputs (batch, channel, *spatial) to features (batch, feature_dim).
            head: what `head` made.
            batch: samples; everything random is drawn from their seeds.
            name: of its targets in the batch, where it has any.
        """

    def loss(self, outputs: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Refuse: there are no outputs."""
        raise TypeError("the images themselves give this loss; it is asked for by `term`")

    def predict(self, outputs: Tensor) -> Tensor:
        """Refuse: there is nothing to predict."""
        raise TypeError("an objective of images predicts nothing for anybody")


@frozen
class StepContext:
    """What an auxiliary objective may read in one step.

    Attributes:
        encoder: the network being trained.
        heads: head modules by name.
        batches: this step's samples by role.
        features: encoder outputs by role, (batch, feature_dim).
        outputs: head outputs by head, for the samples its role gives.
        step: optimizer steps done so far.
        progress: step over all steps, 0 to 1.
        notes: numbers for the history that are no terms of the loss; auxiliary objectives add theirs.
    """

    encoder: Encoder
    heads: Mapping[str, nn.Module]
    batches: Mapping[str, Batch]
    features: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    step: int
    progress: float
    notes: dict[str, Tensor] = field(factory=dict)


class NetworkUnfitError(ValueError):
    """A scenario, weighting or auxiliary objective cannot work with the network that it is given; the message says why.

    `tlimb validate --deep` tells it at the setting's place, and a run ends with it as the user's mistake.
    """


class Learner(Component):
    """What scenarios, weightings and auxiliary objectives share: they may own layers, and act after each step."""

    divisible: ClassVar[bool] = False
    """Its terms are sums of the heads' losses, or means over samples, or depend on no sample, so that several devices
    can each compute a part of them; and it keeps no sum over batches."""
    rate: float = 1.0
    """Learning rate of its own parameters, as a multiple of the optimizer's."""
    weight_decay: float | None = None
    """Weight decay of its own parameters; None for the optimizer's."""

    def build(self, network: "Network", inputs: Inputs) -> nn.Module | None:
        """Make layers or copies of its own, once, after parents' weights are in the network.

        Parameters that ask for a gradient are trained with the network. Everything in the module is kept in resume
        points, and nothing of it in the result. The runner seeds torch before, moves the module to the device, and
        leaves it in training mode.

        Args:
            network: encoder and heads as they start.
            inputs: what the encoder receives.

        Returns:
            None when it owns nothing.

        Raises:
            NetworkUnfitError: it cannot work with this network.
        """
        return None

    def after_step(self, network: "Network", progress: float) -> None:
        """Act after an optimizer step, such as moving a running mean of the weights.

        Args:
            network: encoder and heads after the step.
            progress: steps done over all steps, 0 to 1.
        """


class Auxiliary(Learner, ABC):
    """A term added to the loss; built as `Auxiliary(**options)`."""

    needs_parent: ClassVar[bool] = False
    slots: ClassVar[tuple[str, ...]] = ()
    """Slots of `from` beside `encoder` that it reads: stages whose trained networks it is given."""
    roles: ClassVar[tuple[str, ...]] = ()
    ramp_epochs: int = 0
    """Epochs in which the runner lets the term grow linearly to its weight."""

    def learn_from(self, slot: str, network: "Network") -> None:
        """Take the trained network of a slot, before `build`: in evaluation mode, without gradients, on the device."""

    def begin(self, encoder: Encoder, transferred: Mapping[str, Tensor]) -> None:
        """Prepare before the first step, also of a resumed run.

        Args:
            encoder: the network with the parent's weights in it.
            transferred: the parent's tensors by name in `encoder.network`; clones that nothing else holds.
        """

    def keep(self, heads: Mapping[str, Tensor]) -> None:
        """Learn which heads are the parent's (`adapt: {heads: keep}`); called after `begin`, before the first step.

        Args:
            heads: the parent's tensors as `<head>.<name>`; empty when all heads are new.
        """

    @abstractmethod
    def loss(self, context: StepContext) -> Tensor:
        """Give the weighted term, a scalar."""


class Optimizer(Component, ABC):
    """Makes a torch optimizer; built as `Optimizer(**options)`."""

    layer_decay: float = 1.0
    """Factor of the learning rate from each stage of the encoder to the one before it; the heads are outermost."""
    head_rate: float = 1.0
    """Learning rate of the heads, as a multiple of the optimizer's."""
    fuses: ClassVar[bool] = False
    """Whether torch may update each parameter in a single pass over memory where the run trains on a processor."""

    @abstractmethod
    def build(self, groups: Iterable[dict[str, Any]]) -> torch.optim.Optimizer:
        """Make it for parameter groups (`params`, and optionally `lr` and `weight_decay`)."""


class Scheduler(Component, ABC):
    """Makes a learning-rate schedule that is advanced after every optimizer step."""

    @abstractmethod
    def build(self, optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
        """Make it for a run of so many optimizer steps."""


@frozen
class Network:
    """Encoder and heads of one run, as a scenario sees them."""

    encoder: Encoder
    heads: Mapping[str, nn.Module]
    objectives: Mapping[str, Objective]
    weights: Mapping[str, float]
    roles: Mapping[str, str | None] = field(factory=dict)


class Weighting(Learner, ABC):
    """Brings the losses of several heads together; built as `Weighting(**options)`."""

    surgery: ClassVar[bool] = False
    """It changes gradients, by `accumulate`, and not only losses."""

    def combine(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give the terms whose sum is minimised.

        Args:
            terms: head -> its weight times its loss, scalars.
        """
        return dict(terms)

    def accumulate(self, terms: Mapping[str, Tensor], others: Tensor | None, shared: Sequence[nn.Parameter]) -> None:
        """Add the gradient of one batch to `.grad` of all parameters; called when `surgery` is set.

        Args:
            terms: what `combine` gave, each divided by the batches of the step.
            others: sum of all other terms, likewise divided; None for none.
            shared: parameters of the encoder that are trained.
        """
        raise NotImplementedError


class Sampler(Component, ABC):
    """Draws the rows of an epoch; built as `Sampler(**options)`, with an option `by`.

    Attributes:
        by: label whose values are the groups, or `dataset`.
    """

    by: str

    @abstractmethod
    def order(self, groups: Tensor, generator: torch.Generator) -> Tensor:
        """Give the positions of the rows of one epoch, in order: (rows,) int64, as many as there are rows.

        Args:
            groups: (rows,) int64, number of each row's group; -1 where it is unknown.
            generator: seeded for this role and epoch; every draw comes from it.
        """


class Scenario(Learner, ABC):
    """The training logic: which roles are read and what one step's loss is made of."""

    roles: ClassVar[tuple[str, ...]] = ("data",)
    """Roles of datasets; the first says how long an epoch is."""
    trains: ClassVar[bool] = True
    """It takes optimizer steps; one that does not is asked for `terms` all the same, once a row, and gives none."""

    @abstractmethod
    def terms(
        self, network: Network, batches: Mapping[str, Batch], step: int, progress: float
    ) -> tuple[dict[str, Tensor], StepContext]:
        """Give the named, weighted loss terms of one step (their sum is minimised) and what auxiliaries read.

        The term of a head has the head's name.
        """

    def samples(self, role: str, batch_size: int) -> int:
        """Give how many samples of a role a batch has."""
        return batch_size

    def result(self, network: Network, role: str | None = None) -> Network:
        """Give the network that is kept: the one that is trained, or a running mean of it.

        Args:
            network: encoder and heads that are trained.
            role: of the validation part that it is wanted for; None for what is kept.
        """
        return network
