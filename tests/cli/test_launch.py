"""The command in front of an engine: it must leave the engine the time to take its jobs back."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tlimb.cli import run

ENGINE = """\
#!/bin/sh
trap 'sleep 1; echo cancelled >jobs; exit 130' INT TERM
echo started >jobs
while :; do sleep 0.1; done
"""


@pytest.mark.parametrize(("number", "whole_group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interrupted_launch_waits_until_the_engine_has_cancelled_its_jobs(tmp_path, number, whole_group):
    (tmp_path / "main.nf").touch()
    (tmp_path / ".tlimb").mkdir()
    (tmp_path / ".tlimb" / "places.json").write_text("{}")
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


@pytest.mark.parametrize(
    ("states", "code"), [([], 0), (["pending"], 0), (["diverged"], 1), (["failed"], 1), (["pending", "skipped"], 1)]
)
def test_a_launch_ends_as_its_ranking_says_where_a_pack_hides_a_run_that_failed(
    tmp_path, monkeypatch, capsys, states, code
):
    (tmp_path / "main.nf").touch()
    (tmp_path / ".tlimb").mkdir()
    (tmp_path / ".tlimb" / "places.json").write_text("{}")
    (tmp_path / "results").mkdir()
    missing = [{"absent": {"state": state}} for state in states]
    (tmp_path / "results" / "ranking.json").write_text(json.dumps({"missing": missing}))
    monkeypatch.setenv("TLIMB_NEXTFLOW", "/bin/true")
    monkeypatch.chdir(tmp_path)
    assert run(["launch", "."]) == code
    assert ("runs have no value" in capsys.readouterr().err) == bool(code)
