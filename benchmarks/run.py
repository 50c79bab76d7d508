"""`python -m benchmarks.run CASE [repetitions]`: time a case and its peer in the same invocation.

Only ratios within one run mean anything; wall times need a quiet machine, CPU seconds less so.
"""

import os
import sys
import tempfile
from pathlib import Path

from benchmarks import compiling, engines, running, slices

CASES = {
    "validate": compiling.validate,
    "validate-long": compiling.validate_long,
    "gate": compiling.gate,
    "plan": compiling.plan,
    "fork": running.fork,
    "cache": running.cache,
    "grid": slices.grid,
    "volumes-grid": running.grid,
    "emit": engines.emit,
    "engine-grid": engines.grid,
    "engine-stubs": engines.stubs,
}


def main(arguments: list[str]) -> int:
    """Run one case or all of them in folders of their own."""
    if not arguments or arguments[0] not in {*CASES, "all"}:
        print(f"python -m benchmarks.run {'|'.join(CASES)}|all [repetitions]", file=sys.stderr)
        return 64
    chosen = list(CASES) if arguments[0] == "all" else [arguments[0]]
    repetitions = int(arguments[1]) if len(arguments) > 1 else 3
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix=f"tlimb-{name}-") as folder:
            CASES[name](Path(folder), repetitions)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
