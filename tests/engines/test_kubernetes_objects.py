"""The objects that the real Nextflow makes for Kubernetes from an emitted project, held to Kubernetes' own schema."""

import copy
import shutil

import kubernetes_validate
import pytest
from accepting import posted
from engines import nextflow_with_kubernetes, trace
from namespace import STEPS, emitted, objects, step_of

VERSIONS = ("1.28", "1.31", "1.34", "1.37")


@pytest.fixture(scope="module")
def ran(study, tmp_path_factory):
    """A stub run of a project in which the first pretraining is out of memory: folder, and what was posted."""
    folder = tmp_path_factory.mktemp("kubernetes")
    project = study.copy(folder / "study", store=False)
    shutil.rmtree(project.folder / "ranked")
    build = emitted(project, folder, "--pack", "8")
    jobs, said = posted(nextflow_with_kubernetes(), build, folder, {"FIT_PRETRAIN"})
    return folder, jobs, said


@pytest.fixture(scope="module")
def jobs(ran):
    return objects(ran[0])


def test_each_step_is_a_job_of_the_form_that_kubernetes_demands(ran, jobs):
    assert {step_of(job) for job in jobs} == STEPS
    assert [job["metadata"]["name"] for job in jobs] == [job["metadata"]["name"] for job in ran[1]]
    for job in jobs:
        assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
        for version in VERSIONS:
            kubernetes_validate.validate(job, version, strict=True)


def test_the_check_of_the_form_sees_a_wrong_one(jobs):
    wrong = copy.deepcopy(jobs[0])
    wrong["spec"]["template"]["spec"]["containers"][0]["gpus"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="gpus"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_gpus_are_limits_and_requests_of_the_step_that_asks_for_them_alone(jobs):
    for job in jobs:
        asked = resources(job)
        # A server refuses what is requested of a device but not limited.
        count = 1 if step_of(job) == "FIT_PRETRAIN" else None
        assert (asked["requests"].get("nvidia.com/gpu"), asked["limits"].get("nvidia.com/gpu")) == (count, count)
        assert asked["requests"]["cpu"] == 1


def test_every_pod_has_the_claim_shared_memory_the_account_and_its_place(ran, jobs):
    for job in jobs:
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        volumes = {volume.pop("name"): volume for volume in pod["volumes"]}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
        assert mounts == {
            str(ran[0]): {"persistentVolumeClaim": {"claimName": "study"}},
            "/dev/shm": {"emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}},
        }
        assert job["metadata"]["namespace"] == "brains"
        assert container["image"] == "my-lab/tlimb:1.0"
        assert pod["serviceAccountName"] == "tlimb"
        assert pod["nodeSelector"] == {"gpu": "a100", "lab/zone": "b"}
        assert pod["tolerations"] == [
            {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "lab", "operator": "Equal", "value": "brains"},
        ]
        assert pod["priorityClassName"] == "low"


def test_a_pod_is_never_repeated_behind_nextflows_back_and_ends_with_its_time(jobs):
    for job in jobs:
        pod = job["spec"]["template"]["spec"]
        assert job["spec"]["backoffLimit"] == 0
        assert pod["restartPolicy"] == "Never"
        assert pod["activeDeadlineSeconds"] >= 1800


def test_memory_doubles_after_it_ran_out_and_time_stays(ran, jobs):
    first, second = (job for job in jobs if step_of(job) == "FIT_PRETRAIN")
    assert [resources(job)["limits"]["memory"] for job in (first, second)] == ["3072Mi", "6144Mi"]
    deadlines = {job["spec"]["template"]["spec"]["activeDeadlineSeconds"] for job in (first, second)}
    assert len(deadlines) == 1
    (again,) = (row for row in trace(ran[0] / "out") if row["attempt"] == "2")
    assert again["tag"].endswith(" lost 1")
    assert again["status"] == "COMPLETED"


def test_the_oldest_nextflow_that_projects_name_has_nothing_to_warn_of(ran):
    # That jobs are over at once is the test's doing.
    warnings = [line for line in ran[2].splitlines() if "WARN" in line and "Pod is gone" not in line]
    assert not warnings


def resources(job):
    return job["spec"]["template"]["spec"]["containers"][0]["resources"]
