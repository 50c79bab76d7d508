"""A user's own classes: planned unread, run only when allowed, new work when they mean something else."""

import own_package
import pytest
from studies import TINY

SPEC = {
    **{key: TINY[key] for key in ("tlimb", "name", "roots")},
    "code": ["./"],
    "datasets": {"people": TINY["datasets"]["people"]},
    "stages": {
        "train": {
            "dataset": "people",
            "data": TINY["defaults"]["data"],
            "architecture": {"my_lab.nets.Small": {"width": 4}},
            "objective": {"regression": {"target": "age"}},
            "optimizer": {"adamw": {"lr": 0.001}},
            "trainer": {"epochs": 1, "batch_size": 16},
        }
    },
    "tests": {"held_out": {"of": "train"}},
    "report": {"metrics": ["mae"]},
}

STATISTICS = '''"""Ours."""

from tlimb.components.scenarios.adabn import AdaBN


class Renewed(AdaBN):
    """New statistics, as we like them."""
'''


@pytest.fixture
def project(fresh):
    fresh.write(SPEC)
    fresh.lab = own_package.install(fresh)
    return fresh


def test_p20_own_code_is_planned_unread_refused_unless_allowed_and_retrained_when_its_meaning_changes(project):
    imported = project.lab / "imported.txt"
    project.tlimb("validate")
    first = project.plan()
    (train,) = first.of("fit")
    assert len(first.nodes[train]["hashed"]["architecture"]["code"]) == 64
    assert not imported.exists()

    refused = project.run(code=77)
    assert "--allow my_lab" in refused.stdout + refused.stderr
    assert not imported.exists()
    assert train not in project.objects()

    project.run("--allow", "my_lab")
    assert imported.exists()
    assert train in project.objects()
    trained = project.objects()

    nets = project.lab / "nets.py"
    text = nets.read_text()
    nets.write_text(text.replace("# the first layer", "# the very first one").replace("Two convolutions", "Two layers"))
    assert project.plan().works == first.works
    assert project.run("--allow", "my_lab").stdout.startswith("0 nodes computed")

    (project.lab / "unrelated.py").write_text("X = 1\n")
    assert project.plan().works == first.works
    assert project.run("--allow", "my_lab").stdout.startswith("0 nodes computed")

    nets.write_text(text.replace(".relu()", ".tanh()"))
    second = project.plan("--diff")
    assert second.kinds(second.works - first.works) == {"fit": 1, "predict": 1}
    assert "/architecture/code" in second.said
    assert "train (training): 1 new, 0 done" in second.said
    project.run("--allow", "my_lab")
    after = project.objects()
    assert len(after) == len(trained) + 2
    assert {work: after[work] for work in trained} == trained


def test_a_subclass_of_adabn_is_planned_and_run_as_adabn_is(project):
    (project.lab / "scenarios.py").write_text(STATISTICS)
    stages = {
        "train": SPEC["stages"]["train"] | {"architecture": {"sfcn": {"channels": [4, 8]}}},
        **{
            name: {
                "from": "train",
                "dataset": "people",
                "data": TINY["defaults"]["data"],
                "scenario": scenario,
                "trainer": {"batch_size": 16},
            }
            for name, scenario in (("shipped", "adabn"), ("ours", "my_lab.scenarios.Renewed"))
        },
    }
    project.edit({"/stages": stages, "/tests/held_out/of": ["shipped", "ours"]})
    project.tlimb("validate")
    plan = project.plan()
    project.run("--allow", "my_lab")
    objects = project.objects()
    (shipped,), (ours,) = plan.of("fit", "shipped"), plan.of("fit", "ours")
    assert shipped != ours
    weights = [{k: v for k, v in objects[work].items() if k.endswith(".safetensors")} for work in (shipped, ours)]
    assert weights[0]
    assert weights[0] == weights[1]


def test_p20_code_that_changes_after_planning_is_refused(project):
    plan = project.plan()
    nets = project.lab / "nets.py"
    manifests = [str(path) for path in plan.folder.glob("manifests/*/*.json")]
    nets.write_text(nets.read_text().replace("relu", "tanh"))
    (plan.folder.parent / "code").symlink_to(project.folder)
    done = project_run(project, manifests, code=77)
    assert "not the code that was planned" in done.stdout
    assert not plan.of("fit") & set(project.objects())


def project_run(project, manifests, code):
    from studies import tlimb

    return tlimb(project.folder, "run", "-j", "2", "--allow", "my_lab", "--root", "cohort=data", *manifests, code=code)
