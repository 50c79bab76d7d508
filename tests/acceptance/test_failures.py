"""Runs that fail: siblings go on, the reason is told and counted, the exit code says which kind."""

import json

import own_package
import pytest
from studies import CANARY, TINY, tlimb
from test_printed_json import held

MOODS = ("good", "raises", "nan", "dies")
SPEC = {
    **{key: TINY[key] for key in ("tlimb", "name", "roots", "defaults")},
    "code": ["./"],
    "datasets": {"people": TINY["datasets"]["people"]},
    "stages": {
        "train": {
            "dataset": "people",
            "objective": {
                "compare": {mood: {"my_lab.losses.Moody": {"target": "age", "mood": mood}} for mood in MOODS}
            },
            "optimizer": {"adamw": {"lr": 0.001}},
        },
        "after": {
            "from": "train",
            "dataset": "people",
            "objective": {"regression": {"target": "age"}},
            "optimizer": {"adamw": {"lr": 0.001}},
        },
    },
    "tests": {"held_out": {"of": "after", "dataset": "people"}},
    "report": {"metrics": ["mae"]},
}


@pytest.fixture(scope="module")
def failed(finished_once, tmp_path_factory):
    """A study of four rows of which three fail, run once."""
    project = finished_once.copy(tmp_path_factory.mktemp("failed") / "project", store=False)
    own_package.install(project)
    project.write(SPEC)
    project.planned = project.plan()
    project.done = project.run("--allow", "my_lab", code=1)
    return project


def mood_of(project, work):
    return project.planned.nodes[work]["uses"][0]["row"]["stages/train/objective"]


def test_p12_failed_runs_never_stop_siblings_and_their_descendants_are_skipped(failed):
    by_stage = {stage: {mood_of(failed, w): w for w in failed.planned.of("fit", stage)} for stage in ("train", "after")}
    objects = failed.objects()
    assert by_stage["train"]["good"] in objects
    assert by_stage["after"]["good"] in objects
    assert [mood for mood in MOODS if by_stage["after"][mood] in objects] == ["good"]
    codes = {mood: [a["code"] for a in failed.attempts(by_stage["train"][mood])] for mood in MOODS}
    print(f"codes of the attempts: {codes}; command: 1")
    assert codes["good"] == [0]
    assert codes["raises"] == [70]
    assert codes["dies"] == [9]
    assert codes["nan"] == [76]
    said = failed.done.stdout
    assert "6 skipped, since what they need failed" in said
    assert said.count("failed: ") == 3
    assert "(exit 76)" in said
    assert "(exit 70)" in said
    assert "(exit 9)" in said


def test_p10_a_diverged_run_is_a_result_that_names_its_step(failed):
    (work,) = (w for w in failed.planned.of("fit", "train") if mood_of(failed, w) == "nan")
    result = failed.result(work)
    assert result["status"] == "diverged"
    assert "step 1" in json.dumps(result) or "step 0" in json.dumps(result)
    manifest = failed.planned.folder / "manifests" / work[:2] / f"{work}.json"
    again = tlimb(failed.folder, "run", "--root", "cohort=data", manifest, code=76)
    assert again.stdout.startswith("0 nodes computed")


def test_p11_rank_lists_and_counts_what_failed_with_its_reason(failed):
    done = failed.tlimb("rank", code=75)
    assert "partial: 1 of 4" in done.stdout
    table = json.loads(failed.tlimb("rank", "--format", "json", "--allow-partial").stdout)
    assert held("rank", json.dumps(table))["partial"]
    text = json.dumps(table)
    assert [row["rank"] for row in table["rows"]].count(1) == 1
    assert len(table["missing"]) == 3
    assert "diverged" in text
    assert failed.tlimb("rank", "--format", "csv", "--allow-partial").stdout == (
        failed.tlimb("rank", "--format", "csv", "--allow-partial").stdout
    )


def test_the_status_of_failed_runs_as_json_names_states_and_reasons_and_nobody(failed):
    text = failed.tlimb("status", "--format", "json").stdout
    found = held("status", text)
    assert CANARY not in text
    states = [run["state"] for run in found["runs"]]
    assert (states.count("failed"), states.count("diverged"), states.count("skipped")) == (2, 1, 6)
    assert all(run["reason"] for run in found["runs"] if run["state"] in ("failed", "diverged", "skipped"))


def test_p22_what_a_failing_class_says_stays_private(failed):
    assert CANARY not in failed.done.stdout + failed.done.stderr
    assert CANARY not in failed.tlimb("rank", code=75).stdout
    for path in failed.store.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path
    kept = [path.read_text() for path in failed.private.glob("tracebacks/*")]
    assert any(CANARY in text for text in kept)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("validate", "study.yaml"), 0),
        (("validate", "absent.yaml"), 64),
        (("plan", "study.yaml", "--no-such-option"), 64),
        (("frobnicate",), 64),
        (("plan", "study.yaml", "--root", "nowhere=/tmp"), 64),
        (("plan", "study.yaml", "--limit", "3"), 1),
        (("run", "not-a-manifest.json"), 65),
        (("run", "study.yaml", "--store", "study.yaml/store"), 73),
        (("rank", "study.yaml", "--store", "elsewhere"), 75),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_p5_exit_codes_say_what_is_wrong(finished, words, code):
    (finished.folder / "not-a-manifest.json").write_text("{}")
    tlimb(finished.folder, *words, code=code)


def test_p13_all_bad_images_are_found_at_planning_in_one_go(fresh):
    images = sorted((fresh.folder / "data").rglob("*.nii.gz"))
    for path in images[:2]:
        path.write_bytes(path.read_bytes()[:-200])
    done = fresh.tlimb("plan", code=None)
    assert done.returncode in (1, 65)
    assert "2 " in done.stderr
    assert "truncated" in done.stderr
    assert CANARY not in done.stderr
    named = fresh.tlimb("plan", "--with-names", code=done.returncode).stderr
    assert CANARY in named
