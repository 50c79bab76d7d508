"""The content of each kind of node: all that decides the bits of its result.

A kind is one class here. Its name is the `kind` in JSON, its fields are the other keys; structuring, JSON Schema and
the field table of docs/identity.md follow from it, and what drawings, engines and the store have to know of a kind.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import ClassVar

from attrs import frozen

from tlimb.manifest.canonical import Json
from tlimb.manifest.fields import Digest, entry
from tlimb.manifest.parts import LOSS, Adapt, Component, Freeze, Head, Inputs, Parts, Rows, Trainer, Weights

ENCODER = "encoder"
"""Role of the parent whose encoder a training starts from."""
EPOCHS_FROM = "epochs_from"
"""Role of the parents whose best epochs say how long a training takes; no weights come from them."""
UNLABELLED = ("unlabelled", "target")
"""Roles whose labels no training ever reads."""
_FIRST_ROLES = ("data", "labelled", "source")


class Kind(StrEnum):
    """The closed list of node kinds.

    `prepare` fills the volume cache, `fit` trains, `predict` applies weights to rows and keeps predictions,
    `select` chooses among candidates on validation, `rank` makes the table, `report` the pages.
    """

    PREPARE = "prepare"
    FIT = "fit"
    PREDICT = "predict"
    SELECT = "select"
    RANK = "rank"
    REPORT = "report"


class Content:
    """What the contents of all kinds answer; a kind says what differs from a node that reads nothing.

    Attributes:
        kind: the kind.
        words: what people call one node of it, and several.
        level: place of its steps in an engine's chain of steps, in which nothing waits for a later one.
        on_device: it computes on the GPU where there is one.
    """

    __slots__ = ()

    kind: ClassVar[Kind]
    words: ClassVar[tuple[str, str]]
    level: ClassVar[int]
    on_device: ClassVar[bool] = False

    @property
    def parent_works(self) -> tuple[str, ...]:
        """Return the works that it reads, in order of role and position, without repeats."""
        return ()

    @property
    def ancestors(self) -> tuple[str, ...]:
        """Return the works that weights come from; one of them that has diverged leaves nothing to start from."""
        return ()

    @property
    def tolerated(self) -> frozenset[str]:
        """Return those of its parents that may have diverged: that they did is an answer to this node."""
        return frozenset()

    @property
    def views(self) -> tuple[str, ...]:
        """Return the digests of the rows that it reads, each time one is named."""
        return ()

    @property
    def components(self) -> Iterator[Component]:
        """Go through the components that it names, without those inside their options."""
        yield from ()


@frozen
class Prepare(Content):
    """Decode the images of a view into the cache."""

    kind: ClassVar[Kind] = Kind.PREPARE
    words: ClassVar[tuple[str, str]] = ("cache fill", "cache fills")
    level: ClassVar[int] = 0
    on_device: ClassVar[bool] = False

    data: Component = entry("Data module.")
    view: Digest = entry("Digest of the rows.")

    @property
    def views(self) -> tuple[str, ...]:
        """Return the digest of the rows."""
        return (self.view,)

    @property
    def components(self) -> Iterator[Component]:
        """Go through the data module."""
        yield self.data


@frozen
class Fit(Content):
    """Train an encoder and its heads."""

    kind: ClassVar[Kind] = Kind.FIT
    words: ClassVar[tuple[str, str]] = ("training", "trainings")
    level: ClassVar[int] = 1
    on_device: ClassVar[bool] = True

    scenario: Component = entry("How the samples of the roles become terms of the loss.")
    data: Component = entry("Data module.")
    architecture: Component | None = entry("The encoder; null only in plans that cannot run.")
    heads: tuple[Head, ...] = entry("Tasks, in order.")
    auxiliary: tuple[Component, ...] = entry("Terms added to the loss.")
    weighting: Component | None = entry("What brings the losses of several heads together; null for their sum.")
    sampler: Component | None = entry("What draws the rows of an epoch; null for all of them in a random order.")
    optimizer: Component | None = entry("The optimizer; null where nothing is trained.")
    scheduler: Component | None = entry("How the rate changes with the steps; null for a constant rate.")
    trainer: Trainer = entry("How long, on how much at once, and in which arithmetic.")
    freeze: Freeze = entry("Which part of the encoder keeps its parent's weights.")
    adapt: Adapt = entry("What may differ between a parent's encoder and this one.")
    parents: Mapping[str, Digest | tuple[Digest, ...]] = entry("Role -> work, or works.")
    weights: Mapping[str, Weights] = entry("Files of weights by role.")
    roles: Mapping[str, Parts] = entry("Role -> part -> digest of the rows; never `test`.", key="views")
    inputs: Inputs = entry("Facts of the training images.")
    seed: int = entry("The run's only seed.", minimum=0)
    callbacks: tuple[Component, ...] = entry("Lightning callbacks that take part in the training.", default=())

    @property
    def encoder_parent(self) -> str | None:
        """Return the work whose encoder this training starts from; None for none."""
        found = self.parents.get(ENCODER)
        return found if isinstance(found, str) else None

    @property
    def teachers(self) -> dict[str, str]:
        """Return, by slot, the works whose trained networks auxiliary objectives and scenarios read."""
        return {
            slot: work
            for slot, work in self.parents.items()
            if slot not in (ENCODER, EPOCHS_FROM) and isinstance(work, str)
        }

    @property
    def epochs_from(self) -> tuple[str, ...]:
        """Return the works whose best epochs say how long this training takes."""
        return _works(self.parents.get(EPOCHS_FROM, ()))

    @property
    def ancestors(self) -> tuple[str, ...]:
        """Return the works that weights come from; one of them that has diverged leaves nothing to start from."""
        if not self.parents:
            return ()
        roles = [role for role in sorted(self.parents) if role != EPOCHS_FROM]
        return tuple(dict.fromkeys(work for role in roles for work in _works(self.parents[role])))

    @property
    def weights_from(self) -> tuple[str, ...]:
        """Return the works whose weights are read: the encoder's parent and the teachers."""
        return tuple(work for work in (self.encoder_parent, *self.teachers.values()) if work is not None)

    @property
    def foreign(self) -> Weights | None:
        """Return the file of weights that the encoder starts from; None for none."""
        return self.weights.get(ENCODER)

    @property
    def ordered_roles(self) -> dict[str, Parts]:
        """Return the rows by role, ordered by what roles are for and never by how a file happens to order them.

        The first role says how long an epoch is, and its images say what the network is built for.
        """
        return dict(sorted(self.roles.items(), key=lambda item: role_order(item[0])))

    @property
    def trains(self) -> bool:
        """Return whether it takes steps; a training that takes none reads no labels."""
        return self.optimizer is not None

    @property
    def watched(self) -> frozenset[tuple[str | None, str]]:
        """Return role and head of the validation values that decide which epoch is kept, or when the run ends.

        Role None is the first one; without a metric the loss of all heads is watched.
        """
        if not self.trainer.watches:
            return frozenset()
        monitor = self.trainer.monitor
        if monitor is None:
            return frozenset((None, head.name) for head in self.heads)
        names = [head.name for head in self.heads] if monitor.head is None else [monitor.head]
        return frozenset((monitor.role, name) for name in (names if monitor.metric == LOSS else names[:1]))

    def roles_of(self, head: Head) -> tuple[str, ...]:
        """Return the roles whose labels train a head, ordered by what roles are for."""
        return tuple(sorted((one for one in self.roles if one not in UNLABELLED and head.reads(one)), key=role_order))

    def validation(self, role: str | None) -> str | None:
        """Return the digest of a role's validation rows; None where there are none, or no such role."""
        parts = None if role is None else self.roles.get(role)
        return None if parts is None else parts.val

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels that the heads learn, in order."""
        return tuple(dict.fromkeys(head.facts.label for head in self.heads if head.facts.label is not None))

    @property
    def parent_works(self) -> tuple[str, ...]:
        """Return the works that it reads, in order of role and position, without repeats."""
        return tuple(dict.fromkeys(work for role in sorted(self.parents) for work in _works(self.parents[role])))

    @property
    def tolerated(self) -> frozenset[str]:
        """Return the works whose best epochs are read: what has diverged among them is left out."""
        return frozenset(self.epochs_from)

    @property
    def views(self) -> tuple[str, ...]:
        """Return the digests of the rows that it reads, each time one is named."""
        return tuple(view for parts in self.roles.values() for view in parts.views)

    @property
    def components(self) -> Iterator[Component]:
        """Go through the components that it names, without those inside their options."""
        single = (self.scenario, self.data, self.architecture, self.weighting, self.sampler)
        yield from (one for one in (*single, self.optimizer, self.scheduler) if one is not None)
        yield from (*self.auxiliary, *self.callbacks)
        for head in self.heads:
            yield from (head.objective, head.head)
        yield from (one.layout for one in self.weights.values() if one.layout is not None)
        if self.trainer.monitor is not None and not isinstance(self.trainer.monitor.metric, str):
            yield self.trainer.monitor.metric


@frozen
class Model:
    """The training whose weights are applied."""

    model: Digest = entry("Its work.")


@frozen
class Predict(Content):
    """Apply weights to rows and keep the predictions."""

    kind: ClassVar[Kind] = Kind.PREDICT
    words: ClassVar[tuple[str, str]] = ("test", "tests")
    level: ClassVar[int] = 4  # refits are at 3
    on_device: ClassVar[bool] = True

    parents: Model = entry("The training whose weights are applied.")
    tested: Rows = entry("Rows to predict.", key="views")

    @property
    def model(self) -> str:
        """Return the work of the training whose weights are applied."""
        return self.parents.model

    @property
    def view(self) -> str:
        """Return the digest of the rows that are predicted."""
        return self.tested.rows

    @property
    def parent_works(self) -> tuple[str, ...]:
        """Return the training's work."""
        return (self.model,)

    @property
    def ancestors(self) -> tuple[str, ...]:
        """Return the training's work."""
        return (self.model,)

    @property
    def views(self) -> tuple[str, ...]:
        """Return the digest of the rows that are predicted."""
        return (self.view,)


