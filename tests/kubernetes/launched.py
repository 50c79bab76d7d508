"""An emitted project that a Nextflow runs on a cluster, as one sees it from outside."""

import contextlib
import os
import signal
from pathlib import Path

from api import LOST
from cluster import until
from emitted import STEPS, Emitted
from engines import nextflow_with_kubernetes, trace
from lab import NAMESPACE, USER
from processes import tree

PODS, JOBS = f"/api/v1/namespaces/{NAMESPACE}/pods", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
CONFIG = """\
executor.pollInterval = '500 ms'
process {
    withName: '.*:FIT_.*' {
        ext.args = '--checkpoint-every 0'
    }
}
"""


class Study(Emitted):
    """An emitted project that a Nextflow runs on a cluster of Kubernetes."""

    def __init__(self, project, plane, folder):
        super().__init__(project, folder, CONFIG)
        self.plane, self.seen = plane, {}

    def start(self):
        own = {"KUBECONFIG": str(self.plane.config(USER)), "TLIMB_NEXTFLOW": nextflow_with_kubernetes()}
        self.launch("k8s", **own, TLIMB_NEXTFLOW_SET="b")

    def watch(self):
        """Keep the last that the server said of every pod, also of those that are gone."""
        while self.process.poll() is None:
            with contextlib.suppress(*LOST):
                for _, pod in self.plane.user("admin").follow(PODS):
                    self.seen[pod["metadata"]["uid"]] = pod

    def running(self, stage):
        """Give the pods of a training that run now."""
        step = f"FIT_{stage.upper()}"
        found = self.plane.admin.get(PODS)["items"]
        return [pod for pod in found if step in process_name(pod) and pod["status"]["phase"] == "Running"]

    def steps(self, stage):
        """Give the optimizer steps of a training's resume points that are in the store."""
        found = (self.project.store / "state" / self.work[stage]).glob("*.ckpt")
        return sorted(int(path.name.split("-")[0]) for path in found)

    def caught(self, stage, epochs=3):
        """Stop all processes of a training once it has a resume point after so many epochs; give pod and step."""
        until(lambda: self.running(stage) and self.steps(stage) and self.steps(stage)[-1] >= epochs * STEPS, 600)
        (pod,) = self.running(stage)
        self.signal(pod, signal.SIGSTOP)
        return pod, self.steps(stage)[-1]

    def signal(self, pod, number):
        """Send a signal to tlimb's own processes of a pod."""
        for pid in tree(self.plane.first_process(pod)):
            if b"tlimb" in command(pid) and b"python" in command(pid):
                os.kill(pid, number)

    def given_up(self, pod):
        """Wait until the cluster wants a pod to be gone, since it hears nothing of its node."""
        path = f"{PODS}/{pod['metadata']['name']}"
        until(lambda: "deletionTimestamp" in self.plane.admin.get(path)["metadata"], 120)

    def rows(self, stage):
        """Give Nextflow's trace of a training's attempts, in order."""
        found = [row for row in trace(self.folder / "out") if row["tag"].startswith(self.work[stage][:16])]
        return sorted(found, key=lambda row: int(row["attempt"]))

    def pods(self, stage=""):
        """Give what the server said last of the pods of a training, or of all, in the order of their birth."""
        step = f"FIT_{stage.upper()}" if stage else ""
        found = [pod for pod in self.seen.values() if step in process_name(pod)]
        return sorted(found, key=lambda pod: pod["metadata"]["creationTimestamp"])


def process_name(item):
    return item["metadata"]["labels"]["nextflow.io/processName"]


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
