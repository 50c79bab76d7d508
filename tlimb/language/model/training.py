"""Blocks that say how a stage trains, and with what it begins."""

from collections.abc import Mapping
from typing import Any

from attrs import Factory, frozen

from tlimb.language.model.keys import Origins, hidden, key
from tlimb.language.values import Component, Value


@frozen(kw_only=True, eq=False, repr=False)
class Pretrained:
    """Weights from a file, in a declared layout."""

    file: str = key("Weights file, relative to its root.", type="string")
    root: str | None = key("Named root; by default the folder of the spec.", default=None, type="name", names="roots")
    layout: Component | None = key(
        "How the file names its tensors and what preprocessing it expects.",
        default=None,
        type="component",
        kind="layout",
    )
    digest: str = key(
        "sha256 of the file; `tlimb weights inspect` prints it.",
        default="",
        type="string",
        pattern="^sha256:[0-9a-f]{64}$",
    )
    cohorts: tuple[str, ...] = key(
        "Populations the weights were trained on, for the leak guard.",
        default=(),
        type="list",
        of={"type": "string"},
    )
    pointer: str = hidden("")


@frozen(kw_only=True, eq=False, repr=False)
class Monitor:
    """The validation value that early stopping and `keep: best` watch."""

    metric: str = key(
        "Metric on validation, or `loss`.", default="loss", type="string", names="metrics", examples=["loss"]
    )
    head: str | None = key("Head; needed when there are several.", default=None, type="string", names="heads")
    role: str | None = key(
        "Role of the dataset; needed when there are several.", default=None, type="string", names="roles"
    )


@frozen(kw_only=True, eq=False, repr=False)
class EarlyStopping:
    """Stop when the monitored value has not improved."""

    patience_epochs: Value = key(
        "Epochs without improvement before stopping.", default=5, varies=True, type="integer", minimum=1
    )
    min_delta: Value = key(
        "Smallest change that counts as improvement, in the metric's unit.",
        default=0.0,
        varies=True,
        type="number",
        minimum=0,
    )


@frozen(kw_only=True, eq=False, repr=False)
class Trainer:
    """How long, on how much at once, and in which arithmetic: everything here may change bits."""

    epochs: Value = key("Passes over the training part.", default=None, varies=True, type="integer", minimum=1)
    steps: Value = key("Optimizer steps, instead of epochs.", default=None, varies=True, type="integer", minimum=1)
    batch_size: Value = key(
        "Samples per optimizer step and device group (the global batch).",
        default=None,
        varies=True,
        type="integer",
        minimum=1,
    )
    accumulate: Value = key(
        "Batches whose gradients are summed before a step.", default=1, varies=True, type="integer", minimum=1
    )
    precision: Value = key(
        "Arithmetic of the forward pass.",
        default="fp32",
        varies=True,
        type="string",
        enum=["fp32", "bf16", "fp16"],
    )
    threads: int = key("CPU threads of one run; other counts give other bits.", default=1, type="integer", minimum=1)
    device: str = key(
        "`any` lets laptop and cluster share a study; `cpu` or `cuda` pins it.",
        default="any",
        type="string",
        enum=["any", "cpu", "cuda"],
    )
    devices: int = key("Number of devices that share the global batch.", default=1, type="integer", minimum=1)
    deterministic: Any = key(
        "true: equal bits promised; `best_effort`: a stated tolerance; `strict`: refuse layers without a "
        "deterministic kernel.",
        default=None,
        type=["boolean", "string"],
        enum=[True, "best_effort", "strict"],
    )
    monitor: Monitor | None = key(
        "Which validation value early stopping and `keep: best` watch.",
        default=None,
        type="block",
        of=Monitor,
    )
    keep: Value = key(
        "Which weights are kept: those of the last epoch, or of the best monitored one.",
        default="last",
        varies=True,
        type="string",
        enum=["last", "best"],
    )
    early_stopping: EarlyStopping | None = key(
        "Stop before the last epoch.", default=None, type="block", of=EarlyStopping
    )
    gradient_clip: Value = key(
        "Largest norm of the gradient; `none` for no limit.",
        default=None,
        varies=True,
        type="number",
        exclusive_minimum=0,
        none=True,
    )
    origins: Origins = hidden(Factory(dict))


@frozen(kw_only=True, eq=False, repr=False)
class Freeze:
    """Which part of the encoder keeps its parent's weights."""

    up_to: Value = key(
        "Freeze every encoder parameter registered before this module (exclusive); `all` for a probe, `none`.",
        default=None,
        varies=True,
        type="string",
        none=True,
        examples=["all", "layer4"],
    )
    thaw_epoch: Value = key(
        "From this epoch on everything trains.", default=None, varies=True, type="integer", minimum=1
    )
    thaw_every_epochs: Value = key(
        "Thaw one more stage of the encoder, last first, every so many epochs.",
        default=None,
        varies=True,
        type="integer",
        minimum=1,
    )
    origins: Origins = hidden(Factory(dict))


