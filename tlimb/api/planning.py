"""Spec and files to a plan, and what the store already has of it."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path

from attrs import field, frozen

from tlimb.api import onlookers
from tlimb.api.indexing import open_cohorts
from tlimb.api.load import Loaded
from tlimb.backends.checked_manifests import Checked
from tlimb.cohorts.hashing import HashCache
from tlimb.cohorts.view import with_groups, with_values, write_views
from tlimb.describe import installed
from tlimb.language.model import Study
from tlimb.language.values import Component
from tlimb.manifest import Json, canonical
from tlimb.plan import cautions, checks, diff, images, write
from tlimb.plan.bounds import bounds
from tlimb.plan.diff import Change
from tlimb.plan.epochs import epochs
from tlimb.plan.expand import Expander, TooLargeError
from tlimb.plan.leaks import Guard
from tlimb.plan.pieces import Components
from tlimb.plan.plan import Plan
from tlimb.plan.scarce import scarce
from tlimb.plan.sharing import sharing
from tlimb.plan.weighted import weighted
from tlimb.problems import ExitCode, Problem, Severity, TlimbError
from tlimb.project import Asked, Project, project
from tlimb.store import Store, disk, environments
from tlimb.store.disk import private_folder
from tlimb.store.environments import Here

Progress = Callable[[int, int], None]
REMEMBERED_RUNS = 5_000
"""Plans with more nodes are remembered by spec and work only: differences inside runs are then not told."""


def make_plan(
    loaded: Loaded,
    place: Project,
    *,
    limit: int = 10_000,
    allow_leak: bool = False,
    with_names: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """Plan a study: read its cohorts, expand it, guard against leaks, and write the views.

    Raises:
        TlimbError: the spec, the data or the size of the plan is at fault.
    """
    study = loaded.sound()
    private_folder(place.private)
    hashes = HashCache(place.private)
    cohorts = open_cohorts(study, place, hashes, progress, with_names=with_names)
    components = Components(loaded.catalogue, cache(lambda path: installed.identity(path, place.code)))
    try:
        problems = [*checks.unbuilt(study), *checks.data(study, loaded.catalogue, cohorts)]
        if any(problem.severity is Severity.ERROR for problem in problems):
            raise TlimbError([*cohorts.problems, *problems])
        expander = Expander(study, loaded.catalogue, cohorts, components)
        expansion = expander.expand(limit)
        problems += [
            *scarce(expansion, cohorts),
            *bounds(study, expansion, cohorts, loaded.catalogue),
            *sharing(study, expansion, cohorts, loaded.catalogue),
            *checks.selection(study, expansion),
            *checks.classes(expansion, cohorts),
            *weighted(study, expansion, loaded.catalogue, cohorts),
            *checks.taught_heads(study, expansion, loaded.catalogue),
            *epochs(study, expansion, cohorts, loaded.catalogue),
        ]
        problems += [*checks.populations(study, expansion, loaded.catalogue), *checks.kept_heads(study, expansion)]
        problems += [*cautions.cautions(study, expansion, cohorts), *images.problems(study, loaded.catalogue, cohorts)]
        problems += [*_moved(expander, place), *onlookers.missing(study.execution)]
        guard = Guard(cohorts.rows_of, cohorts.kinship())
        problems += guard.check(study, expansion, Severity.WARNING if allow_leak else Severity.ERROR)
        errors = {problem.code for problem in problems if problem.severity is Severity.ERROR}
        if errors:
            code = ExitCode.POLICY if errors <= {"leak-subjects", "leak-unlabelled"} else ExitCode.FINDINGS
            raise TlimbError([*cohorts.problems, *problems], code)
    except TooLargeError as error:
        raise TlimbError(checks.too_large(study, error.stage, limit, expander)) from error
    except TlimbError as error:
        raise TlimbError(loaded.source.resolve(error.problems), error.exit_code) from error
    finally:
        hashes.save()
    grouped = {
        key: with_groups(found, guard.kinship.tokens(cohorts.rows_of[key])) for key, found in cohorts.views.items()
    }
    for key in {one.view for evaluations in expansion.tests.values() for one in evaluations}:
        grouped[key] = with_values(grouped[key], cohorts.rows_of[key], study.report.by)
    write_views(place.private, grouped)
    return Plan(
        study,
        expansion,
        tuple(loaded.source.resolve([*cohorts.problems, *problems])),
        tuple(checks.people(study, loaded.catalogue, cohorts)),
        tuple(checks.assumed(study, loaded.catalogue)),
        cohorts.rows_of,
    )


def check_data(loaded: Loaded, asked: Asked, *, with_names: bool = False) -> list[Problem]:
    """Check a study against its tables and file lists; give the problems with places."""
    place = project(loaded.sound(), loaded.source.path, asked)
    try:
        return list(make_plan(loaded, place, with_names=with_names).problems)
    except TlimbError as error:
        return list(error.problems)


# -- what is done --


@frozen(eq=False)
class Inventory:
    """What the store has, asked once a work.

    Attributes:
        store: all that is there.
        here: the environments of this machine.
        works: works that count as done.
        foreign: works that were computed in another environment; done as well, unless the study asks for this one.
    """

    store: Store
    here: Here
    works: frozenset[str]
    foreign: frozenset[str]
    _chosen: dict[str, int | None] = field(factory=dict, init=False)

    def has(self, work: str) -> bool:
        """Say whether a work counts as done."""
        return work in self.works

    def other(self, work: str) -> bool:
        """Say whether a work was computed in another environment than this one."""
        return work in self.foreign

    def chosen(self, select: str) -> int | None:
        """Give what a select node chose; None when it has not run."""
        if select not in self._chosen:
            self._chosen[select] = self.store.chosen(select) if select in self.works else None
        return self._chosen[select]

    def other_environments(self) -> list[str]:
        """Give what differs, such as `torch 2.14 -> 2.15`."""
        found: dict[str, None] = {}
        for work in sorted(self.foreign):
            result = self.store.glance(work)
            for key, (then, now) in ({} if result is None else self.here.differences(work, result)).items():
                found[f"{key} {then} -> {now}"] = None
        return list(found)


def inventory(place: Project, plan: Plan) -> Inventory:
    """Open the store of a project, and say what of a plan counts as done, and what was computed elsewhere."""
    store, here = Store(place.store), environments.here(place.private, plan.graph)
    glances = ((work, store.glance(work)) for work in store.works() if work in plan.graph.nodes)
    there = {work: result for work, result in glances if result is not None}
    foreign = frozenset(work for work, result in there.items() if here.differences(work, result))
    counting = store_of(place, plan)
    return Inventory(store, here, frozenset(work for work in there if counting.has(work)), foreign)


def store_of(place: Project, plan: Plan) -> Store:
    """Open the store as a study counts it: all that is in it, or only what this environment has computed."""
    if plan.study.execution.reuse != "same_environment":
        return Store(place.store)
    return environments.same_only(place.store, environments.here(place.private, plan.graph))


def done_of(place: Project, plan: Plan, work: str) -> str:
    """Say in words what the store has of a work."""
    result = store_of(place, plan).glance(work)
    return "to do" if result is None else result.status


# -- memory of the last plan and run --


def list_runs(plan: Plan, place: Project) -> None:
    """Keep a list of a plan's runs, one a line, so that a shell can complete them without planning."""
    lines = [
        f"{node.work}\t{node.kind.value} {node.uses[0].get('test', node.uses[0].get('stage', '')) if node.uses else ''}"
        for node in list(plan.graph)[:REMEMBERED_RUNS]
    ]
    path = place.private / "plans" / f"{place.spec.stem}.runs"
    private_folder(path.parent)
    disk.write_atomically(path, ("\n".join(lines) + "\n").encode(), 0o600)


