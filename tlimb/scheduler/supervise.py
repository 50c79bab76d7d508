"""Work a graph off with a warm parent and at most so many children at once; imports no torch.

The supervisor is the caller's process: it may have threads and a progress display, since it never forks workers.
The warm parent is started when there is something to compute, so a finished study needs no torch at all.

Events given to the observer are JSON objects with `event` and `work`:

- `reused`: the result was in the store already;
- `elsewhere`: with `host`; another run on this store computes it, and it is waited for when nothing else is to do;
- `checking`: with `kinds`: two batches of so many kinds of training are tried first;
- `checked`: two batches were fine; with `works` of this kind and `run_s`, the seconds that
  one of them takes at this pace, None where that is not known;
- `started`: with `pid`;
- `stopping`: without `work`, with `signal`: the children were asked to stop;
- `progress`: with `epoch`, `epochs`, `step`, `steps` (batches);
- `finished`: computed now;
- `failed`: with `code` and `reason` (76: diverged, with a result);
- `skipped`: with `because`, the work that failed;
- `closed`: a select node chose otherwise;
- `yielded`: it stopped itself at the deadline or was interrupted, and can be continued.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from attrs import define, field

from tlimb.manifest import Graph, Manifest
from tlimb.problems import ExitCode
from tlimb.protocol import ipc
from tlimb.protocol.executors import EXECUTE, function
from tlimb.protocol.options import Event, Options, Places
from tlimb.scheduler.graph_state import Agenda, Status, Summary
from tlimb.scheduler.interrupts import SignalledError, signals_raise
from tlimb.scheduler.preload import modules_of
from tlimb.scheduler.similar import kinds, stands_for_all
from tlimb.store import Store
from tlimb.store.claims import Claims
from tlimb.store.disk import private_folder
from tlimb.store.documents import record
from tlimb.store.environments import here, same_only

Observer = Callable[[Event], None]
RESTARTS = 3
GRACE_S = 15.0
CHECK_NOTE = "check.json"
"""Beside the record of the work whose check it was: what was decoded, and how long a run would take."""
POLL_S = 1.0
"""Seconds between two looks at what another run computes."""


def supervise(
    graph: Graph,
    place: Places,
    workers: int = 1,
    options: Options | None = None,
    observer: Observer | None = None,
) -> Summary:
    """Run every node of a graph that is not done, in child processes.

    A failed run never stops its siblings; what needs it is skipped. Once a run could not write (73) nothing more is
    started, since it would train for nothing. SIGINT and SIGTERM stop the children after
    their next optimizer step, with a resume point; a second one kills them.

    Args:
        graph: the nodes.
        place: where things lie.
        workers: children at once, at least 1.
        options: how to run; its two callables are not used.
        observer: called in this thread with every event.

    Returns:
        What became of every node; its `code` is the exit code for the whole.
    """
    return _Supervisor(graph, place, max(1, workers), options or Options(), observer or (lambda _: None)).run()


def run_here(graph: Graph, place: Places, options: Options | None = None, observer: Observer | None = None) -> Summary:
    """Run a graph one by one in this process, for notebooks and tests; torch is imported when it is needed."""
    options, observer = options or Options(), observer or (lambda _: None)
    agenda = Agenda(graph, _store(graph, place, options))
    while True:
        _tell_settled(agenda, observer)
        manifest = next(agenda.ready(), None)
        if manifest is None or _past(options):
            return agenda.summary()
        agenda.start(manifest.work)
        observer({"event": "started", "work": manifest.work, "pid": os.getpid()})
        outcome = function(EXECUTE, "execute")(manifest, place, options)
        agenda.finish(manifest.work, outcome.code, outcome.reason, outcome.reused)
        observer(_ending(manifest.work, outcome.code, outcome.reason, outcome.reused))


@define(eq=False)
class _Supervisor:
    graph: Graph
    place: Places
    workers: int
    options: Options
    observer: Observer
    agenda: Agenda = field(init=False)
    claims: Claims = field(init=False)
    elsewhere: set[str] = field(factory=set, init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    lines: ipc.Lines | None = field(default=None, init=False)
    running: dict[str, float] = field(factory=dict, init=False)
    outcomes: dict[str, dict[str, Any]] = field(factory=dict, init=False)
    kinds: dict[str, list[Manifest]] = field(factory=dict, init=False)
    starts: int = field(default=0, init=False)
    stopped_by: int | None = field(default=None, init=False)

    def run(self) -> Summary:
        store = _store(self.graph, self.place, self.options)
        self.agenda, self.claims = Agenda(self.graph, store), Claims(store)
        try:
            with signals_raise():
                try:
                    self._check()
                    self._loop()
                except SignalledError as error:
                    self.stopped_by = error.number
                    self._wind_down()
        finally:
            self._close()
            self.claims.close()
        return self.agenda.summary(self.stopped_by)

    def _loop(self) -> None:
        while True:
            _tell_settled(self.agenda, self.observer)
            waiting = not _past(self.options) and self._offer()
            if not self.running and not waiting:
                return
            self._listen(POLL_S if waiting else None)

    def _check(self) -> None:
        """Try two batches of each kind of training first, where there are many trainings to do."""
        if not self.options.check or self.options.smoke or _past(self.options):
            return
        self.kinds = {alike[0].work: alike for alike in kinds(self.graph, self.agenda.store)}
        todo = [alike[0] for alike in self.kinds.values()]
        if todo:
            self.observer({"event": "checking", "work": "", "kinds": len(todo)})
        # One at a time: each finds the volumes that the one before has decoded, and none takes another's memory.
        while todo and (self.process is not None or self._start()):
            manifest = todo.pop(0)
            self.running[manifest.work] = time.time()
            self._command({"run": manifest.to_json(), "rehearse": True})
            while self.running:
                self._listen()
        self.kinds = {}

    def _checked(self, work: str, code: int, told: dict[str, Any] | None) -> None:
        """Fail all runs of a kind whose check failed; a check that was fine says how long a batch takes."""
        began = self.running.pop(work, time.time())
        alike = [manifest.work for manifest in self.kinds[work]]
        if told is not None:
            facts = {name: told.get(name) for name in ("code", "run_s", "decoded", "cached")}
            with contextlib.suppress(OSError):
                self.agenda.store.write_note(work, CHECK_NOTE, {**facts, "began": began, "host": socket.gethostname()})
        if told is not None and code == ExitCode.DONE:
            self.observer({"event": "checked", "work": work, "works": alike, "run_s": told.get("run_s")})
        elif stands_for_all(code) and self.stopped_by is None:
            said = told["reason"] if told is not None else _death(work, code)
            for one in alike:
                self.agenda.start(one)
                self._perished(one, code, f"its check of two batches failed: {said}", log_of=work)

    def _offer(self) -> bool:
        """Start what may start, and say whether something is left that another run computes or has just finished."""
        waiting = False
        with contextlib.closing(self.agenda.ready()) as offered:
            while len(self.running) < self.workers and (manifest := next(offered, None)) is not None:
                waiting = self._take(manifest) or waiting
        return waiting

    def _take(self, manifest: Manifest) -> bool:
        """Start a node, or return that another run computes it or has just finished it."""
        host = self.claims.take(manifest.work)
        if host is not None or self.agenda.store.has(manifest.work):
            self._leave(manifest.work, host)
            return True
        if self.process is None and not self._start():
            self._lost(manifest.work, int(ExitCode.INTERNAL), "the warm parent cannot be started")
            return False
        self.agenda.start(manifest.work)
        self.running[manifest.work] = time.time()
        self._command({"run": manifest.to_json()})
        return False

    def _leave(self, work: str, host: str | None) -> None:
        """Leave a work to another run; None for `host` when that has just finished it."""
        self.agenda.look_again(work)
        if host is None:
            self.claims.release(work)
        elif work not in self.elsewhere:
            self.elsewhere.add(work)
            self.observer({"event": "elsewhere", "work": work, "host": host})

    def _start(self) -> bool:
        if self.starts > RESTARTS:
            return False
        self.starts += 1
        log = private_folder(self.place.private / "logs") / "warm.log"
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tlimb.scheduler.forkserver"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=handle,
                start_new_session=True,
                env={**os.environ, **ipc.QUIET},
            )
        finally:
            os.close(handle)
        assert self.process.stdout is not None
        self.lines = ipc.Lines(self.process.stdout.fileno())
        hello = {
            "places": self.place.to_json(),
            "options": self.options.to_json(),
            "modules": modules_of(self.graph),
        }
        self._command({"hello": hello})
        return True

    def _command(self, command: dict[str, Any]) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        # A broken pipe means that the warm parent has ended; that is noticed, and dealt with, when listening.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(command).encode() + b"\n")
            self.process.stdin.flush()

    def _listen(self, timeout: float | None = None) -> None:
        if self.lines is None:
            time.sleep(timeout or 0.0)
            return
        ready, _, _ = select.select([self.lines.handle], [], [], timeout)
        if not ready:
            return
        for event in self.lines.read():
            self._hear(event)
        if self.lines.ended:
            self._bury()

    def _hear(self, event: dict[str, Any]) -> None:
        work = event.get("work", "")
        if event["event"] == "outcome":
            self.outcomes[work] = event
        elif event["event"] == "exit":
            told = self.outcomes.pop(work, None)
            code = int(event["code"])
            if work in self.kinds:
                self._checked(work, code, told)
                return
            if told is None or told["code"] != code:
                self._perished(work, code, _death(work, code), recorded=told is not None)
                return
            self.running.pop(work, None)
            self._end(work, code, str(told["reason"]), bool(told["reused"]))
        elif event["event"] in ("started", "progress"):
            self.observer(event)

    def _end(self, work: str, code: int, reason: str, reused: bool) -> None:
        if self.stopped_by is not None and code >= 128:
            code = int(ExitCode.YIELDED)
        self.claims.release(work)
        self.agenda.finish(work, code, reason, reused)
        self.observer(_ending(work, code, reason, reused))

    def _perished(self, work: str, code: int, reason: str, *, recorded: bool = False, log_of: str = "") -> None:
        """Note the end of a child that could not do so itself, in the work's record too."""
        began = self.running.pop(work, time.time())
        if not recorded:
            self.agenda.store.add_attempt(work, record.ended(began, code, reason, log=ipc.log_of(log_of or work)))
        self._end(work, code, reason, False)

    def _lost(self, work: str, code: int, reason: str) -> None:
        self.agenda.start(work)
        self._end(work, code, reason, False)

    def _bury(self) -> None:
        """The warm parent has ended though it was not asked to: its children died with it."""
        assert self.process is not None
        code = self.process.wait()
        self._close()
        for work in sorted(self.running):
            if work in self.kinds:
                self.running.pop(work)
            else:
                self._perished(work, 128 - code if code < 0 else int(ExitCode.INTERNAL), "the warm parent ended")

    def _wind_down(self) -> None:
        """Let the children write their resume points; a second signal kills them."""
        if self.process is None:
            return
        self.observer({"event": "stopping", "signal": self.stopped_by})
        self._command({"stop": GRACE_S})
        limit = time.monotonic() + GRACE_S + 5.0
        try:
            while self.running and time.monotonic() < limit:
                self._listen(0.5)
        except SignalledError:
            self._close(kill=True)
        for work in sorted(set(self.running) - set(self.kinds)):
            self._perished(work, int(ExitCode.YIELDED), "it was interrupted, and killed before it had saved")

    def _close(self, kill: bool = False) -> None:
        process, self.process, self.lines = self.process, None, None
        if process is None:
            return
        if kill:
            process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(GRACE_S + 5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _store(graph: Graph, place: Places, options: Options) -> Store:
    """Open the store as it counts for this run: all that is in it, or only what this environment has computed."""
    return same_only(place.store, here(place.private, graph)) if options.same_environment else Store(place.store)


def _tell_settled(agenda: Agenda, observer: Observer) -> None:
    for manifest in agenda.settle():
        work = manifest.work
        status = agenda.status[work]
        if status is Status.DONE:
            observer({"event": "reused", "work": work})
        elif status is Status.SKIPPED:
            observer({"event": "skipped", "work": work, "because": agenda.because[work]})
        elif status is Status.CLOSED:
            observer({"event": "closed", "work": work})
        else:
            failure = agenda.failed[work]
            observer({"event": "failed", "work": work, "code": failure.code, "reason": failure.reason})


def _ending(work: str, code: int, reason: str, reused: bool) -> Event:
    if code == ExitCode.DONE:
        return {"event": "reused" if reused else "finished", "work": work}
    if code == ExitCode.YIELDED:
        return {"event": "yielded", "work": work, "reason": reason}
    return {"event": "failed", "work": work, "code": code, "reason": reason}


def _death(work: str, code: int) -> str:
    log = f"its last words are in {ipc.log_of(work)[:21]}*.log of the private folder"
    if code == 128 + signal.SIGKILL:
        return f"killed; most often because memory ran out; {log}"
    if code > 128:
        return f"ended by signal {code - 128}; {log}"
    return f"ended with exit code {code} without a word; {log}"


def _past(options: Options) -> bool:
    return options.deadline is not None and time.time() >= options.deadline
