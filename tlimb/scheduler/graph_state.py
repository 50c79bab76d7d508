"""Which node of a graph may run next, and what became of each; knows no process and no torch."""

import heapq
from collections.abc import Generator, Iterator, Mapping
from enum import StrEnum

from attrs import define, field, frozen

from tlimb.manifest import Gate, Graph, Kind, Manifest, Prepare, digest
from tlimb.manifest.parsing import NewerFormatError
from tlimb.problems import ExitCode
from tlimb.store import Store


class Status(StrEnum):
    """What became of a node.

    `closed`: a select node chose otherwise, so it is not wanted. `skipped`: it cannot run because another failed.
    """

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DIVERGED = "diverged"
    FAILED = "failed"
    SKIPPED = "skipped"
    CLOSED = "closed"


OVER = frozenset(Status) - {Status.WAITING, Status.RUNNING}


@frozen
class Failure:
    """Exit code and public reason of a run that did not end well."""

    code: int
    reason: str


@frozen
class Summary:
    """What became of a graph.

    Attributes:
        computed: works that were computed now.
        reused: works whose result was there already.
        failed: work -> how it failed; diverged works are among them, with code 76.
        skipped: work -> the work whose failure is the reason.
        closed: gated works that no select node chose.
        pending: works that were not finished: they yielded at the deadline, were interrupted, or never started.
        signal: number of the signal that ended the run; None for none.
    """

    computed: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    failed: Mapping[str, Failure] = field(factory=dict)
    skipped: Mapping[str, str] = field(factory=dict)
    closed: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    signal: int | None = None

    @property
    def done(self) -> tuple[str, ...]:
        """Give all works that have a good result, computed now or before."""
        return (*self.computed, *self.reused)

    @property
    def code(self) -> int:
        """Return the exit code of the whole.

        It is that of the signal, 73 where a run could not write, that of the failures when they agree, or 75 for
        unfinished.
        """
        if self.signal is not None:
            return 128 + self.signal
        codes = {failure.code for failure in self.failed.values()}
        if ExitCode.CANNOT_WRITE in codes:
            return int(ExitCode.CANNOT_WRITE)
        if codes:
            return codes.pop() if len(codes) == 1 else int(ExitCode.FINDINGS)
        return int(ExitCode.YIELDED if self.pending else ExitCode.DONE)