def _moved(expander: Expander, place: Project) -> list[Problem]:
    """Warn of draws that a new name has made new; without a memory there is nothing to say."""
    path = _memory(place, expander.study)
    if not path.is_file() or not expander.stages.space.random:
        return []
    before = json.loads(path.read_text(encoding="utf-8")).get("draws", {})
    return diff.moved_draws(expander.study, before)


def _memory(place: Project, study: Study) -> Path:
    return place.private / "plans" / f"{study.name}.json"


def remember(plan: Plan, place: Project, loaded: Loaded) -> None:
    """Keep a plan for the next `plan --diff`."""
    path = _memory(place, plan.study)
    private_folder(path.parent)
    content = diff.memory(plan, loaded.source.root.data())
    if len(plan.graph) > REMEMBERED_RUNS:
        content |= {"runs": {}, "hashed": {}}
    disk.write_atomically(path, canonical(content).encode(), 0o600)


def changed_since(plan: Plan, place: Project, loaded: Loaded) -> tuple[list[Change], dict[str, list[Change]]] | None:
    """Give what changed in the spec and in the runs since the study last ran; None when it never did."""
    path = _memory(place, plan.study)
    if not path.is_file():
        return None
    before = json.loads(path.read_text(encoding="utf-8"))
    return diff.changes(before["spec"], loaded.source.root.data()), diff.run_changes(plan, before)


