"""The study as frozen typed objects: the single source of the language's schema and documentation.

Each class is a block with fixed keys; `key` gives every field its description and its constraints. A field whose
metadata says `varies` may hold a search or comparison node in place of its value. After lowering, `defaults` and
`like` are merged away: a stage holds what it reads, and `origins` says for each field where it was written.

Blocks are neither compared nor printed, so they have no methods for it: attrs would compile some sixty of them
whenever a command starts.
"""

from collections.abc import Mapping
from typing import Any

from attrs import NOTHING, Factory, field, frozen

from tlimb.language.values import Component, Value

Origins = Mapping[str, str]


def key(doc: str, *, default: Any = NOTHING, varies: bool = False, **schema: Any) -> Any:
    """Declare one key of a block.

    Args:
        doc: description shown in editors and in the reference, one or two sentences.
        default: value when the key is absent; no default makes the key required. Callables make a fresh value.
        varies: a search or comparison node may stand here.
        **schema: how the value looks, in the words that `tlimb.language.fields` explains and reads; `yaml` is the key
            as it is written where Python has taken the word.
    """
    if callable(default):
        default = Factory(default)
    return field(default=default, metadata={"doc": doc, "varies": varies, "schema": schema})


def hidden(default: Any = NOTHING) -> Any:
    """Declare a field that lowering fills in and no one writes."""
    return field(default=default, metadata={"hidden": True})


NAME = r"^[a-z][a-z0-9_]*$"
IMAGE = r"^[A-Za-z0-9][A-Za-z0-9_./:@-]*$"
"""Names of container images; engines put them into shell commands, so nothing else is let in."""


@frozen(kw_only=True, eq=False, repr=False)
class Label:
    """How a dataset renames, recodes or hides one label."""

    column: str | None = key(
        "Column of the table that holds this label; by default the label's own name.",
        default=None,
        type="string",
    )
    map: Mapping[str, Any] = key(
        "Recoding, raw cell -> value; cells that are not listed are refused.",
        default=dict,
        type="map",
        of={"type": ["string", "number", "boolean"]},
        free=True,
    )
    private: bool = key("Keep the values out of manifests, reports and logs.", default=False, type="boolean")
    pointer: str = hidden("")


@frozen(kw_only=True, eq=False, repr=False)
class Join:
    """One more table whose columns become labels."""

    file: str = key("Table (.tsv or .csv), relative to the dataset's root.", type="string", examples=["phenotypes.tsv"])
    by: tuple[str, ...] = key(
        "Columns that identify a row in both tables.",
        default=("participant_id",),
        type="list",
        of={"type": "string"},
        short=True,
    )
    private: bool = key(
        "Keep all columns of this table out of manifests, reports and logs.", default=False, type="boolean"
    )
    pointer: str = hidden("")


@frozen(kw_only=True, eq=False, repr=False)
class Identity:
    """Who the participants are, for the leak guard."""

    namespace: str | None = key(
        "People with equal ids in equal namespaces are the same; by default the dataset itself.",
        default=None,
        type="string",
    )
    column: str | None = key(
        "Column with the id that holds across cohorts; by default the participant id.",
        default=None,
        type="string",
    )
    map: str | None = key(
        "Private two-column table (participant_id, identity), relative to the root `private`.",
        default=None,
        type="string",
    )


@frozen(kw_only=True, eq=False, repr=False)
class Images:
    """What images are, where neither headers nor names of files tell it, or where these are wrong."""

    skull_stripped: bool | None = key(
        "Whether skull and scalp have been removed; by default as `desc` in names of files tells.",
        default=None,
        type="boolean",
    )
    space: str | None = key(
        "Template that they are registered to, or `scanner` for none; by default as `space` in names of files or the "
        "codes of headers tell.",
        default=None,
        type="string",
        examples=["MNI152NLin2009cAsym"],
    )


