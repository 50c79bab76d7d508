"""Tasks and links carry exactly what the plan's graph says, whatever fails on the way."""

import re

import pytest
from emissions import SMALL, SPECS, emission
from hypothesis import given, settings
from hypothesis import strategies as st

from tlimb.backends.packing.shards import shard
from tlimb.manifest import Fit

EXAMPLES = [path.read_text(encoding="utf-8") for path in sorted(SPECS.glob("*.yaml"))]
NAMES = [path.stem for path in sorted(SPECS.glob("*.yaml"))]
TEXTS = dict(zip(NAMES, EXAMPLES, strict=True))
CUTS = {(name, pack): emission(text, pack).tasks for name, text in TEXTS.items() for pack in (1, 4)}
CUTS |= {(name, "auto"): emission(text, None, rows=2).tasks for name, text in TEXTS.items()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pack", [1, 4, "auto"])
def test_every_node_is_in_one_task_and_waits_for_what_it_needs_in_a_step_not_later(name, pack):
    cut = CUTS[name, pack]
    works = [work for task in cut.tasks for work in task.works]
    assert sorted(works) == sorted(cut.graph.nodes)
    owner = {work: task for task in cut.tasks for work in task.works}
    order = {step.name: place for place, step in enumerate(cut.steps)}
    for task in cut.tasks:
        linked = {link.parent for link in task.links}
        for work in task.works:
            needed = {owner[other] for other in cut.graph.needed(cut.graph.nodes[work])} - {task}
            assert {other.id for other in needed} <= linked
            assert all(order[other.step] < order[task.step] for other in needed)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pack", [1, 4, "auto"])
def test_a_task_works_in_the_order_of_the_plan(name, pack):
    cut = CUTS[name, pack]
    places = {work: place for place, work in enumerate(cut.graph.nodes)}
    assert all(sorted(task.works, key=places.__getitem__) == list(task.works) for task in cut.tasks)


@pytest.mark.parametrize("name", NAMES)
def test_packs_hold_at_most_so_many_fits_and_change_no_work(name):
    whole, packed = CUTS[name, 1], CUTS[name, 4]
    fits = {step.name for step in packed.steps if step.name.startswith("FIT_")}
    assert all(len(task.works) <= 4 for task in packed.tasks if task.step in fits)
    assert len(packed.tasks) <= len(whole.tasks)
    assert set(packed.graph.nodes) == set(whole.graph.nodes)


def sizes(text, rows, profile=None):
    """Give how many runs each task of the fits has, packs chosen by the plan."""
    cut = emission(text, None, rows=rows, profile=profile).tasks
    return {
        step.name: [len(task.works) for task in cut.by_step[step.name]]
        for step in cut.steps
        if step.name.startswith("FIT")
    }


def test_runs_of_seconds_share_a_task_and_runs_of_an_hour_do_not():
    # Two views of one image of a million voxels, one epoch: two seconds and a half each; all comes of two.
    assert sizes(SMALL, 1) == {"FIT_PRETRAIN": [8]}
    assert sizes(SMALL.replace("epochs: 1", "epochs: 1500"), 1) == {"FIT_PRETRAIN": [1, 1], "FIT_FINETUNE": [1] * 6}
    # Nobody knows how many images there are: no packs.
    assert sizes(SMALL, None) == {"FIT_PRETRAIN": [1, 1], "FIT_FINETUNE": [1] * 6}


def test_a_refit_that_takes_its_epochs_from_inner_folds_is_packed_as_if_it_took_one():
    text = TEXTS["nested-cross-validation"]
    watched = re.sub(r"trainer: \{epochs", "trainer: {keep: best, epochs", text)
    assert watched != text
    cut = emission(watched, None, rows=2).tasks
    assert any(fit.epochs_from for _, fit in cut.graph.of(Fit))
    assert sorted(work for task in cut.tasks for work in task.works) == sorted(cut.graph.nodes)


ALWAYS = SMALL.replace("tests: {held_out: {of: finetune}}", "tests: {held_out: {of: finetune, which: all}}")


def test_what_comes_of_a_short_run_joins_its_task_with_its_tests_and_a_fill_that_it_alone_reads():
    cut = emission(ALWAYS, None, rows=1).tasks
    assert [step.name for step in cut.steps] == ["FIT_PRETRAIN"]
    (task,) = cut.tasks
    kinds = [cut.graph.nodes[work].kind for work in task.works]
    assert (kinds[0], kinds.count("prepare"), kinds.count("predict"), task.links) == ("prepare", 1, 6, ())
    # Tests that a selection opens wait for it, and read the fill, which then is a task of its own.
    opened = emission(SMALL, None, rows=1).tasks
    assert [step.name for step in opened.steps] == ["PREPARE", "FIT_PRETRAIN", "SELECT", "TEST_FINETUNE"]
    (fill,), (fits,) = opened.by_step["PREPARE"], opened.by_step["FIT_PRETRAIN"]
    assert [(link.parent, link.must) for link in fits.links] == [(fill.id, False)]
    # Where its reader asks for a GPU, a fill keeps to a machine without.
    gpu = ALWAYS + "execution: {resources: {gpus: 1}}\n"
    assert [step.name for step in emission(gpu, None, rows=1).tasks.steps] == ["PREPARE", "FIT_PRETRAIN"]


def test_all_that_comes_of_a_run_joins_its_task_or_none_does_since_the_rest_would_wait():
    # A finetuning costs four and a half seconds, and 400 of them come of each pretraining: room is 5 minutes at most.
    many = ALWAYS.replace("1e-4, 1e-3, 1e-2", ", ".join(f"{n}e-5" for n in range(1, 401)))
    cut = emission(many, None, rows=2).tasks
    kinds = {cut.graph.nodes[work].kind for task in cut.by_step["FIT_PRETRAIN"] for work in task.works}
    assert kinds == {"fit"}
    assert sum(len(task.works) for task in cut.by_step["FIT_PRETRAIN"]) == 2
    # Each test has room beside its own finetuning.
    assert sum(len(task.works) for task in cut.by_step["FIT_FINETUNE"]) == 1600


def test_what_asks_for_another_machine_joins_no_task():
    large = ALWAYS + "execution: {overrides: {finetune: {memory_gb: 64}}}\n"
    assert sizes(large, 1) == {"FIT_PRETRAIN": [2], "FIT_FINETUNE": [12]}
    inside = ALWAYS + "execution: {profiles: {big: {overrides: {finetune: {gpus: 1}}}}}\n"
    assert sizes(inside, 1) == {"FIT_PRETRAIN": [15]}
    assert sizes(inside, 1, "big") == {"FIT_PRETRAIN": [2], "FIT_FINETUNE": [12]}


def test_the_more_there_is_to_do_the_longer_packs_are_up_to_five_minutes():
    many = SMALL.replace("1e-4, 1e-3, 1e-2", ", ".join(f"{n}e-5" for n in range(1, 401)))
    # Two views of two images: four and a half seconds a run, so half an hour in eight parts.
    once = many.replace("replicates: 2", "replicates: 1")
    assert sizes(once, 2)["FIT_FINETUNE"] == [50] * 8
    thrice = many.replace("replicates: 2", "replicates: 3")
    found = sizes(thrice, 2)["FIT_FINETUNE"]
    assert (len(found), sum(found), set(found)) == (18, 1200, {66, 67})


def test_packs_that_run_side_by_side_are_equally_large():
    # Six trainings of eighteen seconds and a half: 111 s have room in two tasks, a minute each.
    rates = SMALL.replace("1e-4, 1e-3, 1e-2", "1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 6e-4").replace(
        "replicates: 2", "replicates: 1"
    )
    assert sizes(rates, 9)["FIT_FINETUNE"] == [3, 3]
    # A task of two cores trains two at a time.
    assert sizes(rates + "execution: {resources: {cpus: 2}}\n", 9)["FIT_FINETUNE"] == [6]
    # Neighbours in the plan are alike, also in what the guess does not know: they are dealt out.
    cut = emission(rates, None, rows=9).tasks
    places = list(cut.graph.nodes)
    first, second = ([places.index(work) for work in task.works] for task in cut.by_step["FIT_FINETUNE"])
    assert [b - a for a, b in zip(first, second, strict=True)] == [1, 1, 1]


def outcome(cut, fates, chosen):
    """Work a cut off as an engine does: steps in order, must-links obeyed, gates looked up by the runner."""
    computed, tried, well = set(), set(), set()
    for task in cut.tasks:
        if any(link.must and link.parent not in well for link in task.links):
            continue
        done = []
        for work in task.works:
            node = cut.graph.nodes[work]
            if node.gates and not any(g.select in computed and chosen[g.select] == g.candidate for g in node.gates):
                done.append(True)
                continue
            tried.add(work)
            soft = {
                w for role in ("candidates", "epochs_from") for w in flat(node.hashed.get("parents", {}).get(role, []))
            }
            soft = soft if node.kind == "select" or soft else set()
            ready = all(p in computed or (p in soft and fates[p] == "diverged" and p in tried) for p in node.parents)
            ok = ready and fates[work] == "done"
            done.append(ok)
            computed |= {work} if ok else set()
        if any(done) or not done:
            well.add(task.id)
    return computed


def flat(value):
    return [value] if isinstance(value, str) else [work for inner in value for work in flat(inner)]


def obvious(graph, fates, chosen):
    """Decide by the graph alone which nodes end well."""
    computed, settled = set(), set()
    for node in graph:
        opened = [g for g in node.gates if g.select in computed and chosen[g.select] == g.candidate]
        if node.gates and not opened:
            continue
        soft = set(flat(node.hashed.get("parents", {}).get("epochs_from", [])))
        soft |= set(node.parents) if node.kind == "select" else set()
        if all(p in computed or (p in soft and fates[p] == "diverged" and p in settled) for p in node.parents):
            settled.add(node.work)
            computed |= {node.work} if fates[node.work] == "done" else set()
    return computed


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(CUTS)), st.data())
def test_p12_an_engine_computes_what_the_graph_says_whichever_runs_fail(key, data):
    cut = CUTS[key]
    bad = data.draw(st.lists(st.sampled_from(sorted(cut.graph.nodes)), max_size=6, unique=True))
    fates = dict.fromkeys(cut.graph.nodes, "done")
    fates |= {work: data.draw(st.sampled_from(["failed", "diverged"])) for work in bad}
    counts = {n.work: len(n.hashed["parents"]["candidates"]) for n in cut.graph if n.kind == "select"}
    chosen = {work: data.draw(st.integers(0, count - 1)) for work, count in counts.items()}
    assert outcome(cut, fates, chosen) == obvious(cut.graph, fates, chosen)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(CUTS)), st.integers(1, 5))
def test_parts_of_a_plan_hold_every_task_once_and_need_nothing_but_what_several_need(key, parts):
    cut = CUTS[key]
    homes = {}
    for part in range(parts + 1):
        for task in shard(cut, part, parts).tasks:
            homes.setdefault(task.id, set()).add(part)
    assert set(homes) == {task.id for task in cut.tasks}
    for task in cut.tasks:
        if task.step == "PREPARE":
            continue
        assert len(homes[task.id]) == 1
        for link in task.links:
            assert homes[task.id] <= homes[link.parent] or 0 in homes[link.parent]
