"""Runs started, waited for, and ended without mercy."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from studies import environment


def start(project, *words):
    """Start a run in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tlimb", "run", project.path.name, "-j", "2", *words],
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(process, ready, limit=120):
    """Wait until something is so while a process lives."""
    end = time.monotonic() + limit
    while not ready():
        assert process.poll() is None, f"it ended too early: {process.communicate()[0]}"
        assert time.monotonic() < end, "it never came so far"
        time.sleep(0.01)


def tree(pid):
    """Give a process and all its descendants, also those in sessions of their own."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def kill_all(process):
    """End a process and everything below it as `kill -9` does; give how many there were."""
    found = tree(process.pid)
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    return len(found)
