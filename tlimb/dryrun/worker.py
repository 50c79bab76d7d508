"""The process of `tlimb.dryrun.subprocess`: `python -P -m tlimb.dryrun.worker FD`, the request as JSON on stdin."""

import json
import os
import sys
from typing import Any

from tlimb.dryrun import subprocess as apart
from tlimb.manifest import canonical


def main() -> None:
    """Read the request, check, and answer a JSON object a line on a descriptor of its own."""
    answers = int(sys.argv[1])

    def answer(value: Any) -> None:
        line = (canonical(value) + "\n").encode()
        while line:
            line = line[os.write(answers, line) :]

    groups, places = apart.read_request(json.loads(sys.stdin.buffer.read()))
    from tlimb.dryrun.check import check

    report = check(groups, places, lambda done, total: answer({"done": done, "all": total}))
    answer({"report": apart.write_report(report)})
    # Libraries that this loaded talk and crash when Python takes itself down; nothing is left to do.
    os._exit(0)


if __name__ == "__main__":
    main()
