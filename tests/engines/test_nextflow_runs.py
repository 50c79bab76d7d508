"""Studies under the real Nextflow give the bytes that `tlimb run` gives, and are never done twice."""

import json
import os
import re
import shutil
import subprocess

import pytest
from cluster import until
from engines import environment, trace
from studies import NESTED, sha256, tlimb


def weights(project):
    """Give the sha256 of every weights and predictions file, by its path in the store."""
    base = project.store / "objects"
    return {path.relative_to(base).as_posix(): sha256(path) for path in sorted(base.rglob("*.safetensors"))}


def ranked(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("ranking.*"))}


def emitted(project, *words):
    tlimb(project.folder, "emit", project.path.name, "-o", "build", *words)
    return project.folder / "build"


def counted(folder):
    """Give how many tasks of each step ran now, and how many were cached."""
    found = {}
    for row in trace(folder / "out"):
        step = row["name"].split(" ")[0].removeprefix("TRANSFER_LEARNING:")
        found.setdefault(step, {}).setdefault(row["status"], []).append(row["tag"])
    return {step: {status: len(tags) for status, tags in states.items()} for step, states in found.items()}


def cached(folder):
    """Return whether every step was cached but the last two, which each launch makes anew."""
    found = counted(folder)
    last = [found.pop("RANK"), found.pop("VERDICT")]
    return last == [{"COMPLETED": 1}] * 2 and {status for states in found.values() for status in states} == {"CACHED"}


def test_p24_a_project_gives_the_bytes_of_the_local_run_and_resumes_what_is_equal(study, fresh, launch, tmp_path):
    build = emitted(fresh, "--pack", "4")
    folder = tmp_path / "launch"
    launch(build, folder)
    assert weights(fresh) == weights(study)
    assert ranked(folder / "out") == ranked(study.folder / "ranked")
    first = counted(folder)
    assert {status for states in first.values() for status in states} == {"COMPLETED"}

    launch(build, folder, "-resume")
    assert cached(folder)
    for path in (build / "plan").rglob("*"):
        os.utime(path, (1, 1))
    launch(build, folder, "-resume")
    assert cached(folder)


def test_a_ranking_is_made_anew_by_a_launch_that_resumes_after_its_metrics_have_changed(study, launch, tmp_path):
    project, folder = study.copy(tmp_path / "study"), tmp_path / "launch"
    launch(emitted(project, "--pack", "auto"), folder)
    before = ranked(folder / "out")
    project.edit({"/report/metrics": ["accuracy"]})
    launch(emitted(project, "--pack", "auto"), folder, "-resume")
    assert cached(folder)
    project.tlimb("rank", "-o", "again", "--no-pictures")
    assert ranked(folder / "out") == ranked(project.folder / "again") != before


def test_p24_a_nested_cross_validation_gives_the_bytes_of_the_local_run(study, launch, tmp_path):
    local, there = (study.copy(tmp_path / name, store=False) for name in ("local", "there"))
    for project in (local, there):
        project.write(NESTED)
    local.run()
    local.tlimb("rank", "-o", "ranked", "--no-pictures")
    folder = tmp_path / "launch"
    launch(emitted(there, "--pack", "auto"), folder)
    assert weights(there) == weights(local)
    assert len(weights(there)) > 0
    assert ranked(folder / "out") == ranked(local.folder / "ranked")
    # A refit that its selection did not choose is a task that ends well without a result.
    found = counted(folder)
    assert {"SELECT", "REFIT_FINETUNE", "TEST_FINETUNE"} <= set(found)
    assert {status for states in found.values() for status in states} == {"COMPLETED"}


def test_a_changed_run_and_what_descends_from_it_are_done_again_and_added_runs_alone(study, launch, tmp_path):
    project = study.copy(tmp_path / "study")
    folder = tmp_path / "launch"
    launch(emitted(project), folder)
    first = counted(folder)
    assert first["FIT_FINETUNE"] == {"COMPLETED": 8}

    project.edit(
        {
            "/stages/scratch/auxiliary": "none",
            "/stages/scratch/optimizer": {"adamw": {"lr": {"choice": [0.001, 0.02, 0.03]}}},
        }
    )
    launch(emitted(project), folder, "-resume")
    found = counted(folder)
    # In both repetitions one of two rates is another one, and a third is added; so is the selection another one, its
    # tests, and the ranking.
    assert found["FIT_SCRATCH"] == {"CACHED": 2, "COMPLETED": 4}
    assert found["SELECT"] == {"CACHED": 2, "COMPLETED": 1}
    assert found["TEST_SCRATCH"] == {"COMPLETED": 1}
    assert found["RANK"] == {"COMPLETED": 1}
    assert found["FIT_PRETRAIN"] == {"CACHED": 2}
    assert found["FIT_FINETUNE"] == {"CACHED": 8}


