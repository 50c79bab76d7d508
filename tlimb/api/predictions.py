"""Write the predictions of a study as CSV."""

import csv
import io

from tlimb.api.indexing import open_cohorts
from tlimb.api.planning import store_of
from tlimb.cohorts.hashing import HashCache
from tlimb.plan.plan import Plan
from tlimb.plan.write import cell
from tlimb.project import Project


def predictions(
    plan: Plan, place: Project, *, with_ids: bool = False, with_private: bool = False
) -> tuple[str, list[str]]:
    """Return all predictions as CSV, one line a row of a test, a head and a run.

    Args:
        plan: the plan.
        place: where things lie.
        with_ids: join participants' ids from the private indexes; without it rows are told by number.
        with_private: write the true values of private labels too; without it their cells are empty.

    Returns:
        The CSV, and the private labels whose true values were left out.
    """
    from tlimb.report.results import Results

    results = Results(plan.graph, store_of(place, plan), place.private)
    cohorts = open_cohorts(plan.study, place, HashCache(place.private))
    read = [cohorts.cohort(name) for name in plan.study.datasets]
    ids = {(row.root, row.image): row.participant for cohort in read for row in cohort.rows} if with_ids else {}
    private = {label for cohort in read for label in cohort.private}
    left_out: set[str] = set()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("test", "stage", "row", "replicate", "fold", "head", "participant", "target", "prediction")
    writer.writerow(columns if with_ids else tuple("image" if name == "participant" else name for name in columns))
    for node in plan.graph:
        if node.kind != "predict" or results.absent(node.work) is not None:
            continue
        use = node.uses[0]
        for head, scored in results.scored((node.work,)).items():
            view = results.view(results.tested(node.work))
            rows = [row for row in view if row["labels"].get(scored.task.label) is not None]
            for row, target, predicted in zip(rows, scored.targets, scored.predictions, strict=True):
                who = ids.get((row["root"], row["image"]), "") if with_ids else row["row"]
                hidden = scored.task.label in private and not with_private
                left_out |= {str(scored.task.label)} if hidden else set()
                values = " ".join(f"{value:.6g}" for value in predicted.reshape(-1))
                line = (
                    use["test"],
                    use["stage"],
                    "; ".join(use["row"].values()),
                    use["replicate"],
                    use["fold"],
                    head,
                    who,
                    "" if hidden else f"{target:g}",
                    values,
                )
                writer.writerow([cell(value) for value in line])
    return text.getvalue(), sorted(left_out)
