"""Study to graph: every fit once, tests and refits behind gates, the cache fills first.

Pure: the same study and the same answers about data give the same graph, to the byte.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from attrs import field, frozen

from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Study, Test
from tlimb.language.reading import label as label_text
from tlimb.language.values import Component
from tlimb.manifest import Gate, Graph, Json, Manifest, digest, digest_text
from tlimb.plan.data import Data, Use
from tlimb.plan.lineages import lineages
from tlimb.plan.pieces import Components
from tlimb.plan.space import Assignment, Scope, assignments
from tlimb.plan.stages import Run, Stages

SEARCHED = ("choice", "trial")


class TooLargeError(Exception):
    """The study has more runs than allowed; `count` is where the walk stopped."""

    def __init__(self, stage: str, count: int) -> None:
        """Keep the stage at which the limit was passed."""
        self.stage = stage
        self.count = count
        super().__init__(f"{stage}: more than {count} runs")


@frozen(eq=False)
class Tested:
    """One evaluation of one run: the run, the rows, and what it belongs to.

    Attributes:
        row: (place, label) of what is compared: with test and stage, a row of the final table.
        configuration: (place, label) of what is searched.
        candidate: position in the search dimensions; equal for repetitions and folds of one configuration.
        fold: (axis, position) of the outer folds.
        validation: works whose validation predictions choose among configurations.
        datasets: what is tested on.
        work: digest of the predictions' manifest.
    """

    test: Test
    run: Run
    view: str
    row: tuple[tuple[str, str], ...]
    configuration: tuple[tuple[str, str], ...]
    candidate: tuple[tuple[str, int], ...]
    fold: tuple[tuple[str, int], ...]
    replicate: int
    validation: tuple[str, ...]
    datasets: tuple[str, ...]
    work: str = field(init=False)

    @work.default
    def _work(self) -> str:
        # The canonical text of `hashed`, written out: digests are hexadecimal, nothing needs escaping.
        text = f'{{"kind":"predict","parents":{{"model":"{self.run.work}"}},"views":{{"rows":"{self.view}"}}}}'
        return digest_text(text)

    @property
    def hashed(self) -> dict[str, Json]:
        """Give the manifest content of the predictions."""
        return {"kind": "predict", "parents": {"model": self.run.work}, "views": {"rows": self.view}}


@frozen(eq=False)
class Counts:
    """How many configurations a stage has, and how many distinct runs they are."""

    configurations: int
    works: tuple[str, ...]
    gated: int


@frozen(eq=False)
class Expansion:
    """A plan before anyone asked what is done.

    Attributes:
        graph: all nodes.
        stages: counts by stage, parents first.
        refits: counts of refits by stage.
        tests: evaluations by test.
        selects: works of the select nodes.
    """

    graph: Graph
    stages: Mapping[str, Counts]
    refits: Mapping[str, Counts]
    tests: Mapping[str, tuple[Tested, ...]]
    selects: tuple[str, ...]
    prepares: tuple[str, ...] = field(default=())


class Expander:
    """Walks one study."""

    def __init__(self, study: Study, catalogue: Catalogue, data: Data, components: Components) -> None:
        """Prepare; nothing is expanded yet."""
        self.study = study
        self.data = data
        self.components = components
        self.stages = Stages(study, catalogue, data, components)
        self.hashed: dict[str, Mapping[str, Json]] = {}
        self.uses: dict[str, list[Mapping[str, Json]]] = {}
        self.gates: dict[str, dict[Gate, None]] = {}
        self.always: set[str] = set()
        self.after: dict[str, tuple[str, ...]] = {}

    def expand(self, limit: int) -> Expansion:
        """Give the expansion.

        Raises:
            TooLargeError: more than `limit` runs.
        """
        with _no_collection():
            return self._expand(limit)

    def _expand(self, limit: int) -> Expansion:
        counts = {stage: self._fits(stage, limit) for stage in self.stages.reach.order()}
        tested = {name: tuple(self._tested(test, limit)) for name, test in self.study.tests.items()}
        refits: dict[str, list[str]] = {}
        selects: dict[str, None] = {}
        for test, evaluations in tested.items():
            self._gate(test, evaluations, selects, refits)
        prepares = self._prepare(tested)
        refit_counts = {
            stage: Counts(len(works), tuple(dict.fromkeys(works)), len(set(works))) for stage, works in refits.items()
        }
        return Expansion(self._graph(prepares, selects), counts, refit_counts, tested, tuple(selects), prepares)

    # -- fits --

    def _fits(self, stage: str, limit: int) -> Counts:
        total = 0
        works: dict[str, None] = {}
        for scope, run in assignments(lambda s: self.stages.run(stage, s), self._allowed(stage)):
            total += 1
            if total > limit:
                raise TooLargeError(stage, limit)
            works[run.work] = None
            self._add(run, scope)
        self.always.update(works)
        return Counts(total, tuple(works), 0)

    def _add(self, run: Run, scope: Scope) -> None:
        self.hashed.setdefault(run.work, run.hashed)
        use = self._use(scope)
        use["stage"] = run.stage
        self.uses.setdefault(run.work, []).append(use)

    def _use(self, scope: Scope) -> dict[str, Json]:
        kinds = {dimension.place: dimension.kind for dimension, _ in scope.reads.values()}
        row = {p: t for p, t in scope.notes.items() if kinds.get(p) == "compare"}
        found: dict[str, Json] = {
            "study": self.study.name,
            "row": row,
            "configuration": {p: t for p, t in scope.notes.items() if p not in row},
        }
        for dimension, value in scope.reads.values():
            if dimension.kind in ("replicate", "fold", "inner", "trial"):
                found[dimension.kind] = value if dimension.kind != "fold" else dimension.labels[value]
        return found

    def _allowed(self, stage: str) -> Callable[[Assignment], bool]:
        """Give the test of partial assignments by the study's constraints and the stage's `where`."""
        where = {f"params/{name}": wanted for name, wanted in self.study.stages[stage].where.items()}
        constraints = self.study.constraints
        if not where and not constraints.distinct and not constraints.exclude:
            return lambda _: True

        def text(assignment: Assignment, param: str) -> str | None:
            place = f"params/{param}"
            dimension = self.stages.space.dimensions.get(place)
            return None if place not in assignment or dimension is None else dimension.labels[assignment[place]]

        def allowed(assignment: Assignment) -> bool:
            for place, wanted in where.items():
                found = text(assignment, place.removeprefix("params/"))
                if found is not None and not matches(found, wanted):
                    return False
            for group in constraints.distinct:
                equal = [found for name in group if (found := text(assignment, name)) is not None]
                if len(set(equal)) < len(equal):
                    return False
            for combination in constraints.exclude:
                texts = [text(assignment, name) for name in combination]
                if all(
                    found is not None and matches(found, wanted)
                    for found, wanted in zip(texts, combination.values(), strict=True)
                ):
                    return False
            return True

        return allowed

    # -- tests --

    def _tested(self, test: Test, limit: int) -> Iterator[Tested]:
        count = 0
        for stage in test.of:
            walk = assignments(lambda s, stage=stage: self._evaluate(test, stage, s), self._allowed(stage))  # type: ignore[misc]
            for scope, (run, view, validation, datasets) in walk:
                count += 1
                if count > limit:
                    raise TooLargeError(test.name, limit)
                yield self._describe(test, run, view, validation, datasets, scope)

    def _evaluate(self, test: Test, stage: str, scope: Scope) -> tuple[Run, str, tuple[str, ...], tuple[str, ...]]:
        run = self.stages.run(stage, scope, refit=True)
        uses = self._test_uses(test, run, scope)
        labels = tuple(sorted({task.label for task in run.tasks if task.label is not None}))
        view = self.data.view(uses, test.part, labels)
        validation = self.stages.inner_works(stage, scope) if run.refit else (run.work,)
        return run, view or "", validation, tuple(use.dataset for use in uses)

    def _test_uses(self, test: Test, run: Run, scope: Scope) -> tuple[Use, ...]:
        if test.dataset is not None:
            name = self.stages.space.resolve(test.dataset, scope)
            return (self.stages.use(name, self.study.stages[run.stage], scope, tested=True),)
        pool = run.uses.get("data") or next(iter(run.uses.values()))
        return tuple(
            Use(use.dataset, use.fold, None, use.replicate if use.resplit else 0, (), use.resplit) for use in pool
        )

    def _describe(
        self,
        test: Test,
        run: Run,
        view: str,
        validation: tuple[str, ...],
        datasets: tuple[str, ...],
        scope: Scope,
    ) -> Tested:
        reads = sorted(scope.reads.values(), key=lambda read: read[0].place)
        compared = {d.place for d, _ in reads if d.kind == "compare"}
        return Tested(
            test=test,
            run=run,
            view=view,
            row=tuple((p, t) for p, t in scope.notes.items() if p in compared),
            configuration=tuple((p, t) for p, t in scope.notes.items() if p not in compared),
            candidate=tuple((d.place, v) for d, v in reads if d.kind in SEARCHED),
            fold=tuple((d.place, v) for d, v in reads if d.kind == "fold"),
            replicate=next((v for d, v in reads if d.kind == "replicate"), 0),
            validation=validation,
            datasets=datasets,
        )

    def _gate(
        self,
        name: str,
        evaluations: tuple[Tested, ...],
        selects: dict[str, None],
        refits: dict[str, list[str]],
    ) -> None:
        """Group evaluations into rows and folds, make the select nodes, and gate what waits for them.

        Where each repetition draws its own split, it selects by itself too: whoever is tested in one is trained and
        validated on in another, and would take part in choosing.
        """
        resplit = self.study.replicates.resplit
        groups: dict[object, dict[object, list[Tested]]] = {}
        for one in evaluations:
            across = self.study.select is not None and self.study.select.across_folds
            own = () if across else (one.fold, one.replicate if resplit else 0)
            group = (one.run.stage, one.row, own)
            groups.setdefault(group, {}).setdefault(one.candidate, []).append(one)
        for candidates in groups.values():
            select = None
            if len(candidates) > 1 and self.study.select is not None and self.study.tests[name].which != "all":
                select = self._select(list(candidates.values()))
                selects[select] = None
            for position, members in enumerate(candidates.values()):
                for one in members:
                    gate = None if select is None else Gate(select, position)
                    self._refit(one, one.run, gate, refits)
                    self._node(one.work, one.hashed, gate, self._tested_use(one))

    def _refit(self, one: Tested, run: Run, gate: Gate | None, refits: dict[str, list[str]]) -> None:
        """Add the refits that an evaluation needs, parents first."""
        for parent in run.parents.values():
            self._refit(one, parent, gate, refits)
        if run.refit:
            refits.setdefault(run.stage, []).append(run.work)
            self._node(run.work, run.hashed, gate, {**self._tested_use(one), "stage": run.stage, "refit": True})

    def _node(self, work: str, hashed: Mapping[str, Json], gate: Gate | None, use: Mapping[str, Json]) -> None:
        self.hashed.setdefault(work, hashed)
        self.uses.setdefault(work, []).append(use)
        if gate is None:
            self.always.add(work)
        else:
            self.gates.setdefault(work, {})[gate] = None

    def _tested_use(self, one: Tested) -> dict[str, Json]:
        return {
            "study": self.study.name,
            "test": one.test.name,
            "stage": one.run.stage,
            "row": dict(one.row),
            "configuration": dict(one.configuration),
            "replicate": one.replicate,
            "fold": [position for _, position in one.fold],
        }

    def _select(self, candidates: list[list[Tested]]) -> str:
        chosen = self.study.select
        assert chosen is not None
        works = [list(dict.fromkeys(w for one in members for w in one.validation)) for members in candidates]
        run = candidates[0][0].run
        hashed: dict[str, Json] = {
            "kind": "select",
            "parents": {"candidates": works},
            "metric": self.components.json("metric", Component(chosen.metric, {}, "")),
            "head": chosen.head or (run.tasks[0].name if len(run.tasks) == 1 else None),
            "role": chosen.role or ("source" if "source" in run.uses else next(iter(run.uses), "data")),
        }
        work = digest(hashed)
        self.hashed[work] = hashed
        self.always.add(work)
        use = {**self._tested_use(candidates[0][0]), "configurations": len(candidates)}
        self.uses.setdefault(work, []).append(use)
        return work

    # -- cache fills and the graph --

    def _prepare(self, tested: Mapping[str, tuple[Tested, ...]]) -> tuple[str, ...]:
        """Make one cache fill for each dataset and data module, and note who is better run after it."""
        fills: dict[tuple[str, int], str] = {}
        for run in self.stages.made:
            datasets = (use.dataset for pool in run.uses.values() for use in pool)
            self.after[run.work] = self._fills(run, datasets, fills)
        for one in (one for evaluations in tested.values() for one in evaluations):
            self.after[one.work] = self._fills(one.run, one.datasets, fills)
        return tuple(dict.fromkeys(fills.values()))

    def _fills(self, run: Run, datasets: Iterable[str], fills: dict[tuple[str, int], str]) -> tuple[str, ...]:
        data = run.hashed.get("data")
        if data is None:
            return ()
        needed: dict[str, None] = {}
        for dataset in datasets:
            key = (dataset, id(data))
            if key not in fills and (view := self.data.whole(dataset)) is not None:
                hashed = {"kind": "prepare", "data": data, "view": view}
                fills[key] = digest(hashed)
                self._node(fills[key], hashed, None, {"study": self.study.name, "dataset": dataset})
            if key in fills:
                needed[fills[key]] = None
        return tuple(needed)

    def _graph(self, prepares: tuple[str, ...], selects: Mapping[str, None]) -> Graph:
        """Order the nodes: fills, fits, then selects with what waits for them."""
        # cattrs is loaded where something is planned, and by no check of a spec alone.
        from tlimb.manifest.structure import Reader

        nodes: dict[str, Manifest] = {}
        above: dict[str, tuple[str, ...]] = {}
        read = Reader().content
        fits = [work for work in self.hashed if work not in prepares and work not in selects]
        plain = [work for work in fits if self.hashed[work]["kind"] == "fit" and work in self.always]
        late = [work for work in fits if self.hashed[work]["kind"] == "fit" and work not in self.always]
        last = [work for work in fits if self.hashed[work]["kind"] != "fit"]
        for work in (*prepares, *plain, *selects, *late, *last):
            gates = () if work in self.always else tuple(self.gates.get(work, ()))
            hashed, uses, after = self.hashed[work], tuple(self.uses.get(work, ())), self.after.get(work, ())
            candidates = (fit for works in hashed["parents"]["candidates"] for fit in works) if work in selects else ()
            lineage = lineages(nodes, candidates, above)
            nodes[work] = Manifest(work, hashed, uses, gates, after, lineage, read)
        return Graph(nodes)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the cycle collector away: a large plan is millions of objects without a cycle among them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            # The plan lives to the end of the command: later collections need not look at it.
            gc.freeze()
            gc.enable()


def matches(label: str, wanted: object) -> bool:
    """Say whether a label is the wanted value, or one of a list of them."""
    values = wanted if isinstance(wanted, tuple | list) else (wanted,)
    return label in {label_text(value) for value in values}
