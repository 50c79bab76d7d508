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
