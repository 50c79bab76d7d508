"""The warm parent: imports everything once and forks a child for each manifest.

It is a process of its own, `python -P -m tlimb.scheduler.forkserver`, that reads commands from stdin and writes events
to stdout. It has one thread, runs no operation, reads no data and opens no device: a child of a parent that has run
one operation on two threads hangs at its first.

Commands: {"hello": {places, options, modules}}, then {"run": manifest} any number of times, with "rehearse": true for
two batches that leave nothing, and {"stop": seconds}.
The end of stdin is a stop too.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from attrs import define, field

from tlimb.protocol import ipc
from tlimb.protocol.executors import EXECUTE, TRIAL, function

GRACE_S = 15.0


@define(eq=False)
class Warm:
    """The warm parent's state.

    Attributes:
        events: file descriptor that events are written to.
        hello: places and options for the children, as JSON.
        children: process id -> work.
        spawned: processes that were spawned instead of forked, by process id.
        stopping: monotonic time at which the children are killed; None until asked to stop.
        warm: what the children need has been imported.
    """

    events: int
    hello: Mapping[str, Any] = field(factory=dict)
    children: dict[int, str] = field(factory=dict)
    spawned: dict[int, subprocess.Popen[bytes]] = field(factory=dict)
    stopping: float | None = None
    warm: bool = False
    _wake: int = -1

    def serve(self) -> None:
        """Read commands and reap children until told to stop."""
        self._wake = _wake_on_signals(self)
        lines = ipc.Lines(0)
        while not (lines.ended and not self.children):
            sources = [self._wake] if lines.ended else [0, self._wake]
            ready, _, _ = select.select(sources, [], [], 0.5 if self.stopping is not None else None)
            if self._wake in ready:
                os.read(self._wake, 512)
            if 0 in ready:
                for command in lines.read():
                    self.obey(command)
                if lines.ended:
                    self.stop(GRACE_S)
            self.reap()
            if self.stopping is not None and time.monotonic() > self.stopping:
                self.signal_children(signal.SIGKILL)

    def obey(self, command: Mapping[str, Any]) -> None:
        """Do one command."""
        if "hello" in command:
            self.hello = command["hello"]
        elif "run" in command and self.stopping is None:
            self.launch(command["run"], rehearse=bool(command.get("rehearse")))
        elif "stop" in command:
            self.stop(float(command["stop"]))

    def launch(self, manifest: Mapping[str, Any], rehearse: bool = False) -> None:
        """Fork a child for a manifest, or spawn one where a fork would not be safe."""
        task = {"manifest": manifest, "rehearse": rehearse, **self.hello}
        count = threads_of(manifest)
        if not must_spawn(count):
            self._warm_up()
        if must_spawn(count):
            self._spawn(task)
            return
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            run_child(task, self.events, parent)
        self.children[pid] = manifest["work"]

    def _warm_up(self) -> None:
        """Import once, when the first child is to be forked; where all are spawned nothing is imported here."""
        if not self.warm:
            preload(self.hello["modules"])
            self.warm = True

    def _spawn(self, task: Mapping[str, Any]) -> None:
        count = str(threads_of(task["manifest"]))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tlimb.scheduler.worker", str(self.events), str(os.getpid())],
            stdin=subprocess.PIPE,
            pass_fds=(self.events,),
            start_new_session=True,
            env={**os.environ, **dict.fromkeys(ipc.ONE_THREAD, count)},
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(json.dumps(task).encode())
        self.children[process.pid] = task["manifest"]["work"]
        self.spawned[process.pid] = process

    def reap(self) -> None:
        """Report the children that have ended."""
        for pid, work in list(self.children.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del self.children[pid]
                process = self.spawned.pop(pid, None)
                if process is not None:
                    process.returncode = os.waitstatus_to_exitcode(status)
                ipc.send(self.events, {"event": "exit", "work": work, "code": ipc.exit_code(status)})

    def stop(self, grace_s: float) -> None:
        """Ask the children to write a resume point and end; after `grace_s` seconds they are killed."""
        if self.stopping is None:
            self.stopping = time.monotonic() + grace_s
            self.signal_children(signal.SIGTERM)

    def signal_children(self, number: int) -> None:
        """Send a signal to every child and to what it has started."""
        for pid in self.children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)


def preload(modules: list[str]) -> None:
    """Import what the children will need; only our own modules, never a user's."""
    # Nothing that is imported becomes garbage, and looking for it again and again takes a fifth of the time.
    gc.disable()
    for name in (EXECUTE, *modules):
        if name.startswith("tlimb."):
            importlib.import_module(name)
    from tlimb.store.environments import versions

    # Named and not imported: nothing here may load what trains but on behalf of a child.
    importlib.import_module("torch").set_num_threads(1)
    # Every child needs them, and reading the metadata of eight packages costs more than a small prediction.
    versions()
    gc.collect()
    gc.freeze()
    gc.enable()


def threads() -> int:
    """Count this process's threads, as the kernel sees them; 1 where it cannot be asked."""
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208
    except OSError:
        return 1


def threads_of(manifest: Mapping[str, Any]) -> int:
    """Return how many threads a manifest's run computes with; only trainings have more than one."""
    # This process waits for work with as little loaded as possible, and reads nothing else of a manifest.
    return int((manifest["hashed"].get("trainer") or {}).get("threads") or 1)


def must_spawn(count: int) -> bool:
    """Say whether a manifest's run has to be a fresh process: for several threads, or where this one has some.

    A GPU is no reason: this process never opens it, so each child opens it for itself, and saves the imports.
    """
    return threads() != 1 or count > 1


def run_child(task: Mapping[str, Any], events: int, parent: int) -> NoReturn:
    """Be the child: execute one manifest and end with its exit code."""
    code = 70
    try:
        if os.getpid() != os.getsid(0):
            os.setsid()
        ipc.die_with_parent(parent)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        code = work_off(task, events)
    finally:
        os._exit(code)


def work_off(task: Mapping[str, Any], events: int) -> int:
    """Execute a task's manifest, telling its progress and outcome; gives the exit code."""
    from tlimb.manifest import Manifest
    from tlimb.protocol.options import Options, Places

    manifest, places = Manifest.from_json(task["manifest"]), Places.from_json(task["places"])
    _divert(places.private, manifest.work)
    if task.get("rehearse"):
        told = function(TRIAL, "rehearse")(manifest, places, Options.from_json(task["options"]))
        ipc.send(events, {"event": "outcome", "work": manifest.work, **told})
        return int(told["code"])
    ipc.send(events, {"event": "started", "work": manifest.work, "pid": os.getpid()})
    options = Options.from_json(task["options"], progress=lambda event: ipc.send(events, event))
    outcome = function(EXECUTE, "execute")(manifest, places, options)
    ipc.send(
        events,
        {
            "event": "outcome",
            "work": manifest.work,
            "code": outcome.code,
            "reason": outcome.reason,
            "reused": outcome.reused,
        },
    )
    sys.stdout.flush()
    sys.stderr.flush()
    return int(outcome.code)


def _divert(private: Path, work: str) -> None:
    """Send what libraries print to a private file: it may name files."""
    from tlimb.store.disk import private_folder

    private_folder(private / "logs")
    path = private / ipc.log_of(work)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    os.close(nothing)


def _wake_on_signals(warm: Warm) -> int:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: warm.stop(GRACE_S))
    return reading


def main() -> None:
    """Serve until stdin ends."""
    os.environ.update(ipc.QUIET)
    events = os.dup(1)
    os.dup2(2, 1)
    Warm(events).serve()


if __name__ == "__main__":
    main()
