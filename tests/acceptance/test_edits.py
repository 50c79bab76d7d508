"""What an edit makes new: one field at a time, against what its readers and their descendants are by hand."""

import json

import pytest
from studies import TINY


def everywhere(plan, old):
    return plan.of("fit")


def stage(*names):
    return lambda plan, old: set().union(*(plan.of("fit", name) for name in names))


def used(key, wanted):
    """Give the trainings of which some use has a value among its row, configuration or replicate."""

    def reads(use):
        found = use.get(key)
        return wanted in found.values() if isinstance(found, dict) else found == wanted

    return lambda plan, old: {w for w in plan.of("fit") if any(reads(use) for use in plan.nodes[w]["uses"])}


def of_kind(*kinds):
    return lambda plan, old: set().union(*(plan.of(kind) for kind in kinds))


def nobody(plan, old):
    return set()


def both(*readers):
    return lambda plan, old: set().union(*(reader(plan, old) for reader in readers))


def contents(project, node):
    """Give what a node reads, image by image with the labels, for each role and part."""
    hashed = node["hashed"]
    views = {"all": {"rows": hashed.get("view")}} if hashed["kind"] == "prepare" else hashed.get("views", {})
    views = {"test": views} if hashed["kind"] == "predict" else views
    return json.dumps(
        {
            f"{role}/{part}": [[r["sha256"], r["mask_sha256"], r["labels"]] for r in project.rows(view)]
            for role, parts in views.items()
            for part, view in parts.items()
            if view is not None
        },
        sort_keys=True,
    )


def other_people(plan, old):
    """Give the nodes that read other images or labels than any node of their kind and place did before."""

    def place(node):
        use = node["uses"][0]
        return node["hashed"]["kind"], use.get("stage", use.get("dataset"))

    before = {}
    for node in old.nodes.values():
        before.setdefault(place(node), set()).add(contents(plan.project, node))
    return {
        work
        for work, node in plan.nodes.items()
        if node["hashed"]["kind"] != "select" and contents(plan.project, node) not in before.get(place(node), ())
    }


STAGES = "/stages/"
HOLDOUT = "/datasets/people/split/holdout/"
EDITS = {
    "/stages/pretrain/optimizer/adamw/lr": (0.002, stage("pretrain")),
    "/stages/pretrain/optimizer/adamw/weight_decay": (0.02, stage("pretrain")),
    "/stages/pretrain/objective/regression/loss": ("mae", stage("pretrain")),
    "/stages/pretrain/scheduler": ("cosine", stage("pretrain")),
    "/stages/pretrain/trainer/epochs": (3, stage("pretrain")),
    "/stages/pretrain/dataset": ("people", both(stage("pretrain"), other_people)),
    "/stages/finetune/auxiliary/compare/elastic/l2_sp/alpha": (0.2, used("row", "elastic")),
    "/stages/finetune/optimizer/adamw/lr/choice": ([0.001, 0.03], used("configuration", "0.03")),
    "/stages/finetune/objective/classification/target": ("diagnosis", both(stage("finetune", "scratch"), other_people)),
    "/stages/finetune/objective/classification/label_smoothing": (0.1, stage("finetune", "scratch")),
    "/stages/finetune/dataset": ("population", both(stage("finetune", "scratch"), other_people)),
    "/stages/scratch/from": ("pretrain", nobody),  # these are the trainings of the row `free`
    "/defaults/architecture/sfcn/channels": ([4, 6], everywhere),
    "/defaults/architecture/sfcn/dropout": (0.3, everywhere),
    "/defaults/data/bio_image/crop": ([20, 20, 20], of_kind("fit", "prepare")),
    "/defaults/data/bio_image/spacing_mm": (10, of_kind("fit", "prepare")),
    "/defaults/trainer/epochs": (3, stage("finetune", "scratch")),
    "/defaults/trainer/batch_size": (8, everywhere),
    "/defaults/trainer/threads": (2, everywhere),
    "/defaults/trainer/device": ("cpu", everywhere),
    "/datasets/population/subset/train": (16, both(stage("pretrain"), other_people)),
    "/datasets/clinic/only/site": (["B"], other_people),
    "/datasets/people/labels/unread/column": ("site", nobody),
    f"{HOLDOUT}test": (0.2, other_people),
    f"{HOLDOUT}stratify": (["diagnosis"], other_people),
    "/seed": (8, both(everywhere, other_people)),
    "/replicates": (3, used("replicate", 2)),
    "/tests/held_out/dataset": ("population", other_people),
    "/select/metric": ("auroc", of_kind("select")),
    "/report/metrics": (["accuracy"], nobody),
    "/report/against": ("finetune", nobody),
    "/roots/cohort": ("./data/", nobody),
}


