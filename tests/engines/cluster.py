"""A real Slurm of three nodes on this machine, started for a test session and taken away after it."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from engines import missing

TOOLS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
CGROUPS = Path("/sys/fs/cgroup")
NODES = 3
PATH = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/sbin"

CONF = """\
ClusterName=tlimb
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock,cred_expire=5
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
{memory}
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=5
KillWait=3
CompleteWait=0
MinJobAge=3600
MpiDefault=none
SlurmdParameters=config_overrides
GresTypes=gpu
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobs.txt
PartitionName=main Nodes={nodes} Default=YES PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes={nodes} PriorityTier=10 PreemptMode=OFF
"""
BY_CGROUP = """\
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/cgroup"""
BY_POLLING = """\
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill"""


class Cluster:
    """Slurm's controller, three node daemons and munge, in a folder of their own.

    Attributes:
        folder: configuration, state and logs.
        conf: for the environment variable SLURM_CONF.
        nodes: names; no other cluster of this machine has the same.
        by_cgroup: memory limits are kept by the kernel; else Slurm measures every second and kills.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.conf = self.folder / "slurm.conf"
        self.nodes = [f"t{os.getpid()}n{number}" for number in range(1, NODES + 1)]
        self.by_cgroup = _can_limit_memory()
        self.ports = free_ports(NODES + 1)

    def start(self):
        """Write the configuration and start everything; ready when all nodes are idle."""
        for name in ("state", "spool", "log", "run"):
            (self.folder / name).mkdir(parents=True)
        for folder in (self.folder, self.folder / "run"):
            folder.chmod(0o755)
        self._configure()
        run = self.folder / "run"
        self._daemon(
            "munged", "--force", f"--key-file={self.folder / 'munge.key'}", f"--socket={run / 'munge.sock'}",
            f"--pid-file={run / 'munged.pid'}", f"--log-file={self.folder / 'log' / 'munged.log'}",
            f"--seed-file={run / 'seed'}",
        )  # fmt: skip
        self._daemon("slurmctld", "-c")
        for node in self.nodes:
            self.start_node(node)
        until(
            lambda: self.client("sinfo", "-hN", "-p", "main", "-t", "idle", "-o", "%N").split() == self.nodes, 30, 0.2
        )

    def _configure(self):
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        host = socket.gethostname().split(".")[0]
        lines = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory=16000 Gres=gpu:1\n"
            for node, port in zip(self.nodes, self.ports[1:], strict=True)
        ]
        conf = CONF.format(
            host=host,
            folder=self.folder,
            ports=self.ports,
            nodes=",".join(self.nodes),
            memory=BY_CGROUP if self.by_cgroup else BY_POLLING,
        )
        self.conf.write_text(conf + "".join(lines))
        gres = "".join(f"NodeName={node} Name=gpu File=/dev/null\n" for node in self.nodes)
        (self.folder / "gres.conf").write_text(gres)
        (self.folder / "cgroup.conf").write_text(
            f"CgroupPlugin=cgroup/v1\nCgroupMountpoint={CGROUPS}\nConstrainRAMSpace=yes\n" if self.by_cgroup else ""
        )

    def start_node(self, node):
        """Start a node's daemon."""
        self._daemon("slurmd", "-N", node)

    def _daemon(self, *words):
        subprocess.run(words, env=self._environment(), check=True, capture_output=True, text=True, timeout=60)

    def _environment(self):
        return {**os.environ, "PATH": PATH, "SLURM_CONF": str(self.conf)}

    def client(self, *words):
        """Run a command of Slurm and give what it prints; the controller may be busy for a moment."""
        for _ in range(20):
            ended = subprocess.run(words, env=self._environment(), check=False, capture_output=True, text=True)
            if ended.returncode == 0:
                return ended.stdout
            time.sleep(0.5)
        raise AssertionError(f"{' '.join(words)}: {ended.stderr}")

    def job(self, number):
        """Give what `scontrol show job` says, key -> value."""
        return dict(re.findall(r"(\S+?)=(\S*)", self.client("scontrol", "-o", "show", "job", str(number))))

    def running(self, part_of_name):
        """Give the ids of the running jobs whose name holds a text."""
        rows = [line.split("|") for line in self.client("squeue", "-h", "-t", "R", "-o", "%i|%j").splitlines()]
        return [job for job, name in rows if part_of_name in name]

    def ended(self):
        """Give all jobs that ended, by id: the last line that Slurm wrote about each, key -> value."""
        path = self.folder / "log" / "jobs.txt"
        lines = path.read_text().splitlines() if path.is_file() else []
        found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
        return {job["JobId"]: job for job in found}

    def processes(self, node, job=None):
        """Give the processes of a node's jobs, Slurm's own among them, or of one job."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                told = (folder / "environ").read_bytes().split(b"\0")
                if f"SLURMD_NODENAME={node}".encode() in told and (
                    job is None or f"SLURM_JOB_ID={job}".encode() in told
                ):
                    found.add(int(folder.name))
        return found | {above for pid in found if _name(above := _parent(pid)).startswith("slurmstepd")}

    def kill_node(self, node):
        """End a node as a power cut does: its daemon and all processes of its jobs, by SIGKILL.

        Slurm's step daemons come last: a stopped process that loses its parent is sent SIGHUP and goes on.
        """
        os.kill(self._pid(node), signal.SIGKILL)
        pids = sorted(self.processes(node), key=lambda pid: _name(pid).startswith("slurmstepd"))
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _pid(self, daemon):
        return int((self.folder / "run" / f"{daemon}.pid").read_text())

    def stop(self):
        """End every job and daemon, and remove their cgroups."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["scancel", "-u", "root"], env=self._environment(), capture_output=True, timeout=10)
            subprocess.run(["scontrol", "shutdown"], env=self._environment(), capture_output=True, timeout=10)
        for node in self.nodes:
            # Slurm's own step daemons outlive their jobs for a while; only the control groups still know them.
            known = [path.read_text().split() for path in CGROUPS.glob(f"freezer/slurm_{node}/**/cgroup.procs")]
            for pid in {*self.processes(node), *(int(pid) for pids in known for pid in pids)}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for path in (self.folder / "run").glob("*.pid"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(path.read_text()), signal.SIGKILL)
        time.sleep(0.2)
        for node in self.nodes:
            for top in CGROUPS.glob(f"*/slurm_{node}"):
                for folder in sorted((top, *top.rglob("*/")), reverse=True):
                    with contextlib.suppress(OSError):
                        folder.rmdir()


