"""One stage under one assignment: what it reads, its parents, and the manifest that follows."""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import field, frozen

from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Head, Stage, Study
from tlimb.language.values import Component, Value
from tlimb.manifest import UNLABELLED, Json
from tlimb.plan import pieces
from tlimb.plan.data import Data, Use, Uses, inner_folds, split_of
from tlimb.plan.draws import run_seed
from tlimb.plan.pieces import NOTHING, Components, Piece, as_component
from tlimb.plan.reach import Reach
from tlimb.plan.space import Dimension, Memo, Scope, Space

SUPERVISED = Component("supervised", {}, "")
FIT = Piece("fit")


@frozen(eq=False)
class Task:
    """One head of a run: its name, target label, component pieces and what it predicts.

    `kind` is `number` or `class`; empty for a user's own objective, for which the label decides.
    """

    name: str
    label: str | None
    kind: str
    objective: Json
    head: Json
    weight: float
    role: str | None


@frozen(eq=False)
class Run:
    """A fit, as the planner knows it.

    Attributes:
        stage: name of the stage that asked for it.
        work: its digest.
        hashed: its manifest content.
        parents: runs it starts from, by role.
        uses: datasets by role.
        tasks: its heads.
        architecture: its encoder, which runs that start from it inherit.
        refit: it trains on all of an outer fold's training part, after inner folds.
        weights: entries of `pretrained` it starts from, by role.
    """

    stage: str
    work: str
    hashed: Mapping[str, Json]
    parents: Mapping[str, "Run"]
    uses: Mapping[str, Uses]
    tasks: tuple[Task, ...]
    architecture: Piece
    refit: bool = False
    weights: Mapping[str, str] = field(factory=dict)


