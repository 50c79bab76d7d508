"""Runs that are killed or stopped: what is kept, and that the end has the same bytes."""

import json
import os
import signal
import time
from collections import Counter

from processes import kill_all, start, wait_for
from studies import TINY, Project, edited

LONG = {
    **{key: TINY[key] for key in ("tlimb", "name", "roots", "defaults")},
    "datasets": {"people": TINY["datasets"]["people"]},
    "stages": {"train": {**TINY["stages"]["pretrain"], "dataset": "people", "trainer": {"epochs": 80}}},
}


def test_p1_everything_killed_in_the_middle_and_run_again_has_the_bytes_of_an_uninterrupted_run(fresh, finished_once):
    whole = finished_once.objects()
    process = start(fresh)
    wait_for(process, lambda: len(fresh.objects()) >= 5)
    killed = kill_all(process)
    left = {work for work, files in fresh.objects().items() if "result.json" in files}
    assert killed >= 2
    assert 5 <= len(left) < len(whole)
    said = fresh.run().stdout
    print(f"killed {killed} processes with {len(left)} of {len(whole)} objects done; then: {said.splitlines()[0]}")
    assert fresh.objects() == whole
    assert said.startswith(f"{len(whole) - len(left)} nodes computed, {len(left)} done before")


def test_p1_ctrl_c_ends_130_with_a_resume_point_and_the_next_run_goes_on_to_the_same_bytes(finished_once, tmp_path):
    source = finished_once.copy(tmp_path / "interrupted", store=False)
    stopped, whole = Project(source.folder, LONG), Project(tmp_path / "whole")
    (train,) = stopped.plan().of("fit")
    process = start(stopped)
    wait_for(process, lambda: (stopped.private / "logs" / f"{train}.log").is_file())
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "not finished: the same command goes on" in said
    assert train not in stopped.objects()
    states = list((stopped.store / "state" / train).iterdir())
    assert states
    stopped.run()
    resumed = stopped.objects()
    assert not list(stopped.store.glob("state/*/*"))
    stopped.copy(whole.folder, store=False)
    whole.run()
    assert resumed == whole.objects()
    attempts = stopped.attempts(train)
    print(
        f"attempts: {[(a['code'], a.get('resumed_at')) for a in attempts]}, resume points: {[s.name for s in states]}"
    )
    assert attempts[1]["resumed_at"] > 0
    assert [attempt["code"] for attempt in attempts] == [143, 0]  # children are asked to stop by SIGTERM


def test_a_deadline_ends_75_and_loses_nothing(fresh):
    fresh.write(edited(LONG, {"/name": "deadline"}))
    (train,) = fresh.plan().of("fit")
    done = fresh.run("--deadline", "0", code=75)
    assert "not finished" in done.stdout
    assert train not in fresh.objects()


def test_smoke_runs_one_draw_and_one_replicate_in_a_store_of_its_own(fresh):
    done = fresh.run("--smoke")
    assert not fresh.store.exists()
    smoke = fresh.folder / "tlimb-store-smoke" / "v1"
    results = [json.loads(path.read_text()) for path in smoke.glob("objects/*/*/result.json")]
    kinds = Counter(result["kind"] for result in results)
    print(f"{done.stdout.splitlines()[0]}: {dict(kinds)}")
    # One pretraining; one draw of each of the rows free, elastic and scratch, and its test.
    assert kinds == {"prepare": 2, "fit": 4, "predict": 3}
    assert fresh.tlimb("plan", "--diff").stdout.startswith("this study has not run here yet")
