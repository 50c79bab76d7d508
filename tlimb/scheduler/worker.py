"""A fresh process for one manifest: `python -P -m tlimb.scheduler.worker EVENTS PARENT`, the task as JSON on stdin."""

import json
import sys

from tlimb.protocol import ipc
from tlimb.scheduler.forkserver import run_child


def main() -> None:
    """Read the task and execute it."""
    events, parent = int(sys.argv[1]), int(sys.argv[2])
    ipc.die_with_parent(parent)
    run_child(json.loads(sys.stdin.buffer.read()), events, parent)


if __name__ == "__main__":
    main()