def test_a_study_half_run_here_goes_on_under_the_engine_and_back(study, fresh, launch, tmp_path):
    plan = fresh.plan()
    first = plan.of("prepare") | plan.of("fit", "pretrain")
    tlimb(
        fresh.folder,
        "run",
        "--root",
        "cohort=data",
        *(plan.folder / "manifests" / work[:2] / f"{work}.json" for work in sorted(first)),
    )
    assert set(fresh.objects()) == first
    said = fresh.tlimb("status").stdout
    assert re.search(r"fit pretrain +2 ", said)
    assert re.search(r"left: .+ of computing, from 4 finished runs", said)
    build = emitted(fresh, "--pack", "auto")
    launch(build, tmp_path / "launch")
    assert ranked(tmp_path / "launch" / "out") == ranked(study.folder / "ranked")
    again = fresh.run()
    assert "0 nodes computed" in again.stdout
    for work in (path.name for path in (fresh.store / "records").iterdir()):
        assert sum(attempt["code"] == 0 for attempt in fresh.attempts(work)) <= 1


def test_p12_a_run_that_failed_inside_a_pack_ends_the_launch_with_an_error_after_the_ranking(fresh, launch, tmp_path):
    tame = {"adamw": {"lr": {"choice": [0.001, 0.01]}}}
    compared = {"compare": {"tame": tame, "wild": {"adamw": {"lr": 1e30}}}}
    fresh.edit({"/stages/finetune/optimizer": compared, "/stages/scratch/optimizer": tame})
    folder = tmp_path / "launch"
    build = emitted(fresh, "--pack", "auto")
    launch(build, folder, code=1)
    found = counted(folder)
    assert found.pop("VERDICT") == {"FAILED": 1}
    # Every task ended well, since one of its runs did.
    assert {status for states in found.values() for status in states} == {"COMPLETED"}
    assert "diverged" in (folder / "out" / "ranking.txt").read_text()
    said = fresh.tlimb("status").stdout
    lost = re.findall(r"diverged: .*\[([0-9a-f]{16})\]: ", said)
    assert len(lost) == 4, said
    # Nextflow names the pack, `tlimb logs` says what became of each run in it.
    (pack,) = (path for path in build.glob("plan/packs/*/*.jsonl") if lost[0] in path.read_text())
    for name in (pack.stem, pack.stem[:6]):
        assert f"{lost[0]}: diverged: " in tlimb(build, "logs", ".", name).stdout
    assert f"{lost[0]}: diverged: " in tlimb(build, "logs", ".", lost[0]).stdout
    fresh.run(code=76)
    fresh.tlimb("rank", "-o", "ranked", "--no-pictures", "--allow-partial")
    assert ranked(folder / "out") == ranked(fresh.folder / "ranked")


@pytest.mark.long
def test_p24_a_nextflow_that_is_killed_goes_on_where_it_was(study, fresh, engine, launch, tmp_path):
    build, folder = emitted(fresh, "--pack", "2"), tmp_path / "launch"
    folder.mkdir()
    words = [engine, "run", build, "--outdir", folder / "out", "--places", build / ".tlimb" / "places.json"]
    with (folder / "said").open("w") as said:
        head = subprocess.Popen(
            list(map(str, words)), cwd=folder, env=environment(folder / ".home"), stdin=subprocess.DEVNULL,
            stdout=said, stderr=said,
        )  # fmt: skip
    until(lambda: len(list((folder / "work").glob("*/*/.exitcode"))) >= 4, 400)
    assert head.poll() is None
    head.kill()
    head.wait()
    assert not (folder / "out" / "ranking.csv").exists()
    launch(build, folder, "-resume")
    assert weights(fresh) == weights(study)
    assert ranked(folder / "out") == ranked(study.folder / "ranked")
    rows = trace(folder / "out")
    assert {row["status"] for row in rows} == {"CACHED", "COMPLETED"}
    for work in (path.name for path in (fresh.store / "records").iterdir()):
        assert sum(attempt["code"] == 0 for attempt in fresh.attempts(work)) <= 1


@pytest.mark.long
def test_p8_spec_data_and_store_may_move_and_nothing_is_computed_again(study, launch, tmp_path):
    project = study.copy(tmp_path / "first")
    build = emitted(project, "--pack", "8")
    moved = tmp_path / "elsewhere"
    shutil.move(project.folder, moved)
    shutil.move(moved / "data", tmp_path / "brains")
    places = json.loads((moved / "build" / ".tlimb" / "places.json").read_text())
    places |= {"store": str(moved / "tlimb-store"), "private": str(moved / "tlimb-private")}
    places["roots"] = {"spec": str(moved), "cohort": str(tmp_path / "brains")}
    (moved / "build" / ".tlimb" / "places.json").write_text(json.dumps(places))
    assert build.name == "build"
    before = {path: path.stat().st_mtime_ns for path in (moved / "tlimb-store" / "v1" / "objects").rglob("*")}
    launch(moved / "build", tmp_path / "launch")
    assert {path: path.stat().st_mtime_ns for path in (moved / "tlimb-store" / "v1" / "objects").rglob("*")} == before
    assert ranked(tmp_path / "launch" / "out") == ranked(study.folder / "ranked")
