"""How an epoch is drawn: groups so small that the same people come all the time, and batches larger than a part."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tlimb.cohorts.rows import Row
from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Study
from tlimb.language.values import Component
from tlimb.manifest import Fit
from tlimb.plan.cohort import Cohorts
from tlimb.plan.expand import Expansion
from tlimb.plan.groups import POOLED
from tlimb.plan.reach import Reach
from tlimb.problems import Problem, Severity

MOST_TIMES = 20
"""Draws of one image in an epoch from which its group is called too small to be drawn alike."""


def epochs(study: Study, expansion: Expansion, cohorts: Cohorts, catalogue: Catalogue) -> list[Problem]:
    """Give what makes an epoch other than it looks, the worst run of each stage; no message holds a label's value."""
    listing = catalogue.get("sampler", "balanced")
    found: dict[tuple[str, str, str], tuple[float, Problem]] = {}
    for node, fit in expansion.graph.distinct(Fit, "roles", "sampler", "trainer", "optimizer"):
        if not fit.trains:
            continue
        stage, sampler = node.stage, fit.sampler
        for number, (role, rows) in enumerate(_roles(fit, cohorts)):
            if sampler is not None and listing is not None and sampler.path == listing.cls:
                _keep(found, stage, role, _alike(study, stage, sampler.options["by"], rows))
            if number == 0:
                _keep(found, stage, role, _batches(study, stage, fit.trainer.batch_size, rows))
    return [problem for _, problem in found.values()]


def _keep(
    found: dict[tuple[str, str, str], tuple[float, Problem]],
    stage: str,
    role: str,
    problems: Iterator[tuple[float, Problem]],
) -> None:
    for size, problem in problems:
        key = (stage, role, f"{problem.code} {problem.severity}")
        if key not in found or found[key][0] < size:
            found[key] = (size, problem)


def _roles(fit: Fit, cohorts: Cohorts) -> Iterator[tuple[str, Sequence[Row]]]:
    """Return the training rows of each role; those that say how long an epoch is come first."""
    for role, parts in fit.ordered_roles.items():
        rows = cohorts.rows_of.get(parts.train or "", ())
        if rows:
            yield role, rows


def _alike(study: Study, stage: str, by: str, rows: Sequence[Row]) -> Iterator[tuple[float, Problem]]:
    """Tell how often a group is drawn, and who is in none; the numbers are those of `Balanced`."""
    values = [row.dataset if by == POOLED else row.labels.get(by) for row in rows]
    groups = Counter(str(value) for value in values if value is not None)
    pointer = _place(study, stage, by)
    unknown = len(rows) - groups.total()
    if unknown and groups:
        message = (
            f"{unknown} of {len(rows)} training images of `{stage}` have no `{by}`: they come once an epoch each, as "
            "without `balanced`"
        )
        help_ = f"to leave them out:   only: {{{by}: [..]}}"
        yield unknown, Problem("drawn-often", message, pointer, severity=Severity.INFO, help=help_)
    if len(groups) < 2:
        return
    fewest = min(groups.values())
    times = groups.total() / len(groups) / fewest
    if times > MOST_TIMES:
        one = "the only image" if fewest == 1 else f"each of the {fewest} images"
        message = f"`balanced` draws {one} of the smallest group by `{by}` {times:.0f} times an epoch in `{stage}`"
        help_texts = ("join small groups:   labels: {..: {map: {..}}}", "or leave the smallest out, with `only`")
        yield times, Problem("drawn-often", message, pointer, severity=Severity.WARNING, help=help_texts)


def _batches(study: Study, stage: str, size: int | None, rows: Sequence[Row]) -> Iterator[tuple[float, Problem]]:
    pointer = study.stages[stage].origins.get("trainer/batch_size")
    if pointer is None or size is None or size <= len(rows):
        return
    message = f"a batch of {size} is more than the {len(rows)} images that `{stage}` trains on: an epoch is one step"
    help_ = f"write   batch_size: {max(1, len(rows) // 2)}   or less"
    yield size / len(rows), Problem("batch-too-large", message, pointer, severity=Severity.WARNING, help=help_)


def _place(study: Study, stage: str, by: str) -> str:
    reach = Reach(study)
    for one in reach.follow(study.stages[stage].sampler):
        if isinstance(one, Component) and by in reach.words(one.options.get("by")):
            return one.at("by")
    return f"/stages/{stage}"
