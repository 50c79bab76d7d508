"""JSON lines over pipes between supervisor, warm parent and children, and what every process of a run sets."""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 3500
"""Bytes of a line: less than PIPE_BUF, so that lines of several writers never mix."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
QUIET = {
    **ONE_THREAD,
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONSAFEPATH": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "KINETO_LOG_LEVEL": "5",
}
"""Environment of the warm parent and its children; threads are set before anything is imported."""
PR_SET_PDEATHSIG = 1


def log_of(work: str) -> str:
    """Give the file in the private folder that holds what a run's libraries print."""
    return f"logs/{work}.log"


def send(handle: int, event: Mapping[str, Any]) -> None:
    """Write one event as one line, in one piece."""
    line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
    if len(line) > LONGEST and "reason" in event:
        room = max(0, LONGEST - (len(line) - len(json.dumps(event["reason"]))) - 100)
        line = json.dumps({**event, "reason": str(event["reason"])[: room // 6]}).encode() + b"\n"
    os.write(handle, line)


class Lines:
    """Whole lines out of what a pipe gives."""

    def __init__(self, handle: int) -> None:
        """Read from a file descriptor."""
        self.handle = handle
        self.ended = False
        self._rest = b""

    def read(self) -> Iterator[dict[str, Any]]:
        """Give the JSON objects of one read; at the end of the stream `ended` is set."""
        part = os.read(self.handle, 1 << 16)
        self.ended = not part
        *whole, self._rest = (self._rest + part).split(b"\n")
        for line in whole:
            if line.strip():
                yield json.loads(line)


def die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent ends, whatever ended it."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def exit_code(status: int) -> int:
    """Give the exit code of a wait status: 128 + n after signal n."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
