"""Trainings on several devices: what cannot be computed in parts, batches that are too small, GPUs that lack."""

from collections.abc import Iterator, Mapping

from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Study
from tlimb.manifest import Fit
from tlimb.plan.cohort import Cohorts
from tlimb.plan.expand import Expansion
from tlimb.problems import Problem, Severity

CODE = "several-devices"


def sharing(study: Study, expansion: Expansion, cohorts: Cohorts, catalogue: Catalogue) -> list[Problem]:
    """Check every training whose batches are shared by several devices; own components are checked by the run."""
    known = {
        one.cls: (kind, one.name, bool(one.facts.get("divisible")))
        for kind in ("scenario", "weighting", "auxiliary", "objective")
        for one in catalogue.all(kind)
    }
    found: dict[str, Problem] = {}
    parts = ("scenario", "auxiliary", "heads", "weighting", "trainer", "roles")
    several = any(fit.trainer.devices > 1 for _, fit in expansion.graph.distinct(Fit, "trainer"))
    for node, fit in expansion.graph.distinct(Fit, *parts) if several else ():
        if fit.trainer.devices > 1:
            for problem in (
                *_whole(fit, node.stage, known),
                *_small(fit, node.stage, cohorts),
                *_resources(fit, node.stage, study),
            ):
                found.setdefault(problem.message, problem)
    return list(found.values())


def _whole(fit: Fit, stage: str, known: Mapping[str, tuple[str, str, bool]]) -> Iterator[Problem]:
    parts = [fit.scenario, *fit.auxiliary, *(head.objective for head in fit.heads)]
    parts += [] if fit.weighting is None else [fit.weighting]
    for part in parts:
        kind, name, divisible = known.get(part.path, ("", "", True))
        if not divisible:
            message = f"the {kind} `{name}` of `{stage}` needs whole batches, which several devices do not have"
            help_ = ("write `devices: 1` in the stage's `trainer`",)
            yield Problem(CODE, message, f"/stages/{stage}", on_key=True, help=help_)


def _small(fit: Fit, stage: str, cohorts: Cohorts) -> Iterator[Problem]:
    devices, size = fit.trainer.devices, fit.trainer.batch_size
    if size is None:
        return
    views = [parts.train for parts in fit.roles.values() if parts.train is not None]
    fewest = min([size, *(len(cohorts.rows_of[view]) for view in views if view in cohorts.rows_of)])
    if fewest < 2 * devices:
        what = f"a batch of {size}" if fewest == size else f"{fewest} images"
        message = f"{devices} devices share {what} in `{stage}`; each needs two images or more"
        yield Problem(CODE, message, f"/stages/{stage}", on_key=True, help=("take fewer devices, or larger batches",))


def _resources(fit: Fit, stage: str, study: Study) -> Iterator[Problem]:
    """Warn of fewer GPUs than devices, for engines that give a run what is asked for and no more."""
    layers = [study.execution.resources, study.execution.overrides.get(stage)]
    asked = [layer.gpus for layer in layers if layer is not None and layer.gpus is not None]
    devices = fit.trainer.devices
    if asked and 0 < asked[-1] < devices and not fit.trainer.pinned_to_cpu:
        message = f"`{stage}` trains on {devices} devices and asks for {asked[-1]} GPU{'s' if asked[-1] > 1 else ''}"
        help_ = (f"write `execution: {{overrides: {{{stage}: {{gpus: {devices}}}}}}}`",)
        yield Problem(CODE, message, f"/stages/{stage}", on_key=True, severity=Severity.WARNING, help=help_)
