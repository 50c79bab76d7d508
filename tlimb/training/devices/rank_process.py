"""A process for one more device: `python -P -m tlimb.training.devices.rank_process PARENT`, the task as JSON on stdin.

It trains as the first process does and writes nothing: no resume point, no result, no record. When to stop is said
by the first process, after a step; when that ends, this one does.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from tlimb.protocol import ipc


def main() -> None:
    """Read the task and train."""
    ipc.die_with_parent(int(sys.argv[1]))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    code = 70
    try:
        code = work(json.loads(sys.stdin.buffer.read()))
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def work(task: Mapping[str, Any]) -> int:
    """Train as one of several; gives the exit code, 0 also where the first process has to say how it ended."""
    from tlimb.manifest import Manifest
    from tlimb.problems import TlimbError
    from tlimb.protocol.options import DivergedError, Options, Places, YieldError
    from tlimb.store import Store
    from tlimb.training.devices.distributed import Team
    from tlimb.training.job import Job
    from tlimb.training.prepare import prepare
    from tlimb.training.run import Run

    places = Places.from_json(task["places"])
    job = Job(Manifest.from_json(task["manifest"]), Store(places.store), places, Options.from_json(task["options"]))
    try:
        team = Team(**task["team"])
        Run(job, team, prepare(job, team)).train()
    except (YieldError, DivergedError):
        return 0
    except TlimbError as error:
        traceback.print_exc()
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    main()
