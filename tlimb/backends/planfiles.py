"""The plan folder of a project: what any engine needs to start tasks in order, and the ranking to read results."""

import csv
import io
from collections.abc import Iterable, Iterator

from tlimb.backends.contracts import Emission, Files
from tlimb.backends.packing.tasks import Tasks
from tlimb.manifest import canonical
from tlimb.plan.write import Texts, edges_csv, runs_csv


def plan_files(made: Emission) -> Files:
    """Give the files of `plan/`, all of them functions of the plan alone."""
    graph = made.plan.graph
    texts = Texts(graph)
    yield "plan/plan.json", (canonical({**made.request, "tlimb": made.version, "nodes": len(graph)}) + "\n",)
    yield "plan/runs.csv", (runs_csv(graph),)
    yield "plan/edges.csv", (edges_csv(graph),)
    yield "plan/tasks.csv", (_table(("step", "task", "manifest", "links", "must"), _task_rows(made.tasks)),)
    yield "plan/links.csv", (_table(("step", "task", "parent", "must", "links"), _link_rows(made.tasks)),)
    # What a run is for stands apart from what it is: a new name for it is no new task for an engine.
    yield "plan/uses.jsonl", (canonical([node.work, list(node.uses)]) + "\n" for node in graph)
    for task in made.tasks.tasks:
        yield f"plan/{task.path}", (texts.of(graph.nodes[work], bare=True) for work in task.works)
    # What is not in this part of the plan is still read by the ranking.
    inside = {work for task in made.tasks.tasks for work in task.works}
    others = [work for work in graph.nodes if work not in inside]
    if others:
        yield "plan/others.jsonl", (texts.of(graph.nodes[work], bare=True) for work in others)


def _table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _task_rows(tasks: Tasks) -> Iterator[tuple[object, ...]]:
    for task in tasks.tasks:
        must = sum(1 for link in task.links if link.must)
        yield task.step, task.id, task.path, len(task.links), must


def _link_rows(tasks: Tasks) -> Iterator[tuple[object, ...]]:
    for task in tasks.tasks:
        for link in task.links:
            yield task.step, task.id, link.parent, "yes" if link.must else "no", len(task.links)
