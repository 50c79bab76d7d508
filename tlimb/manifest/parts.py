"""What the contents of manifests are made of: components, heads, the trainer's settings and the rest, frozen."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from attrs import evolve, frozen

from tlimb.manifest.canonical import Json
from tlimb.manifest.fields import Digest, entry

LOSS = "loss"
"""Stands in place of a metric where the validation loss is meant."""


@frozen
class Component:
    """A class and all its options, defaults filled in."""

    path: str = entry("Module and class.", key="class")
    revision: int = entry("Raised when a change alters results.", minimum=0)
    options: Mapping[str, Json] = entry("Every option, resolved; components inside are of the same form.")
    code: Digest | None = entry("sha256 of the syntax trees behind a class that is not tlimb's own.", default=None)
    package: str | None = entry("Distribution and version of an installed class.", default=None)

    @property
    def module(self) -> str:
        """Return the module of the class."""
        return self.path.rpartition(".")[0]

    @property
    def file(self) -> str:
        """Return the name of the module's file, which for tlimb's own components is their name in a spec."""
        return self.module.rpartition(".")[2]

    def walk(self) -> Iterator["Component"]:
        """Go through the component itself and those inside its options, at any depth."""
        yield self
        yield from _inside(self.options)

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form, the one in which components stand inside options too."""
        found: dict[str, Json] = {"class": self.path, "revision": self.revision, "options": self.options}
        found |= {} if self.code is None else {"code": self.code}
        return found | ({} if self.package is None else {"package": self.package})


