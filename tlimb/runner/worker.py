"""A fresh process for one manifest: `python -P -m tlimb.runner.worker EVENTS PARENT`, the task as JSON on stdin."""

import json
import sys

from tlimb.runner import wire
from tlimb.runner.warm import run_child


def main() -> None:
    """Read the task and execute it."""
    events, parent = int(sys.argv[1]), int(sys.argv[2])
    wire.die_with_parent(parent)
    run_child(json.loads(sys.stdin.buffer.read()), events, parent)


if __name__ == "__main__":
    main()
