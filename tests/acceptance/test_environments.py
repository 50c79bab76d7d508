"""Work that was done in another environment: counted by default, computed again when the study asks for that."""

import pytest
from studies import TINY, Project, edited, tlimb

ONE = {
    **{key: TINY[key] for key in ("tlimb", "name", "roots", "defaults")},
    "datasets": {"people": TINY["datasets"]["people"]},
    "stages": {
        "pretrain": {**TINY["stages"]["pretrain"], "dataset": "people", "trainer": {"epochs": 1}},
        "train": {**TINY["stages"]["pretrain"], "from": "pretrain", "dataset": "people", "trainer": {"epochs": 1}},
    },
    "tests": {"held_out": {"of": "train", "dataset": "people"}},
    "report": {"metrics": ["mae"]},
}
OTHER = {"ONEDNN_MAX_CPU_ISA": "SSE41"}
"""Another instruction set for the matrix library is another environment: the last bits may differ."""


@pytest.fixture
def elsewhere(finished_once, tmp_path):
    """A study of two trainings and a test that was run in another environment, before its owner asked for one only."""
    project = Project(finished_once.copy(tmp_path / "project", store=False).folder, ONE)
    assert project.run(env=OTHER).stdout.startswith("4 nodes computed")
    return project


def isa(project):
    return {work: project.result(work)["environment"]["onednn_isa"] for work in project.objects()}


def test_same_environment_computes_again_what_was_done_elsewhere_and_keeps_both(elsewhere):
    before = elsewhere.objects()
    elsewhere.edit({"/execution": {"reuse": "same_environment"}})
    assert elsewhere.run(env=OTHER).stdout.startswith("0 nodes computed, 4 done before")
    assert elsewhere.run().stdout.startswith("4 nodes computed, 0 done before")
    assert set(elsewhere.objects()) == set(before)
    assert set(isa(elsewhere).values()) == {"default"}
    kept = {path.name[:64] for path in (elsewhere.store / "superseded").iterdir() if path.is_dir()}
    assert kept == set(before)
    assert elsewhere.run().stdout.startswith("0 nodes computed, 4 done before")
    elsewhere.tlimb("rank")


def test_same_environment_is_what_plan_and_rank_count_by(elsewhere):
    assert elsewhere.run().stdout.startswith("0 nodes computed, 4 done before")
    elsewhere.write(edited(ONE, {"/seed": 8}))
    elsewhere.run()  # tells what this environment is
    elsewhere.write(edited(ONE, {"/execution": {"reuse": "same_environment"}}))
    said = elsewhere.tlimb("plan").stdout
    assert "computed in another environment (onednn_isa SSE41 -> default), and will be computed again" in said
    assert "it was computed in another environment" in elsewhere.tlimb("rank", code=75).stdout
    elsewhere.write(ONE)
    elsewhere.tlimb("rank")
    said = elsewhere.tlimb("plan").stdout
    assert "were computed in another environment" in said
    assert "again" not in said


def test_a_child_of_a_superseded_parent_is_computed_again_though_its_own_environment_is_this_one(elsewhere):
    plan = elsewhere.plan()
    (train,) = plan.of("fit", "train")
    folder = elsewhere.store / "objects" / train[:2] / train
    folder.rename(elsewhere.folder / "moved")
    assert elsewhere.run().stdout.startswith("1 nodes computed")  # here, from a parent that was trained elsewhere
    elsewhere.edit({"/execution": {"reuse": "same_environment"}})
    assert elsewhere.run().stdout.startswith("4 nodes computed")


def test_the_tasks_of_an_emitted_project_count_what_another_environment_computed_and_emit_says_so(elsewhere):
    before = elsewhere.objects()
    elsewhere.edit({"/execution": {"reuse": "same_environment"}})
    said = elsewhere.tlimb("emit", "-o", "build").stderr
    assert "warning[backend-cannot]: the runs of a project take what the store has" in said
    manifests = sorted((elsewhere.folder / "build" / "plan" / "manifests").glob("*/*.json"))
    done = tlimb(
        elsewhere.folder,
        "run",
        *manifests,
        "--task",
        env={"TLIMB_PLACES": str(elsewhere.folder / "build/.tlimb/places.json")},
    )
    assert done.stdout.startswith("0 nodes computed, 4 done before")
    assert elsewhere.objects() == before
    # The study itself does what it asks for.
    assert elsewhere.run().stdout.startswith("4 nodes computed")
