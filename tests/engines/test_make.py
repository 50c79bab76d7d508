"""A project of `tlimb emit --backend local` under the real make: the bytes of the local run, and what fails."""

import sys

import pytest
from engines import call
from studies import tlimb

WORDS = ("make", "-j", "2", f"TLIMB={sys.executable} -m tlimb")


def ranked(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("ranking.*"))}


def emitted(project, *words):
    tlimb(project.folder, "emit", project.path.name, "--backend", "local", "-o", "build", *words)
    return project.folder / "build"


@pytest.mark.parametrize("pack", [pytest.param("4", marks=pytest.mark.long), "auto"])
def test_p24_make_gives_the_bytes_of_the_local_run_and_then_has_nothing_to_do(study, fresh, pack):
    build = emitted(fresh, "--pack", pack)
    call(WORDS, build)
    assert ranked(build / "results") == ranked(study.folder / "ranked")
    assert fresh.objects() == study.objects()
    said = call(WORDS, build)
    assert "nodes computed" not in said
    assert "0 nodes computed" in fresh.run().stdout


@pytest.mark.long
@pytest.mark.parametrize("pack", ["1", "auto"])
def test_p12_a_run_that_diverged_ends_make_with_an_error_after_the_ranking_and_is_tried_again(fresh, pack):
    tame = {"adamw": {"lr": {"choice": [0.001, 0.01]}}}
    compared = {"compare": {"tame": tame, "wild": {"adamw": {"lr": 1e30}}}}
    fresh.edit({"/stages/finetune/optimizer": compared, "/stages/scratch/optimizer": tame})
    build = emitted(fresh, "--pack", pack)
    said = call(WORDS, build, code=2)
    assert "some runs have no value" in said
    table = ranked(build / "results")
    assert b"diverged: held_out: finetune free wild" in table["ranking.txt"]
    fresh.run(code=76)
    fresh.tlimb("rank", "-o", "ranked", "--no-pictures", "--allow-partial")
    assert table == ranked(fresh.folder / "ranked")
    # What ended well is left alone, what did not is started again; the store has its result.
    again = call(WORDS, build, code=2)
    assert "0 nodes computed" in again
    assert ranked(build / "results") == table
