"""A study that asks for everything Kubernetes has, as tests without and with a real API server emit it."""

import yaml
from studies import tlimb

STEPS = {"PREPARE", "FIT_PRETRAIN", "FIT_FINETUNE", "FIT_SCRATCH", "SELECT", "TEST_FINETUNE", "TEST_SCRATCH", "RANK"}
ASKED = {
    "volume_claim": "study",
    "namespace": "brains",
    "service_account": "tlimb",
    "shm_gb": 0.5,
    "node_selector": {"gpu": "a100", "lab/zone": "b"},
    "tolerations": [
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "lab", "operator": "Equal", "value": "brains"},
    ],
    "priority_class": "low",
}


def emitted(project, mount, *words, **asked):
    """Emit a study for Kubernetes, with a volume that is seen under a folder; what is asked as None is left out."""
    kubernetes = ASKED | {"mount_path": str(mount)} | asked
    kubernetes = {name: value for name, value in kubernetes.items() if value is not None}
    execution = {
        "container": "my-lab/tlimb:1.0",
        "resources": {"cpus": 1, "memory_gb": 2, "time_h": 0.5},
        "overrides": {"pretrain": {"gpus": 1, "memory_gb": 3}},
        "backend": {"kubernetes": kubernetes},
    }
    project.write(project.spec | {"execution": execution})
    tlimb(project.folder, "emit", project.path.name, "-o", "build", *words)
    return project.folder / "build"


def step_of(job):
    """Give the step that a job belongs to."""
    name = job["metadata"]["labels"]["nextflow.io/processName"]
    return next(step for step in STEPS if step in name)


def objects(folder):
    """Give the objects that Nextflow wrote down before it submitted them, in the order of time."""
    found = sorted(folder.glob("work/*/*/.command.yaml"), key=lambda path: path.stat().st_mtime_ns)
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in found]
