"""The command in front of an engine: it must leave the engine the time to take its jobs back."""

import os
import signal
import subprocess
import sys
import time

import pytest

ENGINE = """\
#!/bin/sh
trap 'sleep 1; echo cancelled >jobs; exit 130' INT TERM
echo started >jobs
while :; do sleep 0.1; done
"""


@pytest.fixture
def project(tmp_path):
    """A folder that looks like an emitted project."""
    (tmp_path / "main.nf").touch()
    (tmp_path / ".tlimb").mkdir()
    (tmp_path / ".tlimb" / "places.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(("number", "whole_group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interrupted_launch_waits_until_the_engine_has_cancelled_its_jobs(project, tmp_path, number, whole_group):
    engine = tmp_path / "engine"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "tlimb", "launch", "."],
        cwd=tmp_path,
        env={**os.environ, "TLIMB_NEXTFLOW": str(engine)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "jobs").is_file() and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, number) if whole_group else process.send_signal(number)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert (tmp_path / "jobs").read_text() == "cancelled\n"
    assert "Traceback" not in said


def launched(project, engine):
    """Launch with an engine that is a shell script; return its exit code and what was said on standard error."""
    path = project / "engine"
    path.write_text(f"#!/bin/sh\n{engine}\n")
    path.chmod(0o755)
    ended = subprocess.run(
        [sys.executable, "-m", "tlimb", "launch", "."],
        cwd=project,
        env={**os.environ, "TLIMB_NEXTFLOW": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stderr


def test_a_launch_that_ends_before_its_ranking_names_the_commands_that_show_what_is_done(project):
    code, said = launched(project, "exit 1")
    assert code == 1
    assert "no ranking" in said
    assert "tlimb rank . --allow-partial" in said
    assert "tlimb status ." in said
    assert "older" not in said


def test_a_ranking_of_an_earlier_launch_is_called_older_where_the_launch_made_none(project):
    assert launched(project, "mkdir results && echo 1 >results/ranking.json")[0] == 0
    code, said = launched(project, "exit 1")
    assert code == 1
    assert "results/ranking.json is older than this launch" in said


def test_a_launch_that_made_a_ranking_says_no_more_whatever_its_exit_code(project):
    code, said = launched(project, "mkdir results && echo 1 >results/ranking.json; exit 1")
    assert code == 1
    assert len(said.splitlines()) == 1
