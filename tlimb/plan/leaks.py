"""The leak guard: nobody who is tested may have steered what is tested on them, at any distance.

For every evaluation the people and images of its rows are held against those of all fits it descends from
(training, unlabelled pools, validation) and of the candidates among which its model was selected.
"""

from collections.abc import Iterable, Mapping

from tlimb.cohorts.rows import Row
from tlimb.plan.expand import Expansion, Tested
from tlimb.plan.stages import Run
from tlimb.problems import Problem, Related, Severity


class Guard:
    """Compares the rows of evaluations with what their models have seen."""

    def __init__(self, rows_of: Mapping[str, tuple[Row, ...]], families: Mapping[str, str] | None = None) -> None:
        """Take the rows of every view.

        Args:
            rows_of: view digest -> rows.
            families: keyed identity -> group of relatives; people outside are alone.
        """
        self.rows_of = rows_of
        self.families = families or {}
        self._seen: dict[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {}
        self._fits: dict[str, frozenset[tuple[str, str, str]]] = {}

    def marks(self, view: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """Give the people, families and image contents of a view."""
        if view not in self._seen:
            rows = self.rows_of.get(view, ())
            people = frozenset(row.person or f"{row.dataset}/{row.participant}" for row in rows)
            families = frozenset(self.families[person] for person in people if person in self.families)
            images = frozenset(mark for row in rows for mark in (row.sha256, row.voxels) if mark)
            self._seen[view] = (people, families, images)
        return self._seen[view]

    def views_of(self, run: Run) -> frozenset[tuple[str, str, str]]:
        """Give (stage, role and part, view) of everything a fit or one of its ancestors has read."""
        if run.work not in self._fits:
            own = {
                (run.stage, f"{role}.{part}", view)
                for role, parts in run.hashed["views"].items()
                for part, view in parts.items()
                if view is not None
            }
            self._fits[run.work] = frozenset(own).union(*(self.views_of(p) for p in run.parents.values()))
        return self._fits[run.work]

    def check(self, expansion: Expansion, severity: Severity = Severity.ERROR) -> list[Problem]:
        """Give one problem for each pair of a test and a stage that share people, the worst fold speaking."""
        worst: dict[tuple[str, str], tuple[int, int, int, str, Tested]] = {}
        checked: set[tuple[str, str]] = set()
        for one in (one for evaluations in expansion.tests.values() for one in evaluations):
            for stage, part, view in self.views_of(one.run):
                if (one.view, view) in checked:
                    continue
                checked.add((one.view, view))
                people, families, images = self._overlap(one.view, view)
                key = (one.test.name, stage)
                if people + families + images and people + images >= sum(worst.get(key, (0, 0))[:2]):
                    worst[key] = (people, images, families, part, one)
        return [self._problem(test, stage, found, severity) for (test, stage), found in sorted(worst.items())]

    def _overlap(self, tested: str, seen: str) -> tuple[int, int, int]:
        """Count shared people; families shared by different people; and images of equal content beyond those."""
        people, families, images = self.marks(tested)
        others, other_families, other_images = self.marks(seen)
        shared = people & others
        kin = {self.families[person] for person in shared if person in self.families}
        rows = [row for row in self.rows_of.get(tested, ()) if {row.sha256, row.voxels} & other_images]
        copies = {row.person or row.participant for row in rows} - shared if images & other_images else set()
        return len(shared), len((families & other_families) - kin), len(copies)

    def _problem(self, test: str, stage: str, found: tuple[int, int, int, str, Tested], severity: Severity) -> Problem:
        people, families, copies, part, one = found
        all_tested = len(self.marks(one.view)[0])
        said = [f"{people} of the {all_tested} participants tested in `{test}` were in the {_word(part)} of `{stage}`"]
        if not people:
            said = []
        if families:
            said.append(
                f"{families} families of those tested in `{test}` have a member in the {_word(part)} of `{stage}`"
            )
        if copies:
            said.append(
                f"{copies} tested participants of `{test}` have the same image in the {_word(part)} of `{stage}`"
            )
        return Problem(
            "leak-subjects",
            "; ".join(said),
            f"{one.test.pointer}/dataset" if one.test.dataset is not None else one.test.pointer,
            on_key=one.test.dataset is None,
            severity=severity,
            label=f"part {one.test.part}: {all_tested} participants",
            related=(Related(f"/stages/{stage}", f"`{stage}` reads them ({part})", on_key=True),),
            help=(
                "keep one dataset with one split and view it twice (`like`, `only`), or divide it with `portions`",
                "relatives stay together with `group: [family]` in the split",
            ),
            note=("--allow-leak plans it anyway; the report then says so beside every number",),
        )


def _word(part: str) -> str:
    return {"train": "training", "val": "validation"}.get(part.rpartition(".")[2], part)


def families(rows: Iterable[Row], label: str = "family") -> dict[str, str]:
    """Give for each person the family their table names, where it does."""
    return {
        row.person: f"{row.root}/{row.dataset}/{value}"
        for row in rows
        if row.person and (value := row.labels.get(label)) is not None
    }
