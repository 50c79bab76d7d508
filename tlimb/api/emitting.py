"""Turn a plan into an emission: everything that a project of a workflow engine is made of."""

from collections.abc import Iterable

from attrs import evolve, frozen

from tlimb.api import onlookers
from tlimb.api.load import Loaded
from tlimb.api.planning import rank_request
from tlimb.backends import Backend, backend
from tlimb.backends.contracts import Emission
from tlimb.backends.execution import engines_of, problems, profile_of
from tlimb.backends.packing.packs import by_minutes, counted
from tlimb.backends.packing.shards import shard
from tlimb.backends.packing.sizes import Size, size
from tlimb.backends.packing.tasks import Step, Tasks, tasks
from tlimb.describe.code import sources
from tlimb.manifest import Kind
from tlimb.plan.plan import Plan
from tlimb.plan.reach import Reach
from tlimb.problems import Problem, Severity, TlimbError
from tlimb.project import Project
from tlimb.version import __version__


@frozen
class Asked:
    """What `tlimb emit` was asked for.

    Attributes:
        backend: name of the backend.
        profile: name of a profile of `execution`; None for none.
        pack: most short fits of one task; None for what the plan's images, voxels and epochs suggest.
        shard: (i, n) for the i-th of n parts, 0 for what several parts need; None for the whole plan.
    """

    backend: str
    profile: str | None = None
    pack: int | None = 1
    shard: tuple[int, int] | None = None


def emission(plan: Plan, loaded: Loaded, place: Project, asked: Asked) -> tuple[Backend, Emission, tuple[Problem, ...]]:
    """Put together what a project is made of, with warnings of what the backend does not express.

    Raises:
        TlimbError: the backend is unknown, not allowed, or cannot express what the study asks for.
    """
    chosen = backend(asked.backend, place.allow)
    study = plan.study
    found = loaded.source.resolve(problems(study.execution, asked.profile, chosen))
    if any(problem.severity is Severity.ERROR for problem in found):
        raise TlimbError(found)
    whole = packed(plan, asked.pack, asked.profile)
    if asked.shard is not None:
        whole = shard(whole, *asked.shard)
    code, modules = _code(plan, place, onlookers.of_study(study.execution, loaded.catalogue).classes)
    made = Emission(
        plan=plan,
        tasks=whole,
        request=rank_request(plan, loaded),
        version=__version__,
        engines=engines_of(study.execution, asked.profile, loaded.catalogue),
        profile=profile_of(study.execution, asked.profile),
        code=code,
        modules=modules,
        roots=tuple(sorted(place.roots)),
    )
    found += loaded.source.resolve(chosen.problems(made))
    if any(problem.severity is Severity.ERROR for problem in found):
        raise TlimbError(found)
    return chosen, made, tuple(found)


def packed(plan: Plan, pack: int | None, profile: str | None = None) -> Tasks:
    """Cut a plan into tasks.

    Args:
        plan: the plan.
        pack: most short fits of one task, 1 for no packs; None for what the plan suggests.
        profile: name of a profile of `execution`, which says what stages ask of a machine; None for none.
    """
    execution = plan.study.execution
    chosen = profile_of(execution, profile)

    def sized(step: Step) -> Size:
        return size(step, execution, chosen)

    packing = by_minutes(plan.rows) if pack is None else counted(pack)
    return tasks(
        plan.graph,
        Reach(plan.study).order(),
        None if pack == 1 else lambda step: packing(step.kind, sized(step).cpus),
        lambda step: evolve(sized(step), name=""),
    )


def pack_line(plan: Plan) -> str:
    """Say what packs the plan suggests to an engine; empty where each training is long enough for a task of its own."""
    kinds = ([plan.graph.nodes[work].kind for work in task.works] for task in packed(plan, None).tasks)
    fits = [found.count(Kind.FIT) for found in kinds if Kind.FIT in found]
    if max(fits, default=1) == 1:
        return ""
    tasks = f"{len(fits)} task{'s' if len(fits) > 1 else ''}"
    return (
        f"short trainings: `tlimb emit --pack auto` puts these {sum(fits)} into {tasks} of an engine, "
        f"up to {max(fits)} into one"
    )


def _code(plan: Plan, place: Project, beside: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the files behind the user's class paths of a plan, by path in the project, and what has to be allowed.

    Args:
        plan: the plan.
        place: where the user's code is.
        beside: class paths that runs need beside their manifests.
    """
    files: dict[str, str] = {}
    tops: set[str] = set()
    named = {one.path for one in plan.graph.components() if one.code is not None or one.package is not None}
    for path in sorted(named | {one for one in beside if not one.startswith("tlimb.")}):
        tops.add(path.split(".")[0])
        for name, text in sources(path, place.code).items():
            files[f"code/{name}"] = text
    return files, tuple(sorted(tops))


def task_lines(whole: Tasks) -> list[tuple[str, int, int]]:
    """Give one line a step: name, tasks, runs."""
    return [
        (step.name, len(mine), sum(len(task.works) for task in mine))
        for step in whole.steps
        for mine in (whole.by_step[step.name],)
    ]
