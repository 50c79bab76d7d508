"""The plan in words: stages, sharing, what is done; one run explained; what changed."""

import json
from collections.abc import Mapping
from typing import Any

from tlimb.api.emitting import pack_line
from tlimb.api.load import Loaded
from tlimb.api.planning import changed_since, done_of, inventory
from tlimb.cli import show
from tlimb.manifest import Manifest
from tlimb.manifest.contents import CONTENTS
from tlimb.plan import draw
from tlimb.plan.diff import Change
from tlimb.plan.plan import Plan, find, lines, short_places
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.project import Project

KINDS = {**{kind.value: cls.words[0] for kind, cls in CONTENTS.items()}, "refit": "refit"}


def picture(plan: Plan, place: Project, form: str) -> str:
    """Give the plan in one of the formats text, mermaid, dot, json."""
    if form == "mermaid":
        return draw.mermaid(plan).rstrip()
    if form == "dot":
        return draw.dot(plan).rstrip()
    if form == "json":
        return json.dumps(draw.as_json(plan), indent=1, sort_keys=True)
    return text(plan, place)


def text(plan: Plan, place: Project) -> str:
    """Give the overview: people, stages, what is shared, what is assumed."""
    done = inventory(place, plan)
    found = lines(plan, done.has, done.other, done.chosen)
    header = ("", "kind", "configurations", "runs", "wait for selection", "not selected", "done", "to do")
    rows = [
        (
            line.name,
            KINDS[line.kind],
            line.configurations,
            line.runs,
            line.gated or "-",
            line.closed or "-",
            line.done,
            line.left,
        )
        for line in found
    ]
    parts = [f"study {plan.study.name}"]
    if plan.people:
        parts += ["", *plan.people]
    parts += ["", show.table(header, rows)]
    parts += ["", *sharing(plan), *filter(None, [pack_line(plan)])]
    if done.foreign:
        again = "" if done.foreign <= done.works else ", and will be computed again as `execution.reuse` asks"
        changes = "; ".join(done.other_environments())
        parts.append(f"{len(done.foreign)} were computed in another environment ({changes}){again}")
    assumed = [f"  {where}: {option} {json.dumps(value)}" for where, option, value in plan.assumed]
    if assumed:
        parts += ["", "assumed, since it was not written:", *assumed]
    return "\n".join(parts)


def sharing(plan: Plan) -> list[str]:
    """Say what sharing saves, in trainings."""
    counts = plan.expansion.stages
    distinct = len({work for stage in counts.values() for work in stage.works})
    chains = _naive(plan)
    said = [f"{distinct} distinct trainings; {chains} if every configuration trained its own ancestors"]
    for name, stage in counts.items():
        children = sum(
            len(other.works)
            for child, other in counts.items()
            if any(name == use["stage"] for use in _parent_uses(plan, child))
        )
        if children > len(stage.works) and stage.works:
            said.append(f"  `{name}`: {len(stage.works)} trained, {children} start from them")
    return said


def _parent_uses(plan: Plan, stage: str) -> list[Mapping[str, Any]]:
    works = plan.expansion.stages[stage].works
    nodes = plan.graph.nodes
    parents = {parent for work in works[:1] for parent in nodes[work].parents if parent in nodes}
    return [use for parent in parents for use in nodes[parent].uses if "stage" in use]


def _naive(plan: Plan) -> int:
    nodes = plan.graph.nodes
    depth: dict[str, int] = {}

    def chain(work: str) -> int:
        if work not in depth:
            fits = [p for p in nodes[work].parents if p in nodes and nodes[p].kind == "fit"]
            depth[work] = 1 + sum(chain(parent) for parent in fits)
        return depth[work]

    parents = {p for node in plan.graph if node.kind == "fit" for p in node.parents}
    ends = [n.work for n in plan.graph if n.kind == "fit" and n.work not in parents and not n.gates]
    return sum(chain(work) * len(nodes[work].uses) for work in ends)


def explain(plan: Plan, place: Project, prefix: str) -> str:
    """Say everything of one run: what it is for, what it starts from, who reads it, what is in its digest.

    Raises:
        TlimbError: no run, or several, begin with these digits.
    """
    found = find(plan, prefix.lower())
    if len(found) != 1:
        message = f"`{prefix}` is the beginning of {len(found) or 'no'} runs"
        problem = Problem("unknown-run", message, help="run ids: `tlimb plan SPEC --format json`, or runs.csv of `-o`")
        raise TlimbError(problem, ExitCode.USAGE)
    node = found[0]
    children = [other for other in plan.graph if node.work in plan.graph.needed(other)]
    return "\n".join(
        [
            f"{KINDS.get(node.kind.value, node.kind.value)} {node.work}",
            f"  state: {done_of(place, plan, node.work)}",
            *(f"  for {use_text(use)}" for use in node.uses),
            *(f"  starts from {name_of(plan, parent)}" for parent in node.parents),
            f"  read by {len(children)} nodes" + (f", such as {name_of(plan, children[0].work)}" if children else ""),
            *(f"  runs if selection {gate.select[:16]} chooses its candidate {gate.candidate}" for gate in node.gates),
            "",
            json.dumps(node.hashed, indent=2, sort_keys=True, ensure_ascii=False),
        ]
    )


def use_text(use: Mapping[str, Any]) -> str:
    """Give one use of a run as a phrase."""
    shorts = short_places((*use.get("row", {}), *use.get("configuration", {})))
    words = [str(use[key]) for key in ("test", "stage", "dataset") if key in use]
    labels = {**use.get("row", {}), **use.get("configuration", {})}
    words += [f"{shorts[place]}={label}" for place, label in labels.items()]
    words += [f"{key} {use[key]}" for key in ("replicate", "fold", "inner") if use.get(key) not in (None, [], "")]
    return ", ".join(words)


def name_of(plan: Plan, work: str) -> str:
    """Give a work's digits and its first use."""
    node: Manifest | None = plan.graph.nodes.get(work)
    return work[:16] if node is None or not node.uses else f"{work[:16]} ({use_text(node.uses[0])})"


def difference(plan: Plan, place: Project, loaded: Loaded) -> str:
    """Say what changed since the study last ran: in the spec, in the runs, and what is to compute."""
    before = changed_since(plan, place, loaded)
    done = inventory(place, plan)
    out: list[str] = []
    if before is None:
        out.append("this study has not run here yet; what is done comes from the store alone")
    else:
        spec, runs = before
        out.append("in the spec:" if spec else "in the spec: nothing")
        out += [f"  {_change(change, spec=True)}" for change in spec]
        for stage, listed in runs.items():
            out.append(f"in the runs of `{stage}`:")
            out += [f"  {_change(change, spec=False)}" for change in listed]
    out.append("")
    for line in lines(plan, done.has, done.other, done.chosen):
        state = f"{line.left} new, {line.done} done" + (f" ({line.other} in another environment)" if line.other else "")
        out.append(f"{line.name} ({KINDS[line.kind]}): {state}")
    return "\n".join(out)


def _change(change: Change, *, spec: bool) -> str:
    path = change.path.strip("/").replace("/", ".") if spec else change.path
    old = "nothing" if change.old is None else change.old
    new = "nothing" if change.new is None else change.new
    return f"{path}: {old} -> {new}"
