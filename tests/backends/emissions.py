"""Emissions of studies without data: what a project is made of, put together as `tlimb emit` does."""

from pathlib import Path

from attrs import evolve
from conftest_plan import SPECS, expand_text, known

from tlimb.api.emitting import packed
from tlimb.api.planning import rank_request
from tlimb.backends import backend
from tlimb.backends.contracts import Emission
from tlimb.backends.execution import engines_of, problems, profile_of
from tlimb.backends.project_folder import project_files
from tlimb.language import lower, source
from tlimb.plan.plan import Plan
from tlimb.testing.emitting import STUDY as SMALL

ALLOWED = ("test_projects",)
"""Where the tests have a backend of somebody else."""
FOLDS = {"consortium": 3, "clinic": 3, "people": 3}


class Loaded:
    """As much of a loaded spec as a ranking's request needs."""

    def __init__(self):
        self.catalogue = known()


def emission(text, pack=1, profile=None, rows=None, **more):
    """Give the emission of a study whose data nobody has; `rows` says how many images each view would have."""
    study = lower.lower(source.parse(text, Path("spec.yaml")))
    expansion = expand_text(text, FOLDS)
    views = {view for node in expansion.graph for view in node.content.views}
    plan = Plan(study, expansion, rows={view: range(rows) for view in views} if rows is not None else {})
    made = Emission(
        plan=plan,
        tasks=packed(plan, pack, profile),
        request=rank_request(plan, Loaded()),
        version="1.2.3",
        engines=engines_of(study.execution, profile, known()),
        profile=profile_of(study.execution, profile),
        roots=("spec",),
    )
    return evolve(made, **more)


def files(text, name="nextflow", **more):
    """Give every file of a project, path -> text."""
    return {path: "".join(pieces) for path, pieces in project_files(backend(name, ALLOWED), emission(text, **more))}


def refused(text, name="nextflow", profile=None):
    """Give what a backend cannot express of a study: (code, pointer, severity)."""
    execution = lower.lower(source.parse(text, Path("spec.yaml"))).execution
    found = problems(execution, profile, backend(name, ALLOWED))
    return [(one.code, one.pointer, str(one.severity)) for one in found]


__all__ = ["SMALL", "SPECS", "emission", "files", "refused"]
