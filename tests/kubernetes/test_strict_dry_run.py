"""What a real API server says to the objects that Nextflow makes of an emitted project, without keeping them."""

import copy

import pytest
from accepting import posted
from api import RefusedError
from engines import nextflow_with_kubernetes
from lab import NAMESPACE, USER
from namespace import ASKED, STEPS, emitted, step_of
from studies import TINY, Project, tlimb

DRY = "dryRun=All&fieldValidation=Strict"


LITTLE = dict.fromkeys(ASKED) | {"volume_claim": "study", "namespace": NAMESPACE}


@pytest.fixture(scope="module")
def project(plane, tmp_path_factory):
    """A study with its cohort, which nobody runs."""
    assert plane.version()
    made = Project(tmp_path_factory.mktemp("dry") / "study", TINY)
    tlimb(made.folder, "phantom", "data/brains", "-n", "72", "--families", "0.3")
    return made


def made(project, folder, **asked):
    """Give one job of each step as Nextflow posts it, by step."""
    build = emitted(project.copy(folder / "study"), folder, "--pack", "8", **asked)
    found, _ = posted(nextflow_with_kubernetes(), build, folder)
    return {step_of(job): job for job in found}


@pytest.fixture(scope="module")
def jobs(project, tmp_path_factory):
    """The jobs of a study that asks for everything Kubernetes has."""
    return made(project, tmp_path_factory.mktemp("everything"))


@pytest.fixture
def user(plane):
    """Whoever starts studies; what the server warns of is gathered anew for each test."""
    return plane.user(USER)


def submit(user, job):
    return user.post(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs?{DRY}", job)


def submit_pod(user, job):
    """Submit what the server's job controller would: only then are account and priority looked at."""
    template = copy.deepcopy(job["spec"]["template"])
    template["metadata"] = {"name": "one", **template.get("metadata", {})}
    return user.post(f"/api/v1/namespaces/{NAMESPACE}/pods?{DRY}", template)


def container(job):
    return job["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("step", sorted(STEPS))
def test_the_server_takes_the_job_of_each_step_word_for_word_and_warns_of_nothing(jobs, user, step):
    kept = submit(user, jobs[step])
    pod, asked = kept["spec"]["template"]["spec"], jobs[step]["spec"]["template"]["spec"]
    for key in ("serviceAccountName", "nodeSelector", "tolerations", "priorityClassName", "activeDeadlineSeconds"):
        assert pod[key] == asked[key]
    assert {name for volume in pod["volumes"] for name in volume} == {"name", "persistentVolumeClaim", "emptyDir"}
    submit_pod(user, jobs[step])
    assert user.warnings == []


def test_the_server_gives_pods_the_value_of_their_priority_class_and_the_devices_they_ask_for(jobs, user):
    pod = submit_pod(user, jobs["FIT_PRETRAIN"])
    assert pod["spec"]["priority"] == -10
    assert container({"spec": {"template": pod}})["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_server_takes_a_study_that_asks_for_a_part_of_a_gpu_and_else_for_what_it_must(project, user, tmp_path):
    little = made(project, tmp_path, **LITTLE, gpu_resource="nvidia.com/mig-1g.10gb")
    for step, job in little.items():
        submit(user, job)
        pod = submit_pod(user, job)
        limits = pod["spec"]["containers"][0]["resources"]["limits"]
        assert limits.get("nvidia.com/mig-1g.10gb") == ("1" if step == "FIT_PRETRAIN" else None)
        assert pod["spec"]["priority"] == 0
    assert set(little) == STEPS
    assert user.warnings == []


def test_nothing_of_a_dry_run_is_kept(jobs, user):
    submit(user, jobs["RANK"])
    kept = user.get(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs")["items"]
    assert jobs["RANK"]["metadata"]["name"] not in {job["metadata"]["name"] for job in kept}


def spelt(job):
    container(job)["gpus"] = 1


def repeated(job):
    job["spec"]["template"]["spec"]["restartPolicy"] = "Always"


def only_requested(job):
    del container(job)["resources"]["limits"]["nvidia.com/gpu"]


def misnamed(job):
    job["spec"]["template"]["spec"]["tolerations"][0]["operator"] = "Equals"


def no_priority(job):
    job["spec"]["template"]["spec"]["priorityClassName"] = "urgent"


def no_account(job):
    job["spec"]["template"]["spec"]["serviceAccountName"] = "nobody"


@pytest.mark.parametrize(
    ("change", "send", "said"),
    [
        (spelt, submit, "unknown field"),
        (repeated, submit, "restartPolicy"),
        (only_requested, submit, "Limit must be set"),
        (misnamed, submit, "operator"),
        (no_priority, submit_pod, "urgent"),
        (no_account, submit_pod, "nobody"),
    ],
)
def test_the_server_refuses_what_is_wrong_by_one_word(jobs, user, change, send, said):
    job = copy.deepcopy(jobs["FIT_PRETRAIN"])
    send(user, job)
    change(job)
    with pytest.raises(RefusedError, match=said):
        send(user, job)


def test_the_rights_of_the_documentation_end_at_their_namespace(jobs, user):
    with pytest.raises(RefusedError, match="forbidden"):
        user.post(f"/apis/batch/v1/namespaces/default/jobs?{DRY}", jobs["RANK"] | {"metadata": {"name": "one"}})
