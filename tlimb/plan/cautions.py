"""What the people themselves make doubtful: too few labels, a confounded target, a choice on few, private labels shown.

All of these are computed from the rows that a run reads, after subsets, folds and `only`; the worst run of a stage
speaks for it. No message holds a value of a private label.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import sqrt
from statistics import fmean, pstdev

from tlimb.cohorts.rows import Row
from tlimb.language.model import Stage, Study
from tlimb.language.values import Component
from tlimb.manifest import UNLABELLED, Fit, Select
from tlimb.plan.cohort import Cohorts
from tlimb.plan.expand import Expansion
from tlimb.plan.reach import Reach
from tlimb.problems import Problem, Related, Severity

FEW_PEOPLE = 20
"""A choice on fewer people, or a target known of fewer, is mostly chance."""
STRONG = 0.5
"""Cramer's V from which an association is called strong."""
APART = 1.0
"""Standard deviations between the mean ages of two roles from which they are called different populations."""
PLACES_OF_WORK = ("site", "scanner", "center", "centre", "study", "acquisition_site")
"""Labels that say where an image was made."""


def cautions(study: Study, expansion: Expansion, cohorts: Cohorts) -> list[Problem]:
    """Give all cautions of a plan, each once."""
    views = _views(expansion, cohorts)
    found = [
        *_pooled_twice(study, views),
        *_scarce(study, views),
        *_confounded(study, views, cohorts),
        *_far_apart(study, views),
        *_small_validation(study, expansion, cohorts),
        *_shown(study, cohorts),
    ]
    return list({(one.code, one.message, one.pointer): one for one in found}.values())


Views = dict[str, dict[str, tuple[Row, ...]]]


def _views(expansion: Expansion, cohorts: Cohorts) -> Views:
    """Give stage -> role -> training rows of the run that has fewest."""
    found: Views = {}
    for node, fit in expansion.graph.distinct(Fit, "roles"):
        roles = found.setdefault(node.stage, {})
        for role, parts in fit.roles.items():
            rows = cohorts.rows_of.get(parts.train or "", ())
            if rows and (role not in roles or len(rows) < len(roles[role])):
                roles[role] = rows
    return found


def _targets(study: Study, stage: Stage) -> Iterator[tuple[str, Component]]:
    for objective in Reach(study).objectives(stage):
        target = objective.options.get("target")
        if isinstance(target, str):
            yield target, objective


def _scarce(study: Study, views: Views) -> Iterator[Problem]:
    for name, roles in views.items():
        for target, objective in _targets(study, study.stages[name]):
            for role, rows in roles.items():
                people = {row.participant for row in rows}
                known = {row.participant for row in rows if row.labels.get(target) is not None}
                if role in UNLABELLED or not 0 < len(known) < min(FEW_PEOPLE, len(people)):
                    continue
                message = f"`{target}` is known of {len(known)} of the {len(people)} people that `{name}` trains on"
                help_ = "train on more people who have it, or pretrain on the others first"
                yield Problem("label-scarce", message, objective.at("target"), severity=Severity.WARNING, help=help_)


def _pooled_twice(study: Study, views: Views) -> Iterator[Problem]:
    """Pooled datasets that share people train on these twice as much as on others."""
    for name, roles in views.items():
        for rows in roles.values():
            twice = len(rows) - len({(row.root, row.image) for row in rows})
            if twice:
                stage = study.stages[name]
                yield Problem(
                    "duplicate-images",
                    f"`{name}` reads {twice} of its {len(rows)} training images a second time: its datasets share them",
                    stage.origins.get("datasets", stage.origins.get("dataset", stage.pointer)),
                    severity=Severity.WARNING,
                    help="pool datasets that have nobody in common; to weigh groups, draw batches by them:   sampler",
                )