@define(eq=False)
class Agenda:
    """The state of every node of a graph while it is worked off.

    Attributes:
        graph: the nodes.
        store: tells what is done already; every byte of it is verified.
        status: work -> what became of it so far.
        failed: work -> how it failed.
        because: skipped work -> the work that failed.
        reused: works whose result was there already.
        computed: works that were computed now.
        yielded: works that stopped themselves and can be continued later.
        running: works that are being computed.
        full: a run could not write, so nothing that is started now would end well.
    """

    graph: Graph
    store: Store
    status: dict[str, Status] = field(init=False)
    failed: dict[str, Failure] = field(factory=dict, init=False)
    because: dict[str, str] = field(factory=dict, init=False)
    reused: list[str] = field(factory=list, init=False)
    computed: list[str] = field(factory=list, init=False)
    yielded: set[str] = field(factory=set, init=False)
    running: set[str] = field(factory=set, init=False)
    full: bool = field(default=False, init=False)
    _chosen: dict[str, int | None] = field(factory=dict, init=False)
    _place: dict[str, int] = field(init=False)
    _dependents: dict[str, list[str]] = field(factory=dict, init=False)
    _changed: list[int] = field(init=False)
    _free: set[int] = field(factory=set, init=False)
    _queue: list[int] = field(factory=list, init=False)
    """A heap that holds every free place, and others that were free once: those are dropped when they come up."""
    _works: list[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start with everything waiting, and everything to be looked at."""
        self._works = [manifest.work for manifest in self.graph]
        self.status = dict.fromkeys(self._works, Status.WAITING)
        self._place = {work: place for place, work in enumerate(self._works)}
        for manifest in self.graph:
            for needed in dict.fromkeys(self.graph.needed(manifest)):
                self._dependents.setdefault(needed, []).append(manifest.work)
        self._changed = list(range(len(self._works)))
        for manifest in self.graph:
            for select in {gate.select for gate in manifest.gates}:
                if select not in self._place:
                    self._look_up(select)

    def _look_up(self, select: str) -> None:
        """Learn from the store what a selection outside the graph chose: an engine starts one node at a time."""
        result = self.store.result(select, expected=True)
        self.status[select] = Status.FAILED if result is None else Status.DONE
        self._chosen[select] = None if result is None else result.chosen

    def settle(self) -> Iterator[Manifest]:
        """Decide what can be decided without running anything; gives every node that is over by that.

        Only nodes are looked at for which something has changed, so a large graph costs no more than its edges.
        """
        while self._changed:
            place = heapq.heappop(self._changed)
            manifest = self.graph.nodes[self._works[place]]
            if self.status[manifest.work] is not Status.WAITING:
                continue
            if self._settle(manifest):
                yield manifest
            elif self._may_start(manifest):
                self._free.add(place)
                heapq.heappush(self._queue, place)

    def ready(self) -> Generator[Manifest]:
        """Go through the nodes that may start now, in the graph's order; to be asked after `settle`.

        What is not started is offered again. Taking the first few costs no look at those behind them.
        """
        running = (self.graph.nodes[work] for work in self.running)
        preparing = {self._data(manifest) for manifest in running if manifest.kind is Kind.PREPARE}
        offered: list[int] = []
        try:
            while self._queue and not self.full:
                place = heapq.heappop(self._queue)
                manifest = self.graph.nodes[self._works[place]]
                if place not in self._free or place in offered[-1:]:
                    continue
                if self.status[manifest.work] is not Status.WAITING or manifest.work in self.yielded:
                    self._free.discard(place)
                    continue
                offered.append(place)
                if manifest.kind is Kind.PREPARE:
                    # Two fills of one recipe at once would decode the images that they share twice.
                    if self._data(manifest) in preparing:
                        continue
                    preparing.add(self._data(manifest))
                yield manifest
        finally:
            for place in offered:
                heapq.heappush(self._queue, place)

    def look_again(self, work: str) -> None:
        """Look at a waiting node once more with the next `settle`: another run may have finished it."""
        self._free.discard(self._place[work])
        heapq.heappush(self._changed, self._place[work])

    def start(self, work: str) -> None:
        """Note that a node is running."""
        self.status[work] = Status.RUNNING
        self.running.add(work)

    def finish(self, work: str, code: int, reason: str = "", reused: bool = False) -> None:
        """Note how a running node ended."""
        self.running.discard(work)
        if code == ExitCode.DONE:
            self._succeed(work, reused)
        elif code == ExitCode.YIELDED:
            self.status[work] = Status.WAITING
            self.yielded.add(work)
        else:
            self.full = self.full or code == ExitCode.CANNOT_WRITE
            self._fail(work, code, reason)

    def _fail(self, work: str, code: int, reason: str) -> None:
        self.failed[work] = Failure(code, reason)
        self._set(work, Status.DIVERGED if code == ExitCode.DIVERGED else Status.FAILED)

    def over(self, works: tuple[str, ...]) -> bool:
        """Say whether nothing more will happen to these nodes; those outside the graph count as over."""
        return all(self.status.get(work, Status.DONE) in OVER for work in works)

    def summary(self, signal: int | None = None) -> Summary:
        """Give what became of everything."""
        pending = tuple(work for work in self._works if self.status[work] not in OVER)
        closed = tuple(work for work in self._works if self.status[work] is Status.CLOSED)
        return Summary(
            tuple(self.computed), tuple(self.reused), dict(self.failed), dict(self.because), closed, pending, signal
        )

    def _succeed(self, work: str, reused: bool) -> None:
        (self.reused if reused else self.computed).append(work)
        if work in self.graph.nodes and self.graph.nodes[work].kind is Kind.SELECT:
            result = self.store.result(work, expected=True)
            self._chosen[work] = None if result is None else result.chosen
        self._set(work, Status.DONE)

    def _set(self, work: str, status: Status) -> None:
        """Note what became of a node, and that those which wait for it have to be looked at."""
        self.status[work] = status
        for dependent in self._dependents.get(work, ()):
            heapq.heappush(self._changed, self._place[dependent])

    @staticmethod
    def _data(manifest: Manifest) -> str:
        return digest(manifest.as_a(Prepare).data.to_json())

    def _may_start(self, manifest: Manifest) -> bool:
        """Say whether all that the node waits for is over; one open gate is enough."""
        gates = not manifest.gates or any(self._open(gate) for gate in manifest.gates)
        return gates and self.over((*manifest.parents, *manifest.after))

    def _open(self, gate: Gate) -> bool:
        return self.status.get(gate.select) is Status.DONE and self._chosen.get(gate.select) == gate.candidate

    def _settle(self, manifest: Manifest) -> bool:
        return self._settle_gates(manifest) or self._settle_parents(manifest) or self._settle_done(manifest)

    def _settle_gates(self, manifest: Manifest) -> bool:
        gates = manifest.gates
        if not gates or any(self._open(gate) for gate in gates):
            return False
        if not self.over(tuple(gate.select for gate in gates)):
            return False
        broken = [gate.select for gate in gates if self.status.get(gate.select) is not Status.DONE]
        broken = [work for work in broken if self.status.get(work) is not Status.CLOSED]
        if broken:
            self._skip(manifest, broken[0])
        else:
            self._set(manifest.work, Status.CLOSED)
        return True

    def _settle_parents(self, manifest: Manifest) -> bool:
        """Skip a node whose parent cannot give anything; what has diverged still is an answer to some."""
        if manifest.gates and not any(self._open(gate) for gate in manifest.gates):
            # Whether it is wanted at all comes first.
            return False
        for parent in manifest.parents:
            status = self.status.get(parent)
            if any(self.status.get(work) is Status.DIVERGED for work in manifest.lineage.get(parent, ())):
                # It will never be there: a candidate like one that has diverged itself.
                continue
            if status is Status.CLOSED:
                self._set(manifest.work, Status.CLOSED)
                return True
            diverged = status is Status.DIVERGED and parent not in manifest.content.tolerated
            if diverged or status in (Status.FAILED, Status.SKIPPED):
                self._skip(manifest, parent)
                return True
        return False

    def _settle_done(self, manifest: Manifest) -> bool:
        """Look once whether the result is there already, when its turn has come."""
        if not self._may_start(manifest):
            return False
        try:
            found = self.store.result(manifest.work)
        except NewerFormatError as error:
            # It is this node that cannot be read, not the store that cannot be written.
            self._fail(manifest.work, int(error.exit_code), error.line)
            return True
        if found is None:
            return False
        if found.done:
            self._succeed(manifest.work, reused=True)
        else:
            self.finish(manifest.work, int(ExitCode.DIVERGED), found.why)
        return True

    def _skip(self, manifest: Manifest, culprit: str) -> None:
        self.because[manifest.work] = self.because.get(culprit, culprit)
        self._set(manifest.work, Status.SKIPPED)