@pytest.fixture(scope="module")
def edited_project(finished_once, tmp_path_factory):
    """One copy for all edits: planning leaves nothing behind that a later plan could confuse."""
    project = finished_once.copy(tmp_path_factory.mktemp("edits") / "project")
    return project, project.plan()


def leaf(value):
    return json.dumps(value, separators=(",", ":"))


def at(spec, pointer):
    for key in pointer.strip("/").split("/"):
        spec = spec.get(key)
        if spec is None:
            return None
    return spec


@pytest.mark.parametrize("pointer", EDITS)
def test_p7_an_edit_makes_new_what_reads_it_and_its_descendants_and_diff_names_its_path(edited_project, pointer):
    project, old = edited_project
    new_value, readers = EDITS[pointer]
    project.write(TINY)
    project.edit({pointer: new_value})
    plan = project.plan("--diff")
    plan.project = project
    new = plan.works - old.works
    assert new == plan.descendants(readers(plan, old))
    assert bool(new) == (readers is not nobody)
    print(f"{pointer}: {len(new)} of {len(plan.works)} new: {plan.kinds(new)}")
    told = plan.said.split("in the spec:")[1].split("in the runs of")[0].split("\n\n")[0].strip().splitlines()
    was = at(TINY, pointer)
    assert told == [
        f"{pointer.strip('/').replace('/', '.')}: {'nothing' if was is None else leaf(was)} -> {leaf(new_value)}"
    ]


def test_p7_comments_order_and_layout_of_the_spec_make_nothing_new(edited_project):
    project, old = edited_project
    turned = dict(reversed(list(TINY.items())))
    project.path.write_text("# a remark\n" + json.dumps(turned, indent=4))
    plan = project.plan("--diff")
    assert plan.works == old.works
    assert "in the spec: nothing" in plan.said


def test_p7_another_name_of_the_study_makes_nothing_new(edited_project):
    project, old = edited_project
    project.write({**TINY, "name": "renamed"})
    assert project.plan().works == old.works


def test_one_more_variant_is_named_alone_by_diff_and_computed_alone(finished):
    before, old = finished.objects(), finished.plan()
    finished.edit({"/stages/finetune/auxiliary/compare/stiff": {"l2_sp": {"alpha": 0.5}}})
    plan = finished.plan("--diff")
    said = plan.said.split("in the spec:")[1].split("\n\n")[0].strip()
    assert said == "stages.finetune.auxiliary.compare.stiff.l2_sp.alpha: nothing -> 0.5"
    new = plan.works - old.works
    assert plan.kinds(new) == {"fit": 4, "select": 1, "predict": 4}
    assert all(use["row"] == {"stages/finetune/auxiliary": "stiff"} for w in new for use in plan.nodes[w]["uses"])
    finished.run()
    after = finished.objects()
    made = set(after) - set(before)
    assert made <= new
    assert plan.kinds(made) == {"fit": 4, "select": 1, "predict": 2}  # two tests wait for the other learning rate
    assert {work: after[work] for work in before} == before
    ranked = json.loads(finished.tlimb("rank", "--format", "json").stdout)
    assert sum("stiff" in json.dumps(row) for row in ranked["rows"]) == 1
