"""The leak guard: nobody who is tested may have steered what is tested on them, at any distance.

For every evaluation the people and images of its rows are held against those of all fits it descends from
(training, unlabelled pools, validation) and of the candidates among which its model was selected.
"""

from collections.abc import Iterator, Mapping

from attrs import frozen

from tlimb.cohorts.leaks import Kinship, Overlap
from tlimb.cohorts.rows import Row
from tlimb.language.model import Stage, Study
from tlimb.language.values import Component
from tlimb.manifest import UNLABELLED, Fit, Graph
from tlimb.plan.expand import Expansion, Tested
from tlimb.plan.reach import Reach
from tlimb.plan.stages import Run
from tlimb.problems import Problem, Related, Severity


@frozen(eq=False)
class Marks:
    """What tells the rows of a view: who belongs together, and the contents of the images."""

    families: frozenset[object]
    contents: frozenset[str]


class Guard:
    """Compares the rows of evaluations with what their models have seen."""

    def __init__(self, rows_of: Mapping[str, tuple[Row, ...]], kinship: Kinship) -> None:
        """Take the rows of every view, and who belongs together over all cohorts.

        Args:
            rows_of: view digest -> rows.
            kinship: joins people by identity, family and image content, through third cohorts too.
        """
        self.rows_of = rows_of
        self.kinship = kinship
        self._marks: dict[str, Marks] = {}
        self._fits: dict[str, frozenset[tuple[str, str, str]]] = {}

    def marks(self, view: str) -> Marks:
        """Give the marks of a view."""
        if view not in self._marks:
            rows = self.rows_of.get(view, ())
            families = frozenset(self.kinship.family(row) for row in rows)
            contents = frozenset(mark for row in rows for mark in (row.sha256, row.voxels) if mark)
            self._marks[view] = Marks(families, contents)
        return self._marks[view]

    def views_of(self, run: Run, graph: Graph) -> frozenset[tuple[str, str, str]]:
        """Return (stage, role and part, view) of everything a fit or one of its ancestors has read."""
        if run.work not in self._fits:
            own = {
                (run.stage, f"{role}.{part}", view)
                for role, parts in graph.nodes[run.work].as_a(Fit).roles.items()
                for part, view in (("train", parts.train), ("val", parts.val))
                if view is not None
            }
            self._fits[run.work] = frozenset(own).union(*(self.views_of(p, graph) for p in run.parents.values()))
        return self._fits[run.work]

    def check(self, study: Study, expansion: Expansion, severity: Severity = Severity.ERROR) -> list[Problem]:
        """Give one problem for each pair of a test and a stage that share people, the worst fold speaking."""
        worst: dict[tuple[str, str], tuple[Overlap, str, Tested, int]] = {}
        checked: set[tuple[str, str]] = set()
        for one in (one for evaluations in expansion.tests.values() for one in evaluations):
            for stage, part, view in sorted(self.views_of(one.run, expansion.graph)):
                if (one.view, view) in checked:
                    continue
                checked.add((one.view, view))
                overlap = self._overlap(one.view, view)
                key = (one.test.name, stage)
                if overlap and (key not in worst or _size(overlap) > _size(worst[key][0])):
                    seen = len({row.participant for row in self.rows_of.get(view, ())})
                    worst[key] = (overlap, part, one, seen)
        told = [_problem(study, stage, *found, severity) for (_, stage), found in sorted(worst.items())]
        return [one for one in told if one is not None]

    def _overlap(self, tested: str, seen: str) -> Overlap | None:
        """Compare two views; the rows are gone through only where some family or image is in both."""
        one, other = self.marks(tested), self.marks(seen)
        if one.families.isdisjoint(other.families) and one.contents.isdisjoint(other.contents):
            return None
        return self.kinship.overlap(self.rows_of.get(seen, ()), self.rows_of.get(tested, ()))


def _size(overlap: Overlap) -> int:
    return overlap.people + overlap.copies + overlap.relatives


def _problem(
    study: Study, name: str, overlap: Overlap, part: str, one: Tested, seen: int, severity: Severity
) -> Problem | None:
    test, stage = one.test.name, study.stages[name]
    pool = part.partition(".")[0] in UNLABELLED
    if pool and _transductive(stage):
        return None
    where = f"the {'unlabelled pool' if pool else _word(part)} of `{name}`"
    said = []
    if overlap.people:
        said.append(f"{overlap.people} of the {overlap.tested} participants tested in `{test}` were in {where}")
    if overlap.copies:
        said.append(f"{overlap.copies} participants tested in `{test}` have an image of equal content in {where}")
    if overlap.relatives:
        kin = f"{overlap.relatives} participants ({overlap.families} families) tested in `{test}`"
        said.append(f"{kin} have a relative in {where}")
    origin = stage.origins.get("datasets" if stage.datasets else "dataset", stage.pointer)
    role = f"/{part.partition('.')[0]}" if stage.datasets and "datasets" in stage.origins else ""
    help_: tuple[str, ...] = (
        "keep one dataset with one split and view it twice (`like`, `only`), or divide it with `portions`",
        "relatives stay together with `group: [family]` in the split",
    )
    redrawn = tuple(_redrawn(study, one, stage))
    if redrawn:
        help_ = tuple(line for line, _ in redrawn)
    if study.replicates.resplit and name in study.replicates.once:
        help_ = (f"delete `once`, or `resplit`: `{name}` is trained once, on people of the first division",)
    if pool:
        help_ = ("leave the tested people out of the pool: take a part or portion that is not tested",)
    return Problem(
        "leak-unlabelled" if pool else "leak-subjects",
        "; ".join(said),
        f"{one.test.pointer}/dataset" if one.test.dataset is not None else one.test.pointer,
        on_key=one.test.dataset is None,
        severity=severity,
        label=f"part {one.test.part}: {overlap.tested} participants",
        related=(Related(origin + role, f"part {part.rpartition('.')[2]}: {seen} participants"),),
        help=help_,
        note=(
            *(fact for _, fact in redrawn),
            "--allow-leak plans it anyway; the report then says so beside every number",
        ),
    )


def _redrawn(study: Study, one: Tested, stage: Stage) -> Iterator[tuple[str, str]]:
    """Say where two datasets look like one division and are not: what to do, and why it is so."""
    read = set(Reach(study).datasets(stage))
    for name in one.datasets:
        tested = study.datasets[name]
        base = tested.like
        if base in read and tested.files_place != study.datasets[base].files_place:
            views = (
                f'{base}: {{like: visits, only: {{session: "01"}}}}   {name}: {{like: visits, only: {{session: "02"}}}}'
            )
            yield (
                f"keep one dataset with one split and view it twice:   {views}",
                f"`{name}` is `like: {base}` but reads other files, so its split was drawn anew",
            )


def _transductive(stage: Stage) -> bool:
    return isinstance(stage.scenario, Component) and stage.scenario.options.get("transductive") is True


def _word(part: str) -> str:
    return {"train": "training", "val": "validation"}.get(part.rpartition(".")[2], part)
