"""What an emitted project looks like to Nextflow without any training: tasks, caching, the graph of processes."""

import csv
import re

import pytest
from engines import call, trace
from studies import edited, tlimb

STUB = ("-profile", "test", "-stub-run")


def emitted(project):
    tlimb(project.folder, "emit", project.path.name, "-o", "build")
    return project.folder / "build"


def planned(build):
    with (build / "plan" / "tasks.csv").open(newline="") as file:
        return [row["task"] for row in csv.DictReader(file)]


def test_a_stub_run_starts_every_task_of_the_plan_once_and_then_the_ranking_which_alone_is_not_cached(
    fresh, launch, tmp_path
):
    build, folder = emitted(fresh), tmp_path / "launch"
    launch(build, folder, *STUB)
    rows = trace(folder / "out")
    assert sorted(row["tag"] for row in rows) == sorted([*planned(build), "ranking", "verdict"])
    assert {row["status"] for row in rows} == {"COMPLETED"}
    launch(build, folder, *STUB, "-resume")
    again = trace(folder / "out")
    assert sorted(row["tag"] for row in again) == sorted(row["tag"] for row in rows)
    anew = {row["tag"] for row in again if row["status"] != "CACHED"}
    assert anew == {"ranking", "verdict"}


def test_the_strict_parser_which_newer_nextflows_take_by_itself_starts_the_same_tasks(fresh, launch, tmp_path):
    build, folder = emitted(fresh), tmp_path / "launch"
    # With this parser 25.04 does not hand --outdir to the configuration, so the place of the trace is said again.
    launch(build, folder, *STUB, "-with-trace", folder / "out" / "trace.txt", NXF_SYNTAX_PARSER="v2")
    rows = trace(folder / "out")
    assert sorted(row["tag"] for row in rows) == sorted([*planned(build), "ranking", "verdict"])
    assert {row["status"] for row in rows} == {"COMPLETED"}


def drawn(engine, build, folder):
    """Give the graph of a project as Nextflow draws it, without running anything."""
    folder.mkdir()
    call([engine, "run", build, "-preview", "-with-dag", "dag.mmd", "--outdir", "out"], folder)
    return (folder / "dag.mmd").read_text()


@pytest.mark.long
def test_the_graph_of_processes_is_as_large_for_a_hundred_runs_as_for_a_few(fresh, engine, tmp_path):
    few = drawn(engine, emitted(fresh), tmp_path / "few")
    for step in ("PREPARE", "FIT_PRETRAIN", "FIT_FINETUNE", "FIT_SCRATCH", "SELECT", "TEST_FINETUNE", "RANK"):
        assert step in few
    before = len(planned(fresh.folder / "build"))
    rates = [place / 10000 for place in range(1, 31)]
    fresh.write(edited(fresh.spec, {"/stages/finetune/optimizer": {"adamw": {"lr": {"choice": rates}}}}))
    many = drawn(engine, emitted(fresh), tmp_path / "many")
    assert len(planned(fresh.folder / "build")) > before + 100
    assert re.sub(r"\s+", "", many) == re.sub(r"\s+", "", few)
