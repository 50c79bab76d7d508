"""`make demo`: the whole way once, with the seconds of each step.

A three-site phantom cohort, then validate, plan, run and rank as a person would type them, in the folder demo/.
The second time every result is in the store and nothing is computed.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "demo"
SPEC = "pretrain-finetune.yaml"
COHORT = Path("data") / "population"
PEOPLE = 480
TLIMB = Path(sys.executable).with_name("tlimb")


def main() -> int:
    """Run the steps; the first that fails ends the demo with its exit code."""
    FOLDER.mkdir(exist_ok=True)
    seconds = {"install": _install_seconds()}
    shutil.copyfile(ROOT / "specs" / SPEC, FOLDER / SPEC)
    steps = {
        "phantom": ["phantom", str(COHORT), "--participants", str(PEOPLE), "--sites", "3", "--families", "0.3",
                    "--voxel-mm", "8", "--seed", "2024"],
        "validate": ["validate", SPEC],
        "plan": ["plan", SPEC, "-o", "plan"],
        "run": ["run", SPEC, "--workers", "2"],
        "rank": ["rank", SPEC, "-o", "report"],
    }  # fmt: skip
    for name, arguments in steps.items():
        begin = time.monotonic()
        if name != "phantom" or not _has_cohort(arguments):
            print(f"\n$ tlimb {' '.join(arguments)}", flush=True)
            code = subprocess.run([TLIMB, *arguments], cwd=FOLDER, check=False).returncode
            if code:
                print(f"the demo stopped at `tlimb {name}` (exit code {code})", file=sys.stderr)
                return code
            if name == "phantom":
                (FOLDER / "phantom.json").write_text(json.dumps(arguments), encoding="utf-8")
        seconds[name] = time.monotonic() - begin
    _farewell(seconds)
    return 0


def _install_seconds() -> float:
    """Give what `make setup` took, if this very `make demo` made the environment; else 0."""
    stamp = Path(sys.executable).parent.parent / ".tlimb-setup"
    fresh = stamp.is_file() and time.time() - stamp.stat().st_mtime < 30
    return float(stamp.read_text() or 0) if fresh else 0.0


def _has_cohort(arguments: list[str]) -> bool:
    done = FOLDER / "phantom.json"
    return (FOLDER / COHORT).is_dir() and done.is_file() and json.loads(done.read_text()) == arguments


def _farewell(seconds: dict[str, float]) -> None:
    print("\nseconds: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()), end="")
    print(f"; together {sum(seconds.values()):.1f}")
    print(f"pictures: {FOLDER.name}/report/learning-curves.png, {FOLDER.name}/report/slices.png")
    print("""
next, in the folder demo/ (with ../.venv/bin on the PATH):
  tlimb plan pretrain-finetune.yaml                     what was shared, what is done
  tlimb plan pretrain-finetune.yaml --format mermaid    the graph
  change a learning rate in the spec, then
  tlimb plan pretrain-finetune.yaml --diff              what that makes new, and why
  tlimb run pretrain-finetune.yaml                      computes only that
  ../specs/                                             more studies to start from""")


if __name__ == "__main__":
    sys.exit(main())