@frozen
class Candidates:
    """The trainings that are chosen among."""

    candidates: tuple[tuple[Digest, ...], ...] = entry("The works of each candidate.")


@frozen
class Select(Content):
    """Choose the candidate that is best on validation."""

    kind: ClassVar[Kind] = Kind.SELECT
    words: ClassVar[tuple[str, str]] = ("selection", "selections")
    level: ClassVar[int] = 2
    on_device: ClassVar[bool] = False

    parents: Candidates = entry("The trainings that are chosen among.")
    metric: Component = entry("What chooses.")
    head: str | None = entry("Head it is computed of; null for the only one.")
    role: str | None = entry("Role whose validation part is read.")

    @property
    def candidates(self) -> tuple[tuple[str, ...], ...]:
        """Return the works of each candidate."""
        return self.parents.candidates

    @property
    def parent_works(self) -> tuple[str, ...]:
        """Return the works of all candidates, in order, without repeats."""
        return tuple(dict.fromkeys(work for works in self.candidates for work in works))

    @property
    def tolerated(self) -> frozenset[str]:
        """Return all candidates: one that has diverged cannot win, and the others can."""
        return frozenset(self.parent_works)

    @property
    def components(self) -> Iterator[Component]:
        """Go through the metric."""
        yield self.metric


CONTENTS: Mapping[Kind, type[Content]] = {one.kind: one for one in (Prepare, Fit, Predict, Select)}
"""The class of each kind that the runner executes."""


def role_order(role: str) -> tuple[int, str]:
    """Order roles by what they are for: see `Fit.ordered_roles`."""
    return (_FIRST_ROLES.index(role) if role in _FIRST_ROLES else len(_FIRST_ROLES), role)


def _works(value: Json) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