@frozen(kw_only=True, eq=False, repr=False)
class Adapt:
    """What may differ between a parent's encoder and this stage's."""

    heads: str = key(
        "`new` makes fresh heads; `keep` takes the parent's head of equal name and classes.",
        default="new",
        type="string",
        enum=["new", "keep"],
    )
    stem: Value = key(
        "How the first convolution is fitted to another number of channels.",
        default=None,
        varies=True,
        type="string",
        enum=["sum", "mean", "new"],
    )
    position: Value = key(
        "How position embeddings are fitted to another image size.",
        default=None,
        varies=True,
        type="string",
        enum=["interpolate", "new"],
    )
    missing: tuple[str, ...] = key(
        "Patterns of encoder tensors that may be absent from the parent.",
        default=(),
        type="list",
        of={"type": "string"},
    )
    origins: Origins = hidden(Factory(dict))


@frozen(kw_only=True, eq=False, repr=False)
class Head:
    """One task of a stage: what is predicted, how, and how much it counts."""

    objective: Value = key(
        "Primary objective of this head.", default=None, varies=True, type="component", kind="objective"
    )
    head: Value = key(
        "Layers between the encoder and the output.", default=None, varies=True, type="component", kind="head"
    )
    weight: Value = key("Factor of this head's loss.", default=1.0, varies=True, type="number", minimum=0)
    role: str | None = key(
        "Role of the dataset whose samples this head reads; by default all with the label.",
        default=None,
        type="string",
        names="roles",
    )
    pointer: str = hidden("")


@frozen(kw_only=True, eq=False, repr=False)
class Stage:
    """One training step of the study: pretraining, fine-tuning, adaptation."""

    like: str | None = key(
        "Start from another stage's settings; weights come by `from`.",
        default=None,
        type="name",
        names="stages",
    )
    from_: Value = key(
        "Where weights come from: a stage, an entry of `pretrained`, slots by role, or `none`.",
        default=None,
        varies=True,
        type="from",
        names="stages|pretrained",
        none=True,
        yaml="from",
    )
    where: Mapping[str, Any] = key(
        "Keep only the assignments of params with these labels or values.",
        default=dict,
        type="map",
        of={"where": True},
        names="params",
        free=True,
    )
    dataset: Value = key(
        "The dataset, or a list of datasets that are pooled.",
        default=None,
        varies=True,
        type="name",
        names="datasets",
        pool=True,
    )
    datasets: Mapping[str, Value] = key(
        "Datasets by role, as the scenario reads them.",
        default=dict,
        type="map",
        of={"names": "datasets", "varies": True, "pool": True},
        names="roles",
    )
    data: Value = key(
        "Loading, preprocessing and augmentation.", default=None, varies=True, type="component", kind="data"
    )
    architecture: Value = key(
        "The encoder; inherited from the parent.",
        default=None,
        varies=True,
        type="component",
        kind="architecture",
    )
    head: Value = key(
        "Layers between encoder and output of the single head.",
        default=None,
        varies=True,
        type="component",
        kind="head",
    )
    objective: Value = key(
        "Primary objective of the single head.", default=None, varies=True, type="component", kind="objective"
    )
    heads: Mapping[str, Head] = key("Named heads, instead of one objective.", default=dict, type="map", of=Head)
    auxiliary: Value = key(
        "One auxiliary objective or a list of them; `none` for none.",
        default=None,
        varies=True,
        type="component",
        kind="auxiliary",
        none=True,
        list=True,
    )
    callbacks: Value = key(
        "Lightning callbacks that take part in the training, one or a list, by class path; `none` for none.",
        default=None,
        varies=True,
        type="component",
        kind="callback",
        none=True,
        list=True,
    )
    weighting: Value = key(
        "How the losses of several heads are weighted.",
        default=None,
        varies=True,
        type="component",
        kind="weighting",
    )
    sampler: Value = key("How batches are drawn.", default=None, varies=True, type="component", kind="sampler")
    scenario: Value = key(
        "The training logic: which roles exist and how batches are drawn.",
        default=None,
        varies=True,
        type="component",
        kind="scenario",
    )
    optimizer: Value = key("The optimizer.", default=None, varies=True, type="component", kind="optimizer")
    scheduler: Value = key(
        "The learning-rate schedule; `none` for a constant rate.",
        default=None,
        varies=True,
        type="component",
        kind="scheduler",
        none=True,
    )
    trainer: Trainer = key(
        "How long, on how much at once, and in which arithmetic.", default=Trainer, type="block", of=Trainer
    )
    freeze: Freeze = key(
        "Which part of the encoder keeps its parent's weights.", default=Freeze, type="block", of=Freeze
    )
    adapt: Adapt = key(
        "What may differ between the parent's encoder and this one.", default=Adapt, type="block", of=Adapt
    )
    name: str = hidden("")
    pointer: str = hidden("")
    origins: Origins = hidden(Factory(dict))
