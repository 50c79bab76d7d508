"""What a ranking is asked for, apart from the plan's graph: metrics, what steers, what is compared with what."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from attrs import frozen

from tlimb.components.base import Metric
from tlimb.describe.loading import instantiate

Values = np.ndarray[Any, Any]


class MetricLike(Protocol):
    """What a ranking needs of a metric component."""

    @property
    def kind(self) -> str:
        """Give what it applies to: `number` or `class`."""
        ...

    @property
    def direction(self) -> str:
        """Give what is better: `max` or `min`."""
        ...

    def compute(self, targets: Values, predictions: Values) -> float:
        """Give the value of all predictions at once; NaN where it is undefined."""
        ...


@frozen
class RankRequest:
    """The part of a study that decides what its table shows.

    Attributes:
        study: name of the study.
        metrics: resolved metric components (`class`, `revision`, `options`) in the order of the columns. Each is
            applied to every head of its kind.
        against: stage whose rows differences are taken against, or compare place -> label; None for none.
        select: the metric that steers (`metric` component, `head`, `role`); rows are ranked by it where it is
            among `metrics`, else by the first metric. None ranks by the first metric.
        resamples: bootstrap samples for the interval of a difference; 0 for none.
        seed: seed of the bootstrap.
        by: labels whose values are groups of test people, with results of their own.
    """

    study: str
    metrics: tuple[Mapping[str, Any], ...]
    against: str | Mapping[str, str] | None = None
    select: Mapping[str, Any] | None = None
    resamples: int = 0
    seed: int = 0
    by: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RankRequest":
        """Read it from a plan's summary: the keys study, metrics, against, select, resamples, seed, by."""
        return cls(
            study=value["study"],
            metrics=tuple(value["metrics"]),
            against=value.get("against"),
            select=value.get("select"),
            resamples=int(value.get("resamples", 0)),
            seed=int(value.get("seed", 0)),
            by=tuple(value.get("by", ())),
        )


Load = Callable[[Mapping[str, Any]], MetricLike]
"""Makes a metric from its resolved component; the caller decides which code it allows."""


def load_builtin(component: Mapping[str, Any]) -> MetricLike:
    """Make one of tlimb's own metrics.

    Raises:
        TlimbError: it is not one of them (77: a user's metric needs a `Load` that allows it), or of another revision
            than planned (64).
    """
    return instantiate(component, Metric)


def metric_name(component: Mapping[str, Any]) -> str:
    """Give the column name of a metric: the name of its file, or of the class of somebody else's."""
    module, _, name = str(component["class"]).rpartition(".")
    # A file of somebody else may hold several metrics.
    return module.rpartition(".")[2] if _own(component) else name


def known_as(component: Mapping[str, Any]) -> str:
    """Give the name of one of tlimb's own metrics, else an empty text."""
    return metric_name(component) if _own(component) else ""


def _own(component: Mapping[str, Any]) -> bool:
    return str(component["class"]).startswith("tlimb.components.metrics.")