def _inside(value: Json) -> Iterator[Component]:
    if isinstance(value, Mapping):
        if isinstance(value.get("class"), str) and isinstance(value.get("options"), Mapping):
            optional = {"code": value.get("code"), "package": value.get("package")}
            yield from Component(value["class"], value.get("revision", 0), value["options"], **optional).walk()
        else:
            for one in value.values():
                yield from _inside(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _inside(one)


@frozen
class Facts:
    """What is known of the target, from the training part."""

    label: str | None = entry("Name of the label; null without one.")
    classes: tuple[str, ...] = entry("Classes in the order of outputs; empty for numbers.")
    counts: tuple[int, ...] = entry("People of each class.", items={"minimum": 0})
    mean: float | None = entry("Mean of a number; null for classes and private labels.")
    sd: float | None = entry("Standard deviation of a number; null for classes.")


@frozen
class Head:
    """One task: what is predicted and how much it counts."""

    name: str = entry("Name of the head.")
    objective: Component = entry("What is learned.")
    head: Component = entry("The layers between the encoder's features and the outputs.")
    weight: float = entry("Factor of its loss.")
    role: str | None = entry("Role whose samples it reads; null for all with the label.")
    facts: Facts = entry("What is known of the target, from the training part.")

    def reads(self, role: str) -> bool:
        """Return whether samples of a role train this head."""
        return self.role in (None, role)

    def scaled(self, mean: float, sd: float) -> "Head":
        """Return the head with a scale that the manifest does not hold."""
        return evolve(self, facts=evolve(self.facts, mean=mean, sd=sd))


@frozen
class Median:
    """The length of a refit, from its inner folds."""

    role: str = entry("Role of the parents whose best epochs are read.", key="median_best_epoch_of")


@frozen
class Monitor:
    """The validation value that early stopping and `keep: best` watch."""

    metric: Component | Literal["loss"] = entry("The metric, or the word `loss`.")
    head: str | None = entry("Head; needed when there are several.")
    role: str | None = entry("Role of the dataset; needed when there are several.")


@frozen
class EarlyStopping:
    """Stop when the monitored value has not improved."""

    patience_epochs: int = entry("Epochs without improvement before stopping.", minimum=1)
    min_delta: float = entry("Smallest change that counts as improvement, in the metric's unit.", minimum=0)


@frozen
class Trainer:
    """How long, on how much at once, and in which arithmetic: everything here may change bits."""

    epochs: int | Median | None = entry("Passes over the training part.", minimum=1)
    steps: int | None = entry("Optimizer steps, instead of epochs.", minimum=1)
    batch_size: int | None = entry("Samples per optimizer step and device group (the global batch).", minimum=1)
    accumulate: int = entry("Batches whose gradients are summed before a step.", minimum=1)
    precision: Literal["fp32", "bf16", "fp16"] = entry("Arithmetic of the forward pass.")
    threads: int = entry("CPU threads of one run; other counts give other bits.", minimum=1)
    device: Literal["any", "cpu", "cuda"] = entry(
        "`any` lets laptop and cluster share a study; `cpu` or `cuda` pins it."
    )
    devices: int = entry("Number of devices that share the global batch.", minimum=1)
    deterministic: Literal[True, "best_effort", "strict"] | None = entry(
        "true: equal bits promised; `best_effort`: a stated tolerance; `strict`: refuse layers without a "
        "deterministic kernel."
    )
    monitor: Monitor | None = entry("The validation value that early stopping and `keep: best` watch.")
    keep: Literal["last", "best"] = entry(
        "Which weights are kept: those of the last epoch, or of the best monitored one."
    )
    early_stopping: EarlyStopping | None = entry("Stop when the monitored value has not improved.")
    gradient_clip: float | None = entry("Largest norm of the gradient; `none` for no limit.", exclusiveMinimum=0)

    @property
    def batch(self) -> int:
        """Return the samples of a batch.

        Raises:
            ValueError: the manifest does not say it.
        """
        if self.batch_size is None:
            raise ValueError("the manifest has no batch_size")
        return self.batch_size

    @property
    def pinned_to_cpu(self) -> bool:
        """Return whether the run must not use a GPU although there is one."""
        return self.device == "cpu"

    @property
    def fixed_epochs(self) -> int | None:
        """Return the passes over the training part where the manifest says them; None where parents or steps do."""
        return self.epochs if isinstance(self.epochs, int) else None

    @property
    def patience(self) -> int | None:
        """Return the epochs without improvement before stopping; None for never."""
        return None if self.early_stopping is None else self.early_stopping.patience_epochs

    @property
    def watches(self) -> bool:
        """Return whether a validation value decides which epoch is kept, or when the run ends."""
        return self.keep == "best" or self.early_stopping is not None


@frozen
class Freeze:
    """Which part of the encoder keeps its parent's weights."""

    up_to: str | None = entry(
        "Freeze every encoder parameter registered before this module (exclusive); `all` for a probe, `none`."
    )
    thaw_epoch: int | None = entry("From this epoch on everything trains.", minimum=1)
    thaw_every_epochs: int | None = entry(
        "Thaw one more stage of the encoder, last first, every so many epochs.", minimum=1
    )


@frozen
class Adapt:
    """What may differ between a parent's encoder and this stage's."""

    heads: Literal["new", "keep"] = entry(
        "`new` makes fresh heads; `keep` takes the parent's head of equal name and classes."
    )
    stem: Literal["sum", "mean", "new"] | None = entry(
        "How the first convolution is fitted to another number of channels."
    )
    position: Literal["interpolate", "new"] | None = entry("How position embeddings are fitted to another image size.")
    missing: tuple[str, ...] = entry("Patterns of encoder tensors that may be absent from the parent.")


@frozen
class Weights:
    """A file of weights that somebody else trained."""

    sha256: Digest = entry("sha256 of the file.")
    layout: Component | None = entry("How it names its tensors; null for the encoder's own names.")


@frozen
class Parts:
    """The rows that a training reads in one role, by part; never those that are tested."""

    train: Digest | None = entry("Rows that are trained on; null for none.")
    val: Digest | None = entry("Rows that choose epochs and configurations; null for none.")

    @property
    def views(self) -> tuple[str, ...]:
        """Return the digests of the parts that are there."""
        return tuple(view for view in (self.train, self.val) if view is not None)


@frozen
class Rows:
    """The rows that are predicted."""

    rows: Digest = entry("Their digest.")


@frozen
class Inputs:
    """Facts of the training images; null where they differ."""

    shape: tuple[int, ...] | None = entry("Voxels along each axis.", items={"minimum": 1})
    spacing_mm: tuple[float, ...] | None = entry(
        "Distance of voxels along each axis, in mm.", items={"exclusiveMinimum": 0}
    )


Works = Any
"""A work, or a list of works, or a list of such lists, one for each candidate."""
