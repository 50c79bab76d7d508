"""Processes timed from outside: CPU seconds of the whole tree, wall seconds, peak memory."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

PYTHON = sys.executable
TLIMB = str(Path(sys.executable).with_name("tlimb"))


@frozen
class Cost:
    """What one run of a command took.

    Attributes:
        cpu: user and system seconds of the process and of all descendants that were waited for.
        wall: seconds on the clock.
        memory_gb: largest resident memory of one process.
    """

    cpu: float
    wall: float
    memory_gb: float


def cost(command: Sequence[str], cwd: Path, **environment: str) -> Cost:
    """Run a command quietly and give its cost; the benchmark ends when it fails."""
    begin = time.monotonic()
    process = subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    errors = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{errors[-3000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - begin, usage.ru_maxrss / 1e6)


def total(costs: Sequence[Cost]) -> Cost:
    """Add up processes that ran one after the other."""
    return Cost(sum(c.cpu for c in costs), sum(c.wall for c in costs), max(c.memory_gb for c in costs))


def best(costs: Sequence[Cost]) -> Cost:
    """Give the smallest of each figure: noise only ever adds."""
    return Cost(min(c.cpu for c in costs), min(c.wall for c in costs), max(c.memory_gb for c in costs))


def against(
    name: str, ours: Callable[[int], Cost], peer: Callable[[int], Cost], repetitions: int, goal: str
) -> tuple[Cost, Cost]:
    """Run both sides in turns and print the ratios."""
    owns, others = [], []
    for turn in range(repetitions):
        # In turns, and with the order reversed each time, so that neither side always finds a warmer machine.
        for side, found in ((ours, owns), (peer, others))[:: 1 if turn % 2 else -1]:
            found.append(side(turn))
    own, other = best(owns), best(others)
    print(f"{name}")
    for label, found in (("tlimb", own), ("peer", other)):
        print(f"  {label:6} cpu {found.cpu:8.2f} s   wall {found.wall:8.2f} s   memory {found.memory_gb:5.2f} GB")
    print(f"  ratio  cpu {own.cpu / other.cpu:8.3f}     wall {own.wall / other.wall:8.3f}     goal: {goal}")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"  best of {repetitions}, {os.cpu_count()} cores, load {load}", flush=True)
    return own, other
