"""What a reader must know to take the numbers of a ranking for what they are, one sentence each."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from attrs import field, frozen

from tlimb.report.arms import Arm, Slot
from tlimb.report.request import MetricLike, RankRequest, metric_name
from tlimb.report.results import Scored
from tlimb.report.statistics import LEAST_GROUPS
from tlimb.report.table import Row, short

SPREAD = "sd is over distinct trainings (repetitions) on the same test people; it says nothing of other people"
SPREAD_OF_FOLDS = (
    "sd is over distinct trainings (repetitions and folds) and their test people; trainings share people, so sd over "
    "the root of n is smaller than the standard error of the mean"
)
"""Of folds and of divisions drawn anew.

Source: Bengio, Grandvalet: No unbiased estimator of the variance of k-fold cross-validation, JMLR 2004, section 3.
"""
REPEATED = "some repetitions are one and the same training; n counts distinct trainings"
PERCENTILE = (
    "[low, high] is the 95 % interval of the difference over participants, {} bootstrap samples of whole families; "
    "trained weights held fixed: it does not cover what another training of the same method would give"
)
FEW = "{}: no interval, because its {} test people are only {} independent groups"
UNPAIRED = "{}: no single row of `against` to compare with"
UNEVEN = "{}: the difference is over {} of its {} runs, those that have a partner"
UNFINISHED = "{} is ranked by {} of its {} runs"
RANKED = "rows are ranked by {}"
INSTEAD = "rows of {} are ranked by {}, because {} has no value there"


@frozen(eq=False)
class Column:
    """One metric of one head, as it stands above a column."""

    name: str
    head: str
    metric: MetricLike
    known_as: str

    def read(self, heads: Mapping[str, Scored]) -> Scored | None:
        """Give the predictions that the metric applies to; None where the head predicts another kind, or is absent."""
        scored = heads.get(self.head)
        return scored if scored is not None and scored.task.kind == self.metric.kind else None


@frozen(eq=False)
class Tested:
    """A row's arm and the joined predictions of its finished slots."""

    arm: Arm
    slots: Mapping[tuple[int, tuple[str, ...]], tuple[Slot, Mapping[str, Scored]]]
    _known: dict[str, dict[tuple[str, ...], float]] = field(factory=dict, init=False, repr=False)

    @property
    def name(self) -> str:
        """Give stage and labels as one short text."""
        return " ".join([self.arm.stage, *(label for _, label in self.arm.row)])

    def values(self, column: Column) -> dict[tuple[str, ...], float]:
        """Compute a metric once for each distinct training."""
        if column.name not in self._known:
            self._known[column.name] = {
                works: float(column.metric.compute(scored.targets, scored.predictions))
                for works, scored in self.trainings(column).items()
            }
        return self._known[column.name]

    def trainings(self, column: Column) -> dict[tuple[str, ...], Scored]:
        """Give the predictions of a column's head, once for each distinct training."""
        return {slot.works: scored for slot, heads in self.slots.values() if (scored := column.read(heads)) is not None}


def notes(
    tested: Sequence[Tested],
    rows: Sequence[Row],
    columns: Sequence[Column],
    deciding: Mapping[str, Column | None],
    request: RankRequest,
) -> Iterator[str]:
    """Go through what must be said under a ranking.

    Args:
        tested: the arms with their predictions.
        rows: the finished rows, one for each arm.
        columns: all metrics.
        deciding: test -> the metric by which its rows are ranked; None where none has a value.
        request: what was asked for.
    """
    yield from _order(rows, columns, deciding, request)
    cells = [cell for row in rows for cell in row.cells.values()]
    if any(cell.value is not None and cell.value.sd is not None for cell in cells):
        yield SPREAD_OF_FOLDS if any(_differ(one) for one in tested) else SPREAD
    if any(cell.value is not None and cell.value.n < row.done for row in rows for cell in row.cells.values()):
        yield REPEATED
    if any(cell.difference is not None and cell.difference.low is not None for cell in cells):
        yield PERCENTILE.format(request.resamples)
    for one in tested:
        yield from _undefined(one, columns)
    for row in rows:
        yield from _comparison(row, request)


def _differ(one: Tested) -> bool:
    """Say whether the trainings of a row are tested on different people."""
    return len({scored.people for _, heads in one.slots.values() for scored in heads.values()}) > 1


def _order(
    rows: Sequence[Row], columns: Sequence[Column], deciding: Mapping[str, Column | None], request: RankRequest
) -> Iterator[str]:
    wanted = None if request.select is None else metric_name(request.select["metric"])
    asked = [column for column in columns if column.name.split("/")[-1] == wanted]
    used = {column.name for column in deciding.values() if column is not None}
    if len(used) == 1 and len(columns) > 1:
        yield RANKED.format(*used)
    for test, column in deciding.items():
        if column is not None and asked and column not in asked:
            yield INSTEAD.format(test, column.name, asked[0].name)
    for row in rows:
        if row.rank is not None and row.done < row.planned:
            yield UNFINISHED.format(row.name, row.done, row.planned)


def _undefined(one: Tested, columns: Iterable[Column]) -> Iterator[str]:
    """Say which metrics of a row have no value although its runs are done, and why."""
    for column in columns:
        values, trainings = one.values(column), one.trainings(column)
        lacking = [works for works, value in values.items() if not math.isfinite(value)]
        if lacking:
            reason = why_undefined(trainings[lacking[0]])
            yield f"{one.name}: {column.name} is undefined in {len(lacking)} of {len(values)} runs, {reason}"
    for head, column in {column.head: column for column in columns if column.metric.kind == "class"}.items():
        trainings = one.trainings(column)
        partly = [scored for scored in trainings.values() if 1 < len(np.unique(scored.targets)) < _classes(scored)]
        if partly:
            where = f"in {len(partly)} of {len(trainings)} runs"
            yield f"{one.name}: a class of {head} has no test image {where}; means over classes are over the others"


def why_undefined(scored: Scored) -> str:
    """Say why a metric of these predictions can have no value."""
    if not len(scored.targets):
        return f"because no test image has a value of {scored.task.label}"
    if not np.isfinite(scored.predictions).all():
        return "because a prediction is not finite"
    if len(np.unique(scored.targets)) < 2:
        return "because the test images have one " + ("class" if scored.task.classes else "value") + " only"
    if len(np.unique(scored.targets)) < _classes(scored):
        return "because a class has no test image"
    return "because it is not finite"


def _classes(scored: Scored) -> int:
    return len(scored.task.classes)


def _comparison(row: Row, request: RankRequest) -> Iterator[str]:
    if request.against is None:
        return
    if row.against is None and row.done and row.stage != request.against and not _is_reference(row, request):
        yield UNPAIRED.format(row.name)
    if row.against is not None and request.resamples and 0 < row.families < LEAST_GROUPS:
        yield FEW.format(row.name, row.people, row.families)
    pairs = [(cell.difference.n, cell.value.n) for cell in row.cells.values() if cell.difference and cell.value]
    uneven = next(((some, all_of) for some, all_of in pairs if some < all_of), None)
    if uneven is not None:
        yield UNEVEN.format(row.name, *uneven)


def _is_reference(row: Row, request: RankRequest) -> bool:
    wanted = dict(request.against) if isinstance(request.against, Mapping) else {}
    own = {**{short(key): value for key, value in row.labels}, **dict(row.labels)}
    return bool(wanted) and all(own.get(key) == value for key, value in wanted.items())
