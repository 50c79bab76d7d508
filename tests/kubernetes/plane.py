"""A real control plane of Kubernetes: etcd, API server, controllers, scheduler, and nodes of `agent.py`.

The programs are those that `make test-kubernetes` builds from their modules; TLIMB_KUBERNETES says where they lie.
Everything listens on 127.0.0.1, lies in one folder, and is taken away by `stop`.
"""

import base64
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from agent import NAMESPACES, WITH_PARENT
from api import LOST, Api, RefusedError
from cluster import free_ports, until
from engines import environment, missing

HERE = Path(__file__).parent
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
GRACE_S, TOLERATED_S = 10, 3
"""Seconds without a sign after which a node is lost, and for which its pods put up with that; else 50 and 300."""


class Plane:
    """One cluster, from its start to its end."""

    def __init__(self, programs, folder):
        self.programs, self.folder = Path(programs), Path(folder)
        self.etcd, self.peer, self.port = free_ports(3)
        self.running, self.nodes, self.tokens = {}, {}, {"admin": secrets.token_hex(16)}
        self.authority = self.folder / "authority.crt"

    def start(self, nodes, users=()):
        """Start everything, with nodes (name -> labels, taints, capacity), and wait until all nodes are ready."""
        self.tokens |= {name: secrets.token_hex(16) for name in (*users, *nodes)}
        self._keys(nodes)
        self._start_etcd()
        self._start_server()
        self.admin = until(self._ready)
        config = self.config("admin")
        self._run(
            "kube-controller-manager",
            kubeconfig=config,
            service_account_private_key_file=self.folder / "accounts.key",
            root_ca_file=self.authority,
            leader_elect="false",
            secure_port=0,
            node_monitor_period="1s",
            node_monitor_grace_period=f"{GRACE_S}s",
        )
        self._run("kube-scheduler", kubeconfig=config, leader_elect="false", secure_port=0)
        for name, told in nodes.items():
            self.start_node(name, **told)
        until(lambda: set(self.ready_nodes()) == set(nodes))

    def _keys(self, nodes):
        key = self.folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        groups = {"admin": "system:masters"} | dict.fromkeys(nodes, "system:nodes")
        named = {name: f"system:node:{name}" if name in nodes else name for name in self.tokens}
        lines = [f'{token},{named[name]},{name},"{groups.get(name, "")}"' for name, token in self.tokens.items()]
        (self.folder / "tokens.csv").write_text("\n".join(lines) + "\n")

    def _start_etcd(self):
        client, peer = f"http://127.0.0.1:{self.etcd}", f"http://127.0.0.1:{self.peer}"
        self._run(
            "etcd",
            data_dir=self.folder / "etcd",
            unsafe_no_fsync="true",
            log_level="warn",
            listen_client_urls=client,
            advertise_client_urls=client,
            listen_peer_urls=peer,
            initial_advertise_peer_urls=peer,
            initial_cluster=f"default={peer}",
        )

    def _start_server(self):
        self._run(
            "kube-apiserver",
            etcd_servers=f"http://127.0.0.1:{self.etcd}",
            bind_address="127.0.0.1",
            advertise_address="127.0.0.1",
            secure_port=self.port,
            cert_dir=self.folder / "certificates",
            token_auth_file=self.folder / "tokens.csv",
            authorization_mode="Node,RBAC",
            enable_admission_plugins="NodeRestriction",
            service_account_issuer="https://kubernetes.default.svc",
            service_account_key_file=self.folder / "accounts.key",
            service_account_signing_key_file=self.folder / "accounts.key",
            service_cluster_ip_range="10.0.0.0/24",
            endpoint_reconciler_type="none",
            default_not_ready_toleration_seconds=TOLERATED_S,
            default_unreachable_toleration_seconds=TOLERATED_S,
        )
        # The server signs a certificate for itself; in the file its authority's comes second.
        chain = self.folder / "certificates" / "apiserver.crt"
        begin = "-----BEGIN CERTIFICATE-----"
        signed = until(lambda: self._alive() and chain.is_file() and chain.read_text().split(begin)[2:])
        self.authority.write_text(begin + signed[-1])

    def _run(self, name, **options):
        words = [f"--{option.replace('_', '-')}={value}" for option, value in options.items()]
        with (self.folder / f"{name}.log").open("wb") as log:
            started = subprocess.Popen(
                [*WITH_PARENT, self.programs / name, *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.running[name] = started

    def _alive(self):
        """Fail if a program of the plane has ended."""
        for name, process in self.running.items():
            assert process.poll() is None, f"{name} ended: {(self.folder / f'{name}.log').read_text()[-3000:]}"
        return True

    def _ready(self):
        self._alive()
        with contextlib.suppress(*LOST, RefusedError):
            found = self.user("admin")
            with found.ask("GET", "/readyz"):
                return found
        return None

    def user(self, name):
        return Api(self.port, self.tokens[name], self.authority)

    def config(self, user, namespace="default"):
        """Write what clients of Kubernetes read to know server and user; JSON is YAML too."""
        path = self.folder / f"{user}.kubeconfig"
        authority = base64.b64encode(self.authority.read_bytes()).decode()
        server = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority-data": authority}
        told = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": server}],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": user, "namespace": namespace}}],
        }
        path.write_text(json.dumps(told))
        return path

    def version(self):
        return self.admin.get("/version")["gitVersion"]

    def ready_nodes(self):
        """Give the names of the nodes that are ready and may take pods."""
        for node in self.admin.get("/api/v1/nodes")["items"]:
            ready = [one["status"] for one in node["status"]["conditions"] if one["type"] == "Ready"]
            held = {taint["key"] for taint in node["spec"].get("taints", ()) if "node.kubernetes.io" in taint["key"]}
            if ready == ["True"] and not held:
                yield node["metadata"]["name"]

    def start_node(self, name, **told):
        """Start a node's agent, in a group of its own with all processes of its pods."""
        folder = self.folder / "nodes" / name
        folder.mkdir(parents=True, exist_ok=True)
        token = {"port": self.port, "token": self.tokens[name], "authority": str(self.authority)}
        (folder / "node.json").write_text(json.dumps({**token, "name": name, "folder": str(folder), **told}))
        with (folder / "log").open("ab") as log:
            self.nodes[name] = subprocess.Popen(
                [*WITH_PARENT, sys.executable, HERE / "agent.py", folder / "node.json"],
                env=environment(self.folder / ".home"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def cut_power(self, name):
        """End a node's agent and all processes of its pods at once; the server is not told."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.nodes[name].pid, signal.SIGKILL)
        self.nodes[name].wait()

    def first_process(self, pod):
        """Give the process, as seen from outside, in which a running pod's namespaces are held."""
        node, name = pod["spec"]["nodeName"], pod["metadata"]["name"]
        return int((self.folder / "nodes" / node / name / "pid").read_text())

    def logs(self):
        found = [*self.folder.glob("*.log"), *self.folder.glob("nodes/*/log")]
        return "\n".join(f"{path}:\n{path.read_text(errors='replace')[-2000:]}" for path in found)

    def stop(self):
        """End nodes with their pods, and then the plane."""
        for name in self.nodes:
            self.cut_power(name)
        for process in reversed(self.running.values()):
            process.kill()
            process.wait()


def start_plane(folder, nodes, users=()):
    """Start a cluster, where its programs are and namespaces may be made."""
    programs = Path(os.environ.get("TLIMB_KUBERNETES", "none"))
    if lacking := [name for name in PROGRAMS if not (programs / name).is_file()]:
        missing(f"Kubernetes ({', '.join(lacking)})", "make test-kubernetes")
    if shutil.which("openssl") is None:
        missing("openssl", "install it")
    if subprocess.run([*NAMESPACES, "true"], check=False).returncode:
        missing("a user who may make namespaces", "run the tests as root, in a container with SYS_ADMIN")
    made = Plane(programs, folder)
    try:
        begun = time.monotonic()
        made.start(nodes, users)
        made.began_s = time.monotonic() - begun
    except BaseException:
        print(made.logs())
        made.stop()
        raise
    return made
