"""In which environment finished work was computed, and whether that is this one; never loads torch.

Versions of packages are asked here and now. What only torch can tell of this machine, such as the processor's
capability or the GPU, is what the last run on this host has told; before the first one it is not compared.
"""

import json
import platform
import socket
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from attrs import frozen

from tlimb.describe.installed import RECORDED
from tlimb.manifest import Fit, Graph, Predict, canonical
from tlimb.manifest.contents import CONTENTS
from tlimb.store import disk
from tlimb.store.documents.result import Result
from tlimb.store.store import Store

FILE = "environment.json"

Facts = Mapping[str, Any]


@cache
def versions() -> Mapping[str, Any]:
    """Give Python, the processor's kind, and the packages that decide bits; None for one that is not installed."""
    found: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


@frozen
class Here:
    """The environments that a run may have on this machine.

    Attributes:
        by_device: `cpu`, `cuda` -> what is known of the environment there.
        on_cpu: works that run on the CPU although there is a GPU.
    """

    by_device: Mapping[str, Facts]
    on_cpu: frozenset[str] = frozenset()

    def differences(self, work: str, result: Result) -> dict[str, tuple[Any, Any]]:
        """Return what differs between a result's environment and the one that its run would have here: then, now."""
        then = result.environment
        now = self._expected(work, result.kind)
        return {key: (then.get(key), value) for key, value in sorted(now.items()) if then.get(key) != value}

    def _expected(self, work: str, kind: str) -> Facts:
        on_device = any(one.kind == kind and one.on_device for one in CONTENTS.values()) and work not in self.on_cpu
        device = "cuda" if on_device and "cuda" in self.by_device else "cpu"
        return self.by_device.get(device, {})


def here(private: Path, graph: Graph | None = None) -> Here:
    """Give the environments of this machine, as far as they are known without torch.

    Args:
        private: folder that remembers what runs have told.
        graph: the plan, which says what is pinned to the CPU; None for nothing.
    """
    told = _read(private).get(socket.gethostname(), {})
    now = versions()
    by_device = {device: {**facts, **now} for device, facts in told.items()} or {"cpu": dict(now)}
    return Here(by_device, on_cpu(graph) if graph is not None else frozenset())


def on_cpu(graph: Graph) -> frozenset[str]:
    """Give the fits that are pinned to the CPU, and the tests of such fits."""
    if not any(fit.trainer.pinned_to_cpu for _, fit in graph.distinct(Fit, "trainer")):
        return frozenset()
    fits = {node.work for node, fit in graph.of(Fit) if fit.trainer.pinned_to_cpu}
    return frozenset(fits | {node.work for node, test in graph.of(Predict) if test.model in fits})


def remember(private: Path, by_device: Mapping[str, Facts]) -> None:
    """Keep what runs on this host have told of their environments."""
    known = _read(private)
    host = socket.gethostname()
    before = known.get(host, {})
    known[host] = {**before, **by_device}
    if known[host] == before:
        return
    disk.write_atomically(private / FILE, canonical(known).encode(), 0o600)


def told_by(store: Store, works: Iterable[str]) -> dict[str, Facts]:
    """Give the environments that some results were computed in, by device."""
    found: dict[str, Facts] = {}
    for work in works:
        result = store.glance(work)
        if result is not None and result.device is not None:
            found[result.device] = result.environment
    return found


def same_only(root: Path, here: Here) -> Store:
    """Open a store in which only what was computed in this environment, from such parents, counts as done."""
    plain = Store(root)

    def accepts(work: str, result: Result) -> bool:
        if here.differences(work, result):
            return False
        found = ((plain.glance(parent), digest) for parent, digest in plain.record(work).parents.items())
        return all(digest == (None if parent is None else parent.digest) for parent, digest in found)

    return Store(root, accepts=accepts)


def _read(private: Path) -> dict[str, Any]:
    try:
        found = json.loads(disk.read(private / FILE))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
