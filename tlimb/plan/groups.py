"""Labels whose values are groups of people: what samplers draw alike of, and what results are told by."""

from collections.abc import Iterator, Sequence

from tlimb.cohorts import columns
from tlimb.cohorts.rows import Cohort
from tlimb.language.model import Stage, Study
from tlimb.language.values import Component
from tlimb.manifest import UNLABELLED
from tlimb.plan.cohort import Cohorts
from tlimb.plan.reach import Reach
from tlimb.problems import Problem

MOST_GROUPS = 20
"""Values of a label from which its groups are called a mistake: they would be single people."""
POOLED = "dataset"
"""Word of samplers for the datasets that are pooled; it is no label."""


def grouped(study: Study, cohorts: Cohorts) -> Iterator[Problem]:
    """Check that labels which make groups are there, and make groups of more than single people."""
    reach = Reach(study)
    for stage in study.stages.values():
        names = reach.datasets(stage, without=UNLABELLED)
        for sampler in (one for one in reach.follow(stage.sampler) if isinstance(one, Component)):
            for label in reach.words(sampler.options.get("by")):
                if label != POOLED:
                    yield from _problems(label, _known(names, cohorts), sampler.at("by"), f"`{sampler.name}`")
    tested = dict.fromkeys(name for test in study.tests.values() for name in reach.words(test.dataset))
    untold = [stage for test in study.tests.values() if test.dataset is None for stage in _stages(study, test.of)]
    tested |= dict.fromkeys(name for stage in untold for name in reach.datasets(stage))
    for position, label in enumerate(study.report.by):
        yield from _problems(label, _known(list(tested), cohorts), f"/report/by/{position}", "the report")


def _stages(study: Study, names: Sequence[str]) -> Iterator[Stage]:
    yield from (study.stages[name] for name in names if name in study.stages)


def _known(names: Sequence[str], cohorts: Cohorts) -> list[Cohort]:
    return [cohorts.cohort(name) for name in names if cohorts.known(name)]


def _problems(label: str, having: Sequence[Cohort], pointer: str, reader: str) -> Iterator[Problem]:
    found = [cohort.labels[label] for cohort in having if label in cohort.labels]
    if having and not found:
        yield columns.missing_label(having[0], label, pointer)
    most = max((len(facts.classes) for facts in found), default=0)
    if most > MOST_GROUPS:
        message = f"{reader} makes groups by `{label}`, which has {most} values: groups of single people"
        help_ = "add a column that says who belongs to which of a few groups, and name it here"
        yield Problem("target-type", message, pointer, help=help_)
