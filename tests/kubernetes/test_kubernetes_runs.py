"""Emitted projects on a real control plane: jobs, pods and nodes, and how they are taken away."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from api import MERGE
from cluster import until
from emitted import objects, trainings
from engines import trace
from lab import NODES, claim
from launched import JOBS, PODS, Study
from namespace import ASKED
from studies import TINY, Project, tlimb

VICTIMS = ("deleted", "lost", "parted", "hung", "spared")
WHOLE = {"memory_gb": 16}  # all that a node without GPU has, so nobody else is lost with it
RESOURCES = {"deleted": {"gpus": 1}, "lost": WHOLE, "parted": WHOLE, "hung": {"time_h": 0.05}}


def spec(base, folder):
    """Give the study of the faults, for a volume that is seen under a folder."""
    asked = ASKED | {"volume_claim": "faults", "mount_path": str(folder), "shm_gb": 0.25}
    asked |= {"node_selector": {"lab/zone": "b"}}
    execution = {
        "container": "my-lab/tlimb:1.0",
        "resources": {"memory_gb": 1, "time_h": 1},
        "overrides": RESOURCES,
        "backend": {"kubernetes": asked},
    }
    return trainings(base, VICTIMS, execution)


def delete_pod(study, facts):
    """Do what `kubectl delete pod --grace-period 2` does."""
    pod, facts["step"] = study.caught("deleted")
    facts["pod"] = pod
    study.plane.admin.delete(f"{PODS}/{pod['metadata']['name']}", gracePeriodSeconds=2)


def lose_node(study, facts):
    """Cut a machine's power, and say so to the cluster."""
    pod, facts["step"] = study.caught("lost")
    facts["pod"], name = pod, pod["spec"]["nodeName"]
    study.plane.cut_power(name)
    study.given_up(pod)
    taint = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
    node = study.plane.admin.get(f"/api/v1/nodes/{name}")
    taints = [*node["spec"].get("taints", ()), taint]
    study.plane.admin.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": taints}}, MERGE)


def part(study, facts):
    """Let a machine be deaf but alive, take it out of the cluster, and let its run go on when there is a second one."""
    pod, facts["step"] = study.caught("parted")
    facts["pod"], name = pod, pod["spec"]["nodeName"]
    os.kill(study.plane.nodes[name].pid, signal.SIGSTOP)
    study.given_up(pod)
    study.plane.admin.delete(f"/api/v1/nodes/{name}")
    until(lambda: study.steps("parted")[-1] > facts["step"], 300)
    study.signal(pod, signal.SIGCONT)
    code = Path(pod["spec"]["containers"][0]["args"][-1]).with_name(".exitcode")
    facts["code"] = until(lambda: code.is_file() and code.read_text().strip(), 300)


def hang(study, facts):
    """Stop a run for good, so that its time limit comes."""
    facts["pod"], facts["step"] = study.caught("hung", epochs=1)


@pytest.fixture(scope="module")
def local(plane, tmp_path_factory):
    """The study of the faults, run by `tlimb run` without any."""
    assert plane.version()
    folder = tmp_path_factory.mktemp("faults")
    project = Project(folder / "local", spec(TINY, folder))
    tlimb(project.folder, "phantom", "data/brains", "-n", "72", "--families", "0.3")
    project.run()
    project.tlimb("rank", "-o", "ranked", "--no-pictures")
    claim(plane.admin, folder, "faults")
    return project


@pytest.fixture(scope="module")
def faults(local, plane):
    """The same study on Kubernetes, four of its five trainings victims of a fault."""
    folder = local.folder.parent
    study = Study(local.copy(folder / "study", store=False), plane, folder / "launch")
    doers = {"deleted": delete_pod, "lost": lose_node, "parted": part, "hung": hang}
    study.facts = {name: {} for name in doers}
    study.start()
    threading.Thread(target=study.watch, daemon=True).start()
    with ThreadPoolExecutor(len(doers)) as pool:
        done = [pool.submit(doer, study, study.facts[name]) for name, doer in doers.items()]
        study.code = study.wait(1500)
        for each in done:
            each.result()
    print(study.said())
    return study


def test_p24_a_deleted_pod_and_a_lost_node_end_in_the_bytes_of_the_local_run(faults, local):
    assert faults.code == 0, faults.said()[-6000:]
    assert objects(faults.project) == objects(local)
    ranked = {path.name: path.read_bytes() for path in (faults.folder / "out").glob("ranking.*")}
    assert ranked == {path.name: path.read_bytes() for path in (local.folder / "ranked").glob("ranking.*")}


def test_p24_each_result_was_computed_once_whatever_became_of_pods_and_nodes(faults):
    for work in set(faults.project.objects()) - {faults.work["parted"]}:
        codes = [attempt["code"] for attempt in faults.project.attempts(work)]
        assert codes.count(0) == 1, (work, codes)


def test_p4_of_two_lives_of_one_run_both_end_well_and_one_gives_the_result(faults):
    assert faults.facts["parted"]["code"] == faults.rows("parted")[-1]["exit"] == "0"
    attempts = faults.project.attempts(faults.work["parted"])
    assert [attempt["won"] for attempt in attempts].count(True) == 1
    assert {attempt["host"] for attempt in attempts} == {pod["metadata"]["name"] for pod in faults.pods("parted")}


@pytest.mark.parametrize("stage", ["deleted", "lost", "parted", "hung"])
def test_p24_a_run_that_kubernetes_took_away_goes_on_in_a_new_pod_from_its_resume_point(faults, stage):
    pods, fact = faults.pods(stage), faults.facts[stage]
    assert pods[0]["metadata"]["name"] == fact["pod"]["metadata"]["name"]
    assert pods[-1]["status"]["phase"] == "Succeeded"
    assert len({pod["metadata"]["name"] for pod in pods}) == len(pods) == 2
    resumed = [attempt.get("resumed_at", 0) for attempt in faults.project.attempts(faults.work[stage])]
    assert max(resumed) >= fact["step"]
    assert len({row["memory"] for row in faults.rows(stage)}) == 1


def test_a_run_that_hangs_is_ended_by_kubernetes_at_its_time(faults):
    assert faults.pods("hung")[0]["status"]["reason"] == "DeadlineExceeded"


def test_pods_run_only_where_the_study_lets_them_and_gpus_are(faults):
    where = {pod["spec"]["nodeName"] for pod in faults.pods()}
    assert where <= set(NODES) - {"others"}
    assert all(pod["spec"]["nodeName"].startswith("gpu-") for pod in faults.pods("deleted"))


def test_jobs_that_failed_are_left_for_people_to_look_at_and_no_others(faults):
    failed = {row["native_id"] for row in trace(faults.folder / "out") if row["status"] != "COMPLETED"}
    assert len(failed) == 4
    until(lambda: {job["metadata"]["name"] for job in faults.plane.admin.get(JOBS)["items"]} == failed, 60)
