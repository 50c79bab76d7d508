"""What is decided while a study runs, and what runs, studies and workers share."""

import json

import pytest
from studies import NESTED, TINY, Project, edited


@pytest.fixture(scope="module")
def nested(finished_once, tmp_path_factory):
    """A nested cross-validation of 3 x 2 folds, run to its end."""
    project = finished_once.copy(tmp_path_factory.mktemp("nested") / "project", store=False)
    project.write(NESTED)
    project.planned = project.plan()
    project.run()
    return project


def test_a_nested_cross_validation_refits_and_tests_only_what_each_outer_fold_selected(nested):
    plan, objects = nested.planned, nested.objects()
    assert plan.kinds() == {"prepare": 1, "fit": 1 + 3 * 2 * 2 + 3 * 2, "select": 3, "predict": 6}
    assert plan.kinds(objects) == {"prepare": 1, "fit": 1 + 3 * 2 * 2 + 3, "select": 3, "predict": 3}
    for work in plan.of("select"):
        chosen = nested.result(work)["chosen"]
        opened = {w for w, node in plan.nodes.items() if [work, chosen] in node["gates"]}
        closed = {w for w, node in plan.nodes.items() if any(g[0] == work and g[1] != chosen for g in node["gates"])}
        assert len(opened) == len(closed) == 2  # a refit and its test
        assert opened <= set(objects)
        assert not closed & set(objects)
    print(f"planned {plan.kinds()}, run {plan.kinds(objects)}")


def test_every_person_of_a_nested_cross_validation_is_tested_once_and_never_trained_on(nested):
    plan = nested.planned
    tested = []
    for work in set(nested.objects()) & plan.of("predict"):
        node = plan.nodes[work]["hashed"]
        people = {row["person"] for row in nested.rows(node["views"]["rows"])}
        refit = plan.nodes[node["parents"]["model"]]
        assert refit["hashed"]["views"]["data"]["val"] is None
        trained = {row["person"] for row in nested.rows(refit["hashed"]["views"]["data"]["train"])}
        assert not people & trained
        tested += sorted(people)
        (use,) = refit["uses"]
        for inner in plan.of("fit", "finetune"):
            one = plan.nodes[inner]
            if one["uses"][0].get("fold") == use.get("fold"):
                for view in one["hashed"]["views"]["data"].values():
                    assert view is None or not people & {row["person"] for row in nested.rows(view)}
    assert len(tested) == len(set(tested)) > 30
    table = json.loads(nested.tlimb("rank", "--format", "json").stdout)
    assert len(table["rows"]) == 1
    assert nested.run().stdout.startswith("0 nodes computed")


def test_gated_tests_run_for_the_selected_configuration_of_each_row_only(finished):
    plan, objects = finished.plan(), finished.objects()
    assert plan.kinds(plan.works - set(objects)) == {"predict": 6}
    for work in plan.of("predict"):
        open_gates = [g for g in plan.nodes[work]["gates"] if finished.result(g[0])["chosen"] == g[1]]
        assert (work in objects) == bool(open_gates)


def test_fourteen_runs_in_two_workers_decode_each_image_once_and_a_second_study_none(finished_once, finished):
    plan = finished.plan()
    images = {
        row["sha256"] for work in plan.of("prepare") for row in finished_once.rows(plan.nodes[work]["hashed"]["view"])
    }
    decoded, cached = finished_once.decoded()
    assert decoded == len(images)
    assert cached > decoded
    before, old = finished.objects(), set(plan.works)
    second = {
        **edited(TINY, {"/name": "second", "/stages/finetune/auxiliary": {"l2_sp": {"alpha": 0.7}}}),
        "replicates": 1,
    }
    second = edited(second, {"/stages/finetune/optimizer/adamw/lr": 0.01, "/seed": TINY["seed"]})
    Project(finished.folder, second)
    finished.spec = second
    new = finished.plan()
    said = finished.run().stdout
    made = set(finished.objects()) - set(before)
    assert made == new.works - set(before)
    assert not made & old & new.of("fit")
    assert new.of("fit", "pretrain") <= set(before)
    assert finished.decoded()[0] == decoded
    print(f"first study: {decoded} decoded, {cached} from the cache; second: 0 decoded; {said.splitlines()[0]}")
    assert finished.run().stdout.startswith("0 nodes computed")


def test_p9_a_damaged_object_is_put_aside_and_computed_again_with_the_same_bytes(finished):
    before = finished.objects()
    plan = finished.plan()
    victim = sorted(plan.of("fit", "pretrain"))[0]
    weights = finished.store / "objects" / victim[:2] / victim / "encoder.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(data)
    assert "1 results and 0 cached volumes corrupt" in finished_verify(finished)
    done = finished.run()
    assert done.stdout.startswith("1 nodes computed, 24 done before")
    assert finished.objects() == before
    assert list((finished.store / "quarantine").iterdir())


def finished_verify(project):
    from studies import tlimb

    return tlimb(project.folder, "store", "verify", code=1).stdout