@frozen(kw_only=True, eq=False, repr=False)
class Dataset:
    """Files, labels and how people are divided."""

    like: str | None = key(
        "Start from another dataset; own keys replace or extend its keys.",
        default=None,
        type="name",
        names="datasets",
    )
    root: str | None = key(
        "Named root that relative paths start from; by default the folder of the spec.",
        default=None,
        type="name",
        names="roots",
    )
    files: Component | None = key(
        "The cohort reader that finds images and tables.", default=None, type="component", kind="cohort"
    )
    cohort: str | None = key(
        "Name of the population these people come from, for the leak guard of public weights.",
        default=None,
        type="string",
        examples=["UK Biobank"],
    )
    labels: Mapping[str, Label] = key(
        "Labels that are renamed, recoded or private; other columns are labels of their own name.",
        default=dict,
        type="map",
        of=Label,
        short="column",
    )
    join: tuple[Join, ...] = key("More tables with labels.", default=(), type="list", of=Join)
    missing: tuple[Any, ...] = key(
        "Cells that mean a missing value.", default=("n/a",), type="list", of={"type": ["string", "number"]}
    )
    images: Images | None = key(
        "What images are, for data modules and weights that expect something of them.",
        default=None,
        type="block",
        of=Images,
    )
    identity: Identity | None = key("Who the participants are across cohorts.", default=None, type="block", of=Identity)
    portions: Mapping[str, Any] = key(
        "Disjoint sub-cohorts by participants: a count, a share between 0 and 1, or `rest`.",
        default=dict,
        type="map",
        of={"share": True},
    )
    portion: str | None = key("Which portion of the dataset it is `like`.", default=None, type="name", names="portions")
    only: Mapping[str, Any] = key(
        "Keep the rows with these label or entity values: a value, a list, {min, max} or `any`.",
        default=dict,
        type="map",
        of={"only": True},
        names="labels",
        free=True,
    )
    split: Component | None = key(
        "How participants are divided into train, val and test.", default=None, type="component", kind="split"
    )
    subset: Mapping[str, Value] = key(
        "Use only so many participants of a part, nested across sizes.",
        default=dict,
        type="map",
        of={"share": True, "varies": True},
        keys=("train", "val"),
    )
    name: str = hidden("")
    pointer: str = hidden("")
    origins: Origins = hidden(Factory(dict))
    split_place: str = hidden("")
    files_place: str = hidden("")
    # `split_place` is the dataset in which the split in force is written: datasets that are `like` it share the
    # division, so two views of one dataset cannot leak. `files_place` likewise names the owner of the files.


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


@frozen(kw_only=True, eq=False, repr=False)
class Test:
    """A named evaluation; runs for the selected configuration of each row unless `which: all`."""

    of: tuple[str, ...] = key("Stages whose results are tested.", type="list", of={"names": "stages"}, short=True)
    dataset: Value = key(
        "Dataset to test on; by default the stage's own.",
        default=None,
        varies=True,
        type="name",
        names="datasets",
    )
    part: str = key("Part of that dataset.", default="test", type="string", enum=["test", "val", "train", "all"])
    which: str = key(
        "`selected`: only the selected configuration; `all`: every one, for tables of a whole grid.",
        default="selected",
        type="string",
        enum=["selected", "all"],
    )
    name: str = hidden("")
    pointer: str = hidden("")


@frozen(kw_only=True, eq=False, repr=False)
class Replicates:
    """Repetitions that are averaged, never chosen."""

    count: int = key("Number of repetitions.", default=1, type="integer", minimum=1)
    seeds: tuple[int, ...] = key(
        "Run seeds, given outright instead of a count.", default=(), type="list", of={"type": "integer"}
    )
    once: tuple[str, ...] = key("Stages that are not repeated.", default=(), type="list", of={"names": "stages"})
    resplit: bool = key(
        "Draw the split anew for each repetition; each then selects for itself.", default=False, type="boolean"
    )


@frozen(kw_only=True, eq=False, repr=False)
class Constraints:
    """Restrictions on combinations of params."""

    distinct: tuple[tuple[str, ...], ...] = key(
        "Params that must not take equal values in one configuration.",
        default=(),
        type="list",
        of={"type": "list", "of": {"names": "params"}, "least": 2},
    )
    exclude: tuple[Mapping[str, Any], ...] = key(
        "Combinations of params to leave out.", default=(), type="list", of={"where": True, "names": "params"}
    )


@frozen(kw_only=True, eq=False, repr=False)
class Select:
    """What steers: the validation value by which a configuration is chosen in each row."""

    metric: str = key("Metric on validation.", type="string", names="metrics")
    head: str | None = key("Head; needed when there are several.", default=None, type="string", names="heads")
    role: str | None = key(
        "Role whose validation part is read; `source` where there is a target.",
        default=None,
        type="string",
        names="roles",
    )
    across_folds: bool = key(
        "Select one configuration over all folds; test people then take part in choosing.",
        default=False,
        type="boolean",
    )
    oracle: bool = key(
        "Allow selection with target labels; printed beside every number.", default=False, type="boolean"
    )


@frozen(kw_only=True, eq=False, repr=False)
class Report:
    """What is printed."""

    metrics: tuple[Component, ...] = key(
        "Metrics of the final table; by default those of the objectives.",
        default=(),
        type="list",
        of={"kind": "metric"},
    )
    against: Any = key(
        "Row that differences are taken against: a stage, or {param: label}.",
        default=None,
        type=["string", "object"],
        of={"type": "map", "of": {"type": ["boolean", "number", "string"]}, "names": "params", "least": 1},
        names="stages",
    )
    by: tuple[str, ...] = key(
        "Labels by which results are also given per group.",
        default=(),
        type="list",
        of={"type": "string", "names": "labels"},
    )