def until(ready, limit_s=120, pause_s=0.02):
    """Wait until something is so, and return what it gave; where asking starts a process, pause for longer."""
    end = time.monotonic() + limit_s
    while not (found := ready()):
        assert time.monotonic() < end, f"it never came so far within {limit_s} s"
        time.sleep(pause_s)
    return found


def start_cluster(folder):
    """Start a cluster, where Slurm is installed and may be started."""
    lacking = [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]
    if lacking:
        missing(f"Slurm ({', '.join(lacking)})", "make slurm")
    if os.geteuid() != 0:
        missing("a user who may start Slurm", "run the tests as root")
    made = Cluster(folder)
    try:
        made.start()
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        logs = "\n".join(f"{path}:\n{path.read_text()[-3000:]}" for path in (made.folder / "log").glob("*.log"))
        made.stop()
        pytest.fail(f"Slurm did not start: {error}\n{logs}")
    return made


def _can_limit_memory():
    """Say whether memory control groups of version 1 can be made here."""
    probe = CGROUPS / "memory" / f"tlimb{os.getpid()}"
    try:
        probe.mkdir()
        able = (probe / "memory.limit_in_bytes").is_file() and (CGROUPS / "freezer").is_dir()
        probe.rmdir()
    except OSError:
        return False
    return able


def free_ports(count):
    """Give so many ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _parent(pid):
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _name(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    return ""