def association(pairs: Sequence[tuple[object, object]]) -> float:
    """Give Cramer's V of two classes, corrected for bias, 0 to 1; 0 where either has one value only.

    Source: W. Bergsma, A bias-correction for Cramer's V and Tschuprow's T, J. Korean Stat. Soc. 42 (2013).
    """
    n = len(pairs)
    both, one, two = Counter(pairs), Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    r, k = len(one), len(two)
    if n < 2 or min(r, k) < 2:
        return 0.0
    phi2 = sum((both[a, b] - one[a] * two[b] / n) ** 2 / (one[a] * two[b] / n) for a in one for b in two) / n
    corrected = max(0.0, phi2 - (r - 1) * (k - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    return min(1.0, sqrt(corrected / least)) if least > 0 else 0.0


def _confounded(study: Study, views: Views, cohorts: Cohorts) -> Iterator[Problem]:
    for name, roles in views.items():
        stage = study.stages[name]
        for target, objective in _targets(study, stage):
            rows = [row for role, found in roles.items() if role not in UNLABELLED for row in found]
            rows = [row for row in rows if row.labels.get(target) is not None]
            classes = any(
                (facts := cohorts.cohort(dataset).labels.get(target)) is not None and facts.kind == "class"
                for dataset in {row.dataset for row in rows}
            )
            if len(rows) < FEW_PEOPLE or not classes:
                continue
            sources = {label: [row.labels.get(label) for row in rows] for label in PLACES_OF_WORK}
            sources["dataset"] = [row.dataset for row in rows]
            for label, values in sources.items():
                pairs = [(v, row.labels[target]) for v, row in zip(values, rows, strict=True) if v is not None]
                strength = association(pairs) if len(pairs) >= FEW_PEOPLE else 0.0
                if label == target or strength < STRONG:
                    continue
                origin = stage.origins.get("datasets", stage.origins.get("dataset", stage.pointer))
                yield Problem(
                    "confounded",
                    f"`{label}` nearly tells `{target}` (Cramer's V = {strength:.2f} in {len(pairs)} images): "
                    f"`{name}` may learn the scanner",
                    objective.at("target"),
                    severity=Severity.WARNING,
                    related=(Related(origin, "trained on these", on_key=True),),
                    help=(
                        f"leave one {label} out and test there:   split: {{leave_one_out: {{by: {label}}}}}"
                        if label != "dataset"
                        else "train on datasets that each have all classes, or test on one that is not trained on",
                        f"and look at results by {label}:   report: {{by: [{label}]}}",
                    ),
                )


def _far_apart(study: Study, views: Views) -> Iterator[Problem]:
    for name, roles in views.items():
        if not {"source", "target"} <= roles.keys():
            continue
        ages = [_ages(roles["source"]), _ages(roles["target"])]
        if min(map(len, ages)) < 2:
            continue
        spread = sqrt((pstdev(ages[0]) ** 2 + pstdev(ages[1]) ** 2) / 2)
        means = [fmean(found) for found in ages]
        if spread == 0 or abs(means[0] - means[1]) / spread < APART:
            continue
        origin = study.stages[name].origins.get("datasets", study.stages[name].pointer)
        yield Problem(
            "confounded",
            f"the mean age of `source` and `target` of `{name}` is {means[0]:.0f} and {means[1]:.0f}: adapting one to "
            "the other would take age away with the scanner",
            f"{origin}/target",
            severity=Severity.WARNING,
            related=(Related(f"{origin}/source", "the source"),),
            help="narrow one to the ages of the other:   only: {age: {min: 40, max: 70}}",
        )


def _ages(rows: Iterable[Row]) -> list[float]:
    return [float(age) for row in rows if isinstance(age := row.labels.get("age"), int | float)]


def _small_validation(study: Study, expansion: Expansion, cohorts: Cohorts) -> Iterator[Problem]:
    chosen = study.select
    if chosen is None:
        return
    worst: dict[str, int] = {}
    nodes = expansion.graph.nodes
    for select in expansion.selects:
        choice = nodes[select].as_a(Select)
        # All that is asked of a candidate is its stage and whom it is validated on.
        asked = ((nodes[work].stage, nodes[work].as_a(Fit).validation(choice.role)) for work in choice.parent_works)
        for stage, view in dict.fromkeys(asked):
            people = len({row.participant for row in cohorts.rows_of.get(view or "", ())})
            if 0 < people < min(FEW_PEOPLE, worst.get(stage, FEW_PEOPLE)):
                worst[stage] = people
    for stage, people in worst.items():
        yield Problem(
            "val-small",
            f"{chosen.metric} of {people} people chooses among configurations of `{stage}`: mostly chance",
            "/select/metric",
            severity=Severity.WARNING,
            related=(Related(f"/stages/{stage}", "chosen here", on_key=True),),
            help=(
                "give `val` more people, or search less",
                "or choose on all training people in turn:   split: {kfold: {folds: 5, inner: {folds: 3}}}",
            ),
        )


def _shown(study: Study, cohorts: Cohorts) -> Iterator[Problem]:
    """Private labels are used, never shown: not as groups of a table, not in names of files."""
    private = {label for cohort in cohorts.indexes() for label in cohort.private}
    for position, label in enumerate(study.report.by):
        if label in private:
            message = f"`{label}` is private; results by it would show its values"
            help_ = f"delete it here; `{label}` may still be used in `stratify`, `group` and as a target"
            yield Problem("private-shown", message, f"/report/by/{position}", help=help_)
    for dataset in study.datasets.values():
        template = None if dataset.files is None else dataset.files.options.get("image")
        columns = {decl.column or name for name, decl in dataset.labels.items() if decl.private}
        shown = [column for column in columns if isinstance(template, str) and f"{{{column}}}" in template]
        if shown and dataset.files is not None:
            message = f"`{{{shown[0]}}}` is private, and names of files tell its values to whoever lists the folder"
            help_ = "name files by a column that says nothing, such as {participant_id}"
            pointer = dataset.files.at("image")
            yield Problem("private-shown", message, pointer, severity=Severity.WARNING, help=help_)