@frozen(kw_only=True, eq=False, repr=False)
class Resources:
    """What one run asks of the machine; never changes bits."""

    cpus: int | None = key("CPU cores.", default=None, type="integer", minimum=1)
    gpus: int | None = key("GPUs.", default=None, type="integer", minimum=0)
    memory_gb: float | None = key("Memory in gigabytes.", default=None, type="number", exclusive_minimum=0)
    time_h: float | None = key("Time limit in hours.", default=None, type="number", exclusive_minimum=0)


@frozen(kw_only=True, eq=False, repr=False)
class Profile:
    """One machine: what replaces the settings of `execution` there."""

    backend: Component | None = key("Engine and its settings.", default=None, type="component", kind="backend")
    roots: Mapping[str, str] = key(
        "Where the named roots lie on this machine.",
        default=dict,
        type="map",
        of={"type": "string"},
        names="roots",
    )
    container: str | None = key("Container image.", default=None, type="string", pattern=IMAGE)
    resources: Resources | None = key("What one run asks for.", default=None, type="block", of=Resources)
    overrides: Mapping[str, Resources] = key(
        "Resources of single stages.", default=dict, type="map", of=Resources, names="stages"
    )


@frozen(kw_only=True, eq=False, repr=False)
class Execution:
    """Where and how runs are executed; nothing in here changes bits or digests."""

    backend: Component | None = key("Engine and its settings.", default=None, type="component", kind="backend")
    container: str | None = key("Container image.", default=None, type="string", pattern=IMAGE)
    resources: Resources | None = key("What one run asks for.", default=None, type="block", of=Resources)
    overrides: Mapping[str, Resources] = key(
        "Resources of single stages.", default=dict, type="map", of=Resources, names="stages"
    )
    profiles: Mapping[str, Profile] = key("Machines by name.", default=dict, type="map", of=Profile)
    reuse: str = key(
        "`any` finished work counts as done; `same_environment` only what was computed in this one.",
        default="any",
        type="string",
        enum=["any", "same_environment"],
    )
    observers: tuple[Component, ...] = key(
        "Lightning callbacks that look on and change nothing; one that does ends the run.",
        default=(),
        type="list",
        of={"kind": "callback"},
    )
    loggers: tuple[Component, ...] = key(
        "Lightning loggers, which get the numbers of each training: `csv`, `tensorboard` or a class path.",
        default=(),
        type="list",
        of={"kind": "logger"},
    )
    max_slots: int = key(
        "How often a run may yield at its deadline and be continued.", default=50, type="integer", minimum=1
    )


@frozen(kw_only=True, eq=False, repr=False)
class Study:
    """One study: cohorts, stages, tests, search, report."""

    tlimb: int = key("Version of the language.", type="integer", enum=[1])
    name: str = key(
        "Name of the study; by default the file's name.",
        default="",
        type="string",
        pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    )
    seed: int = key("Seed of splits and repetitions.", default=0, type="integer", minimum=0)
    replicates: Replicates = key(
        "Repetitions that are averaged: a number, or a block.",
        default=Replicates,
        type="block",
        of=Replicates,
        short="count",
    )
    roots: Mapping[str, str] = key(
        "Named folders that paths start from.", default=dict, type="map", of={"type": "string"}
    )
    code: tuple[str, ...] = key(
        "Folders with the study's own components.", default=(), type="list", of={"type": "string"}
    )
    params: Mapping[str, Value] = key(
        "Named values, used with {param: name}.", default=dict, type="map", of={"param": True}
    )
    constraints: Constraints = key(
        "Restrictions on combinations of params.", default=Constraints, type="block", of=Constraints
    )
    datasets: Mapping[str, Dataset] = key("Cohorts.", type="map", of=Dataset)
    pretrained: Mapping[str, Pretrained] = key("Weights from files.", default=dict, type="map", of=Pretrained)
    stages: Mapping[str, Stage] = key("Training steps.", type="map", of=Stage)
    tests: Mapping[str, Test] = key("Evaluations.", default=dict, type="map", of=Test)
    search: Component | None = key(
        "How the search space is walked: `grid` (default) or `random`.",
        default=None,
        type="component",
        kind="search",
    )
    select: Select | None = key(
        "What steers: the validation value by which a configuration is chosen.",
        default=None,
        type="block",
        of=Select,
    )
    report: Report = key("What is printed.", default=Report, type="block", of=Report)
    execution: Execution = key(
        "Where and how runs are executed; nothing in here changes bits.",
        default=Execution,
        type="block",
        of=Execution,
    )
    folder: str = hidden("")
    # `defaults` has the keys of a stage except like, from and where; it is merged into every stage.
