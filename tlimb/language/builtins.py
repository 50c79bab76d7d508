"""Components of the language itself: no class of the run half stands behind them.

Splits, searches and backends are written like all components, so their options are declared
here in the same way as the blocks of the model, and the catalogue describes them beside the others.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import frozen

from tlimb.language.model import key

_LABELS: dict[str, Any] = {"type": "string", "names": "labels"}
_PLAIN = r"^[A-Za-z0-9_.,:@%+=/-]+$"
"""Strings that reach a scheduler: letters, digits and marks that no shell and no template reads."""
_DNS = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"
"""Names of Kubernetes objects."""


def _share(doc: str, **more: Any) -> Any:
    return key(doc + " A count from 2, a share between 0 and 1, or `rest`.", share=True, **more)


def _stratify() -> Any:
    doc = "Labels whose proportions are kept in all parts; numbers by quartile."
    return key(doc, default=(), type="array", items=_LABELS)


def _group() -> Any:
    doc = "Labels, such as family, whose members stay together; a participant always does."
    return key(doc, default=(), type="array", items=_LABELS)


def _pattern(doc: str) -> Any:
    return key(doc, default=None, type="string", pattern=_PLAIN)


@frozen(kw_only=True, eq=False, repr=False)
class Holdout:
    """One division of the participants into train, val and test."""

    kind: ClassVar[str] = "split"
    train: Any = _share("Training participants.", default="rest")
    val: Any = _share("Participants that steer the search and early stopping.", default=None)
    test: Any = _share("Participants that are looked at last.", default=None)
    stratify: tuple[str, ...] = _stratify()
    group: tuple[str, ...] = _group()


@frozen(kw_only=True, eq=False, repr=False)
class Inner:
    """Inner folds of a nested cross-validation."""

    folds: int = key("Number of inner folds.", type="integer", minimum=2)
    repeats: int = key("How often the inner folds are drawn.", default=1, type="integer", minimum=1)
    refit: bool = key(
        "Train the selected configuration again on all outer training people; else average the inner models.",
        default=True,
        type="boolean",
    )


@frozen(kw_only=True, eq=False, repr=False)
class Kfold:
    """Each participant is tested once, by a network that has not seen them."""

    kind: ClassVar[str] = "split"
    folds: int = key("Number of folds.", type="integer", minimum=2)
    val: Any = _share("Part of each fold's training participants that steers.", default=None)
    stratify: tuple[str, ...] = _stratify()
    group: tuple[str, ...] = _group()
    inner: Inner | None = key("Folds inside each fold, for selection.", default=None, block=Inner)


@frozen(kw_only=True, eq=False, repr=False)
class LeaveOneOut:
    """Each value of a label, such as a site, is left out and tested once."""

    kind: ClassVar[str] = "split"
    by: str = key("Label whose values are left out in turn.", **_LABELS)
    val: Any = _share("Part of each fold's training participants that steers.", default=None)
    stratify: tuple[str, ...] = _stratify()
    group: tuple[str, ...] = _group()


@frozen(kw_only=True, eq=False, repr=False)
class Column:
    """The parts are written in a column of the table, as train, val and test."""

    kind: ClassVar[str] = "split"
    name: str = key("Label with the words train, val and test.", **_LABELS)


@frozen(kw_only=True, eq=False, repr=False)
class Grid:
    """Every combination of the searched values."""

    kind: ClassVar[str] = "search"


@frozen(kw_only=True, eq=False, repr=False)
class Random:
    """Random draws of the search space, the same for every row of the table."""

    kind: ClassVar[str] = "search"
    count: int = key("Number of draws in each row.", type="integer", minimum=1)
    seed: int = key("Seed of the draws; more draws keep the earlier ones.", default=0, type="integer", minimum=0)
    limit: Mapping[str, int] = key(
        "Most draws of a stage and its ancestors; later draws use them again.",
        default=dict,
        type="object",
        additionalProperties={"type": "integer", "minimum": 1},
        names="stages",
    )


@frozen(kw_only=True, eq=False, repr=False)
class Local:
    """Runs on this machine."""

    kind: ClassVar[str] = "backend"
    workers: int | None = key(
        "Runs at the same time; by default the number of CPU cores.", default=None, type="integer", minimum=1
    )


@frozen(kw_only=True, eq=False, repr=False)
class Slurm:
    """Runs as jobs of a Slurm cluster."""

    kind: ClassVar[str] = "backend"
    partition: str | None = _pattern("Partition, or several with commas.")
    account: str | None = _pattern("Account that is charged.")
    qos: str | None = _pattern("Quality of service.")
    constraint: str | None = key(
        "Features a node must have.", default=None, type="string", pattern=r"^[A-Za-z0-9_.|&*()\[\]-]+$"
    )
    reservation: str | None = _pattern("Reservation.")
    exclude: str | None = key("Nodes to avoid.", default=None, type="string", pattern=r"^[A-Za-z0-9_.,\[\]-]+$")
    mail: str | None = key(
        "Address that is told about failures.",
        default=None,
        type="string",
        pattern=r"^[A-Za-z0-9_.+-]+@[A-Za-z0-9.-]+$",
    )
    at_once: int | None = key("Most jobs in the queue.", default=None, type="integer", minimum=1)
    modules: tuple[str, ...] = key(
        "Environment modules to load.", default=(), type="array", items={"type": "string", "pattern": _PLAIN}
    )
    conda: str | None = _pattern("Conda environment, by name or folder.")


@frozen(kw_only=True, eq=False, repr=False)
class Kubernetes:
    """Runs as pods of a Kubernetes cluster."""

    kind: ClassVar[str] = "backend"
    namespace: str = key("Namespace.", default="default", type="string", pattern="^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    volume_claim: str = key(
        "Persistent volume claim with store and data.",
        type="string",
        pattern=_DNS,
    )
    mount_path: str = key(
        "Folder under which pods see the volume claim, absolute.",
        default="/study",
        type="string",
        pattern=r"^/[A-Za-z0-9_./-]+$",
    )
    service_account: str | None = key("Service account of the pods.", default=None, type="string", pattern=_DNS)
    priority_class: str | None = key("Priority class of the pods.", default=None, type="string", pattern=_DNS)
    shm_gb: float | None = key("Shared memory in gigabytes.", default=None, type="number", exclusiveMinimum=0)
    node_selector: Mapping[str, str] = key(
        "Labels a node must have.",
        default=dict,
        type="object",
        additionalProperties={"type": "string", "pattern": _PLAIN},
    )
    tolerations: tuple[Mapping[str, str], ...] = key(
        "Taints of nodes that the pods put up with.",
        default=(),
        type="array",
        items={
            "type": "object",
            "properties": {
                "key": {"type": "string", "pattern": _PLAIN, "doc": "Key of the taint."},
                "operator": {"type": "string", "enum": ["Exists", "Equal"], "doc": "Whether the value counts."},
                "value": {"type": "string", "pattern": _PLAIN, "doc": "Value of the taint."},
                "effect": {
                    "type": "string",
                    "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"],
                    "doc": "Effect of the taint.",
                },
            },
            "required": ["key", "operator"],
        },
    )
    gpu_resource: str = key(
        "Name of the GPU resource.",
        default="nvidia.com/gpu",
        type="string",
        pattern=r"^[a-z0-9.-]+/[a-z0-9.-]+$",
    )


BUILTINS: tuple[tuple[str, type], ...] = (
    ("holdout", Holdout),
    ("kfold", Kfold),
    ("leave_one_out", LeaveOneOut),
    ("column", Column),
    ("grid", Grid),
    ("random", Random),
    ("local", Local),
    ("slurm", Slurm),
    ("kubernetes", Kubernetes),
)
"""Name in YAML and class of each."""