# -- files --


def rank_request(plan: Plan, loaded: Loaded) -> dict[str, Json]:
    """Give what a ranking of this plan needs beside the graph."""
    study = plan.study
    components = Components(loaded.catalogue, lambda _: {})
    metrics = study.report.metrics or tuple(
        Component(name, {}, "") for name in dict.fromkeys(checks.default_metrics(study, loaded.catalogue))
    )
    chosen = study.select
    return {
        "study": study.name,
        "metrics": [components.json("metric", metric) for metric in metrics],
        "against": study.report.against,
        "select": None
        if chosen is None
        else {
            "metric": components.json("metric", Component(chosen.metric, {}, "")),
            "head": chosen.head,
            "role": chosen.role,
        },
        "resamples": 2000,
        "seed": study.seed,
        "notes": list(_cautions(plan)),
        **({"by": list(study.report.by)} if study.report.by else {}),
        **onlookers.of_study(study.execution, loaded.catalogue).to_json(),
    }


def _cautions(plan: Plan) -> Iterator[str]:
    """Say what makes the numbers better than they are; it stands under every table."""
    for problem in plan.problems:
        if problem.code == "leak-weights":
            # A matter of cohorts, not of persons, and nobody was asked to allow it.
            yield f"LEAK, perhaps: {problem.message}"
        elif problem.code.startswith("leak-"):
            yield f"LEAK, allowed by hand: {problem.message}"
    select = plan.study.select
    if select is not None and select.oracle:
        yield "ORACLE: configurations were chosen with target labels"
    if select is not None and select.across_folds:
        yield "ACROSS FOLDS: people who are tested took part in choosing configurations"


def write_plan(plan: Plan, loaded: Loaded, output: Path, private: Path | None = None) -> int:
    """Write manifests and tables into a folder and return the number of files.

    Args:
        plan: the plan.
        loaded: its study.
        output: the folder.
        private: folder that remembers that these manifests need no check; None for no memory.

    Raises:
        OSError: the folder cannot be written, or a folder in it is a link.
    """
    request = (canonical(rank_request(plan, loaded)) + "\n",)
    made: set[str] = set()
    written: list[str] = []
    count = 0
    for name, text in chain((("plan.json", request),), write.files(plan.graph)):
        path = str(output / name)
        folder = os.path.dirname(path)  # noqa: PTH120 -- pathlib doubles the time for a plan of 100,000 runs
        if folder not in made:
            disk.make_below(output, Path(folder))
            made.add(folder)
        sha256 = hashlib.sha256()
        with open(path, "wb", opener=disk.unlinked) as file:
            for piece in text:
                data = piece.encode()
                file.write(data)
                sha256.update(data)
        if name.startswith("manifests"):
            written.append(sha256.hexdigest())
        count += 1
    Checked(private).note(written)
    return count
