"""Two supervisors on one store: each piece of work is computed by one of them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from node_manifests import fit_manifest

from tlimb.manifest import Graph
from tlimb.scheduler.supervise import supervise
from tlimb.store import Store
from tlimb.store.claims import STALE_S, Claims

SCRIPT = """
import json, sys
from tlimb.manifest import Graph, Manifest
from tlimb.protocol.options import Options, Places
from tlimb.scheduler.supervise import supervise
task = json.load(sys.stdin)
graph = Graph({one["work"]: Manifest.from_json(one) for one in task["manifests"]})
tell = lambda event: print(json.dumps(event), flush=True)
summary = supervise(graph, Places.from_json(task["places"]), 1, Options(), tell)
tell({"event": "end", "computed": summary.computed, "reused": summary.reused, "code": summary.code})
"""


def start(graph, places):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    task = {"manifests": [manifest.to_json() for manifest in graph], "places": places.to_json()}
    process.stdin.write(json.dumps(task))
    process.stdin.close()
    return process


def end(process):
    events = [json.loads(line) for line in process.stdout]
    assert process.wait() == 0
    return events, events[-1]


def test_p4_two_runs_at_once_compute_each_work_exactly_once_and_other_things_first(cohort):
    train = cohort.view(range(6))
    first, alone = fit_manifest(train), fit_manifest(train, seed=2)
    child = fit_manifest(train, parents={"encoder": first.work})
    graph, places = Graph({manifest.work: manifest for manifest in (first, alone, child)}), cohort.places()
    one = start(graph, places)
    pid = next(event["pid"] for event in map(json.loads, one.stdout) if event["event"] == "started")
    os.kill(pid, signal.SIGSTOP)
    other, seen = start(graph, places), []
    for event in map(json.loads, other.stdout):
        seen.append((event["event"], event.get("work")))
        if {("elsewhere", first.work), ("finished", alone.work)} <= set(seen):
            break
    os.kill(pid, signal.SIGCONT)
    (_, one), (_, other) = end(one), end(other)
    assert (one["code"], other["code"]) == (0, 0)
    store = Store(places.store)
    attempts = {work: [attempt.code for attempt in store.record(work).attempts] for work in graph.nodes}
    assert attempts == {work: [0] for work in graph.nodes}
    assert sorted([*one["computed"], *other["computed"]]) == sorted(graph.nodes)
    assert first.work in one["computed"]
    assert first.work in other["reused"]
    assert alone.work in other["computed"]
    assert not list((store.base / "state").glob("*"))


def test_what_a_killed_run_had_begun_is_taken_over_at_once(cohort):
    manifest = fit_manifest(cohort.view(range(6)), trainer={"epochs": 3000, "batch_size": 1})
    short = fit_manifest(cohort.view(range(6)))
    places = cohort.places()
    process = start(Graph({manifest.work: manifest}), places)
    for line in process.stdout:
        if json.loads(line)["event"] == "progress":
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    claim = next((places.store / "v1" / "state" / manifest.work).glob("claim"))
    target = places.store / "v1" / "state" / short.work / "claim"
    target.parent.mkdir()
    target.write_bytes(claim.read_bytes())
    told = []
    assert supervise(Graph({short.work: short}), places, 1, observer=told.append).code == 0
    assert "elsewhere" not in {event["event"] for event in told}


@pytest.mark.parametrize(("age", "free"), [(0.0, False), (STALE_S + 5.0, True)])
def test_a_claim_of_another_machine_counts_while_it_is_refreshed(tmp_path, age, free):
    theirs, ours = Claims(Store(tmp_path)), Claims(Store(tmp_path))
    work = "a" * 64
    assert theirs.take(work) is None
    path = tmp_path / "v1" / "state" / work / "claim"
    path.write_text(json.dumps({**json.loads(path.read_text()), "host": "elsewhere", "pid": 1}))
    then = time.time() - age
    os.utime(path, (then, then))
    assert (ours.take(work) is None) == free
    assert free or ours.take(work) == "elsewhere"


def test_a_claim_is_refreshed_while_it_is_held_and_gone_when_released(tmp_path):
    claims = Claims(Store(tmp_path), every_s=0.01)
    work = "b" * 64
    assert claims.take(work) is None
    path = tmp_path / "v1" / "state" / work / "claim"
    os.utime(path, (1.0, 1.0))
    for _ in range(500):
        if path.stat().st_mtime > 1.0:
            break
        time.sleep(0.01)
    assert path.stat().st_mtime > 1.0
    claims.release(work)
    assert not path.parent.exists()
    claims.close()


def test_a_store_that_cannot_keep_claims_stops_nobody(tmp_path):
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "state").write_text("a file where a folder should be")
    assert Claims(Store(tmp_path)).take("c" * 64) is None