class Stages:
    """Makes the runs of a study's stages."""

    def __init__(self, study: Study, catalogue: Catalogue, data: Data, components: Components) -> None:
        """Prepare; nothing is resolved yet."""
        self.study = study
        self.catalogue = catalogue
        self.data = data
        self.components = components
        self.reach = Reach(study)
        self.space = Space(study)
        self.memo = Memo()
        seeds = study.replicates.seeds
        self.seeds = seeds or tuple(run_seed(study.seed, r) for r in range(study.replicates.count))
        self._seed_pieces = tuple(Piece(seed) for seed in self.seeds)
        self.replicate = Dimension("@replicate", "replicate", tuple(str(r) for r in range(len(self.seeds))))
        self.made: list[Run] = []
        self._data_memo: dict[tuple[int, int, str | None], dict[str, Piece]] = {}
        self._axes: dict[str, Dimension] = {}
        self._set_limits()

    def _set_limits(self) -> None:
        for stage, count in self.space.limit.items():
            if stage not in self.study.stages:
                continue
            for ancestor in self.reach.ancestors(stage):
                for node in self.reach.nodes(ancestor):
                    known = self.space.limits.get(node.place, count)
                    self.space.limits[node.place] = min(known, int(count))

    # -- one run --

    def run(self, stage: str, scope: Scope, *, refit: bool = False) -> Run:
        """Give the run of a stage under an assignment.

        Raises:
            Unassigned: a dimension it reads has no value yet.
        """
        return self.memo.get(("run", stage, refit), scope, lambda inner: self._run(stage, inner, refit))

    def _run(self, name: str, scope: Scope, refit: bool) -> Run:
        stage = self.study.stages[name]
        parents, weights, names = self._parents(stage, scope, refit)
        uses = self._uses(stage, scope, refit)
        # A scenario that trains nothing keeps the parent's heads, and reads no label.
        kept = parents.get("encoder") if not self._trains(stage, scope) else None
        tasks = self._tasks(stage, scope) if kept is None else kept.tasks
        settings = self.memo.get(("settings", name), scope, lambda inner: self._settings(stage, inner))
        found = dict(settings)
        if "encoder" in parents:
            found["architecture"] = parents["encoder"].architecture
        else:
            found["architecture"] = self._piece(stage, "architecture", scope)
        found |= self._data_pieces(uses, tasks if kept is None else (), self._drawn_by(found["sampler"]))
        if kept is not None:
            found |= self._untrained(found, kept)
        found["parents"] = pieces.works({role: run.work for role, run in parents.items()})
        found["weights"] = Piece(weights) if weights else pieces.EMPTY
        found["seed"] = self._seed_pieces[self._replicate(stage, scope)]
        found["kind"] = FIT
        refitted = refit and any(inner_folds(self.study, use.dataset)[0] for use in _all(uses))
        if refitted:
            self._as_refit(name, stage, scope, found)
        hashed, work = pieces.joined(found)
        run = Run(name, work, hashed, parents, uses, tasks, found["architecture"], refitted, names)
        self.made.append(run)
        return run

    def _replicate(self, stage: Stage, scope: Scope) -> int:
        if len(self.seeds) == 1 or stage.name in self.study.replicates.once:
            return 0
        return scope.read(self.replicate)

    def _parents(
        self, stage: Stage, scope: Scope, refit: bool
    ) -> tuple[dict[str, Run], dict[str, dict[str, Json]], dict[str, str]]:
        found = stage.from_
        slots = found if isinstance(found, Mapping) else {"encoder": found}
        parents: dict[str, Run] = {}
        weights: dict[str, dict[str, Json]] = {}
        names: dict[str, str] = {}
        for role, value in slots.items():
            name = self.space.resolve(value, scope)
            if name in self.study.stages:
                parents[role] = self.run(name, scope, refit=refit)
            elif name in self.study.pretrained:
                entry = self.study.pretrained[name]
                layout = None if entry.layout is None else self.components.json("layout", entry.layout)
                weights[role] = {"sha256": entry.digest.removeprefix("sha256:"), "layout": layout}
                names[role] = name
        return parents, weights, names

    def _uses(self, stage: Stage, scope: Scope, refit: bool) -> dict[str, Uses]:
        roles = stage.datasets or {"data": stage.dataset}

        def make(inner: Scope) -> dict[str, Uses]:
            return {role: self._pool(value, stage, inner, refit) for role, value in roles.items()}

        return self.memo.get(("uses", stage.name, refit), scope, make)

    def _pool(self, value: Value, stage: Stage, scope: Scope, refit: bool) -> Uses:
        names = self.space.resolve(value, scope)
        names = names if isinstance(names, tuple) else (names,)
        return tuple(self.use(name, stage, scope, refit=refit) for name in names)

    def use(self, name: str, stage: Stage, scope: Scope, *, refit: bool = False, tested: bool = False) -> Use:
        """Give how a dataset is read under an assignment: folds, subset, repetition.

        Args:
            name: the dataset.
            stage: whose run reads it, or whose result is tested on it.
            scope: the assignment.
            refit: read the whole training part of an outer fold.
            tested: only a test reads it: no inner folds, no subset.
        """
        dataset = self.study.datasets[name]
        fold = inner = None
        if names := self.data.folds(name):
            fold = scope.read(self._axis("fold", dataset.split_place, names))
            count, _ = inner_folds(self.study, name)
            if count and not refit and not tested:
                labels = tuple(str(position + 1) for position in range(count))
                inner = scope.read(self._axis("inner", dataset.split_place, labels))
        subset: dict[str, float] = {}
        for part, size in () if tested else dataset.subset.items():
            subset[part] = self.space.resolve(size, scope)
        resplit = self.study.replicates.resplit
        replicate = self._replicate(stage, scope) if subset or resplit else 0
        return Use(name, fold, inner, replicate, tuple(sorted(subset.items())), resplit)

    def _axis(self, kind: str, place: str, labels: tuple[str, ...]) -> Dimension:
        key = f"@{kind}/{place}"
        return self._axes.setdefault(key, Dimension(key, kind, labels))

    def _tasks(self, stage: Stage, scope: Scope) -> tuple[Task, ...]:
        return self.memo.get(("tasks", stage.name), scope, lambda inner: self._make_tasks(stage, inner))

    def _make_tasks(self, stage: Stage, scope: Scope) -> tuple[Task, ...]:
        written: Mapping[str | None, Head]
        if stage.heads:
            written = {name: head for name, head in stage.heads.items()}  # noqa: C416 -- widens the key's type
        elif stage.objective is not None:
            written = {None: Head(objective=stage.objective, head=stage.head)}
        else:
            return ()
        return tuple(self._task(name, head, scope) for name, head in written.items())

    def _task(self, name: str | None, head: Head, scope: Scope) -> Task:
        objective = as_component(self.space.resolve(head.objective, scope)) or Component("none", {}, "")
        layers = as_component(self.space.resolve(head.head, scope)) or Component("linear", {}, "")
        label = objective.options.get("target")
        label = label if isinstance(label, str) else None
        entry = self.catalogue.get("objective", objective.name)
        weight = self.space.resolve(head.weight, scope)
        return Task(
            name=name or label or objective.name,
            label=label,
            kind="" if entry is None else str(entry.facts.get("kind", "")),
            objective=self.components.json("objective", objective),
            head=self.components.json("head", layers),
            weight=pieces.plain(weight),
            role=head.role,
        )

    def _settings(self, stage: Stage, scope: Scope) -> dict[str, Piece]:
        """Give what neither data nor parents nor repetitions decide."""
        found = {"scenario": self._piece(stage, "scenario", scope, SUPERVISED)}
        scenario = as_component(self.space.resolve(stage.scenario, scope)) or SUPERVISED
        entry = self.catalogue.get("scenario", scenario.name)
        unread = () if entry is None else tuple(entry.facts.get("unread", ()))
        for kind in ("data", "auxiliary", "weighting", "sampler", "optimizer", "scheduler"):
            many = kind == "auxiliary"
            if kind in unread:
                found[kind] = Piece([]) if many else NOTHING
            else:
                found[kind] = self._pieces(stage, kind, kind, scope) if many else self._piece(stage, kind, scope)
        callbacks = self._pieces(stage, "callbacks", "callback", scope)
        # A manifest lacks the key where there is none, so that older works are what they were.
        if callbacks.value and self._trains(stage, scope):
            found["callbacks"] = callbacks
        for kind in ("trainer", "freeze", "adapt"):
            key = (kind, stage.name)
            found[kind] = self.memo.get(key, scope, lambda inner, kind=kind: self._block(stage, kind, inner))  # type: ignore[misc]
        return found

    def _piece(self, stage: Stage, kind: str, scope: Scope, default: Component | None = None) -> Piece:
        def make(inner: Scope) -> Piece:
            component = as_component(self.space.resolve(getattr(stage, kind), inner)) or default
            return NOTHING if component is None else Piece(self.components.json(kind, component))

        return self.memo.get((kind, stage.name), scope, make)

    def _pieces(self, stage: Stage, key: str, kind: str, scope: Scope) -> Piece:
        """Return the components of a key that takes one or a list of them."""

        def make(inner: Scope) -> Piece:
            value = self.space.resolve(getattr(stage, key), inner)
            items = value if isinstance(value, tuple) else (value,)
            found = [as_component(item) for item in items if item is not None]
            return Piece([self.components.json(kind, one) for one in found if one is not None])

        return self.memo.get((key, stage.name), scope, make)

    def _block(self, stage: Stage, kind: str, scope: Scope) -> Piece:
        found = getattr(stage, kind)
        skip = ("monitor", "early_stopping") if kind == "trainer" else ()
        json = pieces.block(found, lambda value: self.space.resolve(value, scope), skip)
        if kind == "trainer":
            stop = found.early_stopping
            json["early_stopping"] = (
                None if stop is None else pieces.block(stop, lambda value: self.space.resolve(value, scope))
            )
            json["monitor"] = self._monitor(found.monitor)
        return Piece(json)

    def _monitor(self, monitor: Any) -> Json:
        if monitor is None:
            return None
        metric = (
            "loss" if monitor.metric == "loss" else self.components.json("metric", Component(monitor.metric, {}, ""))
        )
        return {"metric": metric, "head": monitor.head, "role": monitor.role}

    def _trains(self, stage: Stage, scope: Scope) -> bool:
        scenario = as_component(self.space.resolve(stage.scenario, scope)) or SUPERVISED
        entry = self.catalogue.get("scenario", scenario.name)
        return entry is None or bool(entry.facts.get("trains", True))

    def _untrained(self, found: Mapping[str, Piece], parent: Run) -> dict[str, Piece]:
        """Give what stands in place of a training's settings: the parent's heads, and one pass through the data."""
        once = {"epochs": 1, "steps": None, "accumulate": 1, "keep": "last", "monitor": None, "early_stopping": None}
        return {
            "heads": Piece(parent.hashed["heads"]),
            "adapt": Piece({**found["adapt"].value, "heads": "keep"}),
            "trainer": Piece({**found["trainer"].value, **once, "gradient_clip": None}),
        }

    @staticmethod
    def _drawn_by(sampler: Piece) -> str | None:
        """Give the label that batches are drawn by; None for none."""
        by = None if sampler.value is None else sampler.value["options"].get("by")
        return by if isinstance(by, str) and by != "dataset" else None

    def _oracle(self, tasks: tuple[Task, ...]) -> tuple[str, ...]:
        """Give the labels of the target's validation people, where the study owns up to choosing by them."""
        select = self.study.select
        if select is None or not select.oracle or select.role != "target":
            return ()
        return tuple(one.label for one in tasks if one.label is not None and select.head in (None, one.name))

    def _data_pieces(self, uses: Mapping[str, Uses], tasks: tuple[Task, ...], by: str | None) -> dict[str, Piece]:
        # Both are remembered by the memo, so that equal ones are the same object for as long as this one lives.
        key = (id(uses), id(tasks), by)
        if key not in self._data_memo:
            self._data_memo[key] = self._make_data_pieces(uses, tasks, by)
        return self._data_memo[key]

    def _make_data_pieces(self, uses: Mapping[str, Uses], tasks: tuple[Task, ...], by: str | None) -> dict[str, Piece]:
        views, heads = {}, []
        for role, pool in uses.items():
            labels = labels_of(tasks, role)
            if by is not None and role not in UNLABELLED:
                labels = tuple(sorted({*labels, by}))
            choosing = self._oracle(tasks) if role == "target" else ()
            views[role] = {
                "train": self.data.view(pool, "train", labels),
                "val": self.data.view(pool, "val", tuple(sorted({*labels, *choosing}))),
            }
        for task in tasks:
            pool = tuple(use for _, found in _roles(uses, task.role) for use in found)
            heads.append(
                {
                    "name": task.name,
                    "objective": task.objective,
                    "head": task.head,
                    "weight": task.weight,
                    "role": task.role,
                    "facts": self.data.facts(pool, task.label, task.kind),
                }
            )
        inputs = self.data.inputs(next(iter(uses.values())))
        return {"views": Piece(views), "heads": Piece(heads), "inputs": Piece(inputs)}

    def inner_works(self, name: str, scope: Scope) -> tuple[str, ...]:
        """Give the works of a run's inner folds, under an assignment without the inner axis."""
        stage = self.study.stages[name]
        works: list[str] = []
        for dataset in self.reach.datasets(stage):
            count, _ = inner_folds(self.study, dataset)
            if not count:
                continue
            place = self.study.datasets[dataset].split_place
            for position in range(count):
                inner = Scope({**scope.assignment, f"@inner/{place}": position})
                works.append(self.run(name, inner).work)
                scope.reads.update({k: v for k, v in inner.reads.items() if k != f"@inner/{place}"})
            break
        return tuple(works)

    def _as_refit(self, name: str, stage: Stage, scope: Scope, found: dict[str, Piece]) -> None:
        """Fix the length of a refit: nothing watches it unless a share of the people was kept back."""
        trainer = dict(found["trainer"].value)
        split = next((s for d in self.reach.datasets(stage) if (s := split_of(self.study, d)) is not None), None)
        kept_back = split is not None and "val" in split.options
        if kept_back or (trainer["keep"] == "last" and trainer["early_stopping"] is None):
            return
        works = self.inner_works(name, scope)
        trainer |= {
            "epochs": {"median_best_epoch_of": "epochs_from"},
            "steps": None,
            "early_stopping": None,
            "monitor": None,
            "keep": "last",
        }
        found["trainer"] = Piece(trainer)
        found["parents"] = Piece({**found["parents"].value, "epochs_from": list(works)})


def labels_of(tasks: tuple[Task, ...], role: str) -> tuple[str, ...]:
    """Give the labels that training reads from a role, sorted."""
    if role in UNLABELLED:
        return ()
    found = {task.label for task in tasks if task.label is not None and task.role in (None, role)}
    return tuple(sorted(found))


def _roles(uses: Mapping[str, Uses], role: str | None) -> Iterator[tuple[str, Uses]]:
    for name, pool in uses.items():
        if name not in UNLABELLED and role in (None, name):
            yield name, pool


def _all(uses: Mapping[str, Uses]) -> Iterator[Use]:
    for pool in uses.values():
        yield from pool
