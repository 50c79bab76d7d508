"""A node of a cluster without containers: pods are processes in namespaces of their own, on this machine's files.

Does a kubelet's part towards the server: registers, keeps its lease, watches the pods that are bound to it, mounts what
they ask for, runs them, ends them when they are deleted or their time is over, and reports. Images are not pulled: what
a pod needs is on this machine. Tokens of service accounts are not handed out, and memory is not limited.
"""

import contextlib
import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from api import LOST, Api, RefusedError

WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
"""Words before a command that let it die with who started it, so that a killed test leaves nothing."""
NAMESPACES = (*WITH_PARENT, "unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")


def now(form="%Y-%m-%dT%H:%M:%SZ"):
    return datetime.now(UTC).strftime(form)


def insist(call, ignored=LOST, tries=60):
    """Call until there is an answer, for half a minute at least."""
    for _ in range(tries):
        with contextlib.suppress(*ignored):
            return call()
        time.sleep(0.5)
    return call()


class Node:
    """What the server knows as one machine."""

    def __init__(self, api, name, folder, labels, taints, capacity):
        self.api, self.name, self.folder = api, name, Path(folder)
        self.capacity, self.pods = {"pods": "50", "ephemeral-storage": "50Gi", **capacity}, {}
        self.spec = {"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}}

    def register(self):
        self.api.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", **self.spec, "status": self.status()})
        lease = {"metadata": {"name": self.name}, "spec": {"holderIdentity": self.name, "leaseDurationSeconds": 10}}
        self.api.post("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", lease)

    def status(self):
        ready = {"type": "Ready", "status": "True", "reason": "AgentReady", "lastHeartbeatTime": now()}
        return {"capacity": self.capacity, "allocatable": self.capacity, "conditions": [ready]}

    def beat(self):
        """Say every second that the node is alive, and now and then that it is ready."""
        lease = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{self.name}"
        for beat in itertools.count():
            with contextlib.suppress(*LOST, RefusedError):
                self.api.patch(lease, {"spec": {"renewTime": now("%Y-%m-%dT%H:%M:%S.%fZ")}})
                if beat % 5 == 0:
                    self.api.patch(f"/api/v1/nodes/{self.name}/status", {"status": self.status()})
            time.sleep(1)

    def work(self):
        while True:
            with contextlib.suppress(*LOST, RefusedError):
                for kind, pod in self.api.follow("/api/v1/pods", fieldSelector=f"spec.nodeName={self.name}"):
                    self.see(kind, pod)

    def see(self, kind, pod):
        uid = pod["metadata"]["uid"]
        if kind == "DELETED":
            if uid in self.pods:
                self.pods.pop(uid).stop(0)
        elif "deletionTimestamp" in pod["metadata"]:
            known = self.pods.setdefault(uid, Pod(self, pod))
            known.delete(pod["metadata"].get("deletionGracePeriodSeconds", 30))
        elif uid not in self.pods and pod["status"]["phase"] == "Pending":
            self.pods[uid] = Pod(self, pod)
            threading.Thread(target=self.pods[uid].live, daemon=True).start()


class Pod:
    """One pod with one container, from its start to its last report."""

    def __init__(self, node, pod):
        self.node, self.spec, self.process, self.over = node, pod["spec"], None, None
        self.name, self.uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        self.path = f"/api/v1/namespaces/{pod['metadata']['namespace']}"
        self.deleted, self.began = threading.Event(), now()
        self.folder = node.folder / self.name
        (self.container,) = pod["spec"]["containers"]

    def live(self):
        """Run the container to its end, and report as it goes."""
        try:
            self.start()
        except (OSError, KeyError, RefusedError):
            # A kubelet would try for ever; here a pod that cannot begin is a mistake of the test, and is seen.
            (self.folder / "log").write_text(traceback.format_exc())
            self.report("Failed", {"terminated": self.ended(128, "CreateContainerError")}, reason="Failed")
            return
        if self.deleted.is_set():
            self.process.kill()
        self.report("Running", {"running": {"startedAt": self.began}})
        deadline = self.spec.get("activeDeadlineSeconds")
        try:
            code = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.over = "DeadlineExceeded"
            self.stop(self.spec.get("terminationGracePeriodSeconds", 30))
            code = self.process.wait()
        code = 128 - code if code < 0 else code
        state = {"terminated": self.ended(code, "Error" if code else "Completed")}
        self.report("Failed" if code or self.over else "Succeeded", state, reason=self.over)
        self.deleted.wait()
        self.remove()

    def start(self):
        """Start the container's command under the pod's host name, with its volumes where it wants them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        volumes = {volume["name"]: volume for volume in self.spec.get("volumes", ())}
        steps = ["set -e", f"hostname {shlex.quote(self.name[:63])}"]
        for mount in self.container.get("volumeMounts", ()):
            steps += self.mounted(volumes[mount["name"]], mount["mountPath"])
        steps += [f"cd {shlex.quote(self.container.get('workingDir', '/'))}", 'exec "$@"']
        words = [*self.container.get("command", ()), *self.container.get("args", ())]
        given = {entry["name"]: entry.get("value", "") for entry in self.container.get("env", ())}
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*NAMESPACES, "sh", "-c", "\n".join(steps), "sh", *words],
                env=os.environ | given,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        (self.folder / "pid").write_text(str(self.process.pid))

    def mounted(self, volume, where):
        """Give the commands that put a volume to its place in the pod."""
        at = shlex.quote(where)
        if "persistentVolumeClaim" in volume:
            claim = self.get(f"{self.path}/persistentvolumeclaims/{volume['persistentVolumeClaim']['claimName']}")
            volume = self.get(f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}")["spec"]
        if "hostPath" in volume:
            source = volume["hostPath"]["path"]
            return [f"mkdir -p {at}", f"mount --bind {shlex.quote(source)} {at}"]
        if "emptyDir" in volume:
            size = volume["emptyDir"].get("sizeLimit", "64Mi").removesuffix("i")
            return [f"mkdir -p {at}", f"mount -t tmpfs -o size={size} tmpfs {at}"]
        if "projected" in volume:
            return []
        raise KeyError(f"volume {volume}")

    def get(self, path):
        """Get what a pod needs; the server lets a node see it only some time after the pod was bound to it."""
        return insist(lambda: self.node.api.get(path), (*LOST, RefusedError))

    def delete(self, grace_s):
        """End the container, and then take the pod away; to be told so again changes nothing."""
        if self.deleted.is_set():
            return
        self.deleted.set()
        if self.process is None:
            self.remove()
        else:
            self.stop(grace_s)

    def stop(self, grace_s):
        """Ask the container's first process to end, and end all of them when the grace is over."""
        if self.process is None or self.process.poll() is not None:
            return
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        with contextlib.suppress(OSError):
            for pid in children.read_text().split():
                os.kill(int(pid), signal.SIGTERM)
        timer = threading.Timer(grace_s, self.process.kill)
        timer.daemon = True
        timer.start()

    def ended(self, code, reason):
        return {"exitCode": code, "reason": reason, "startedAt": self.began, "finishedAt": now()}

    def report(self, phase, state, reason=None):
        container = {"name": self.container["name"], "image": self.container["image"], "imageID": "", "restartCount": 0}
        status = {
            "phase": phase,
            "startTime": self.began,
            "conditions": [{"type": "Ready", "status": str(phase == "Running")}],
            "containerStatuses": [container | {"ready": phase == "Running", "state": state}],
        }
        path, body = f"{self.path}/pods/{self.name}/status", {"status": status | {"reason": reason}}
        with contextlib.suppress(RefusedError):  # it was removed meanwhile
            insist(lambda: self.node.api.patch(path, body))

    def remove(self):
        path, at_once = f"{self.path}/pods/{self.name}", {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        with contextlib.suppress(RefusedError):
            insist(lambda: self.node.api.delete(path, **at_once))


def main(path):
    """Be the node that a file describes, until the process is killed."""
    told = json.loads(Path(path).read_text())
    api = Api(told.pop("port"), told.pop("token"), told.pop("authority"))
    node = Node(api, **told)
    node.register()
    threading.Thread(target=node.beat, daemon=True).start()
    node.work()


if __name__ == "__main__":
    main(sys.argv[1])
