"""Running: a grid against a hand-written script, a warm fork against a cold start, the cache against decoding."""

import subprocess
from itertools import product
from pathlib import Path

from benchmarks.measure import PYTHON, TLIMB, Cost, against, cost, total

HERE = Path(__file__).resolve().parent
PEOPLE = 120
RATES = ("1e-4", "1e-3", "1e-2")

GRID = """
tlimb: 1
name: grid
params: {{lr: {{choice: [{rates}]}}}}
datasets:
  people:
    files: {{phantom: {{folder: data/population}}}}
    portions: {{source: 0.6, target: 0.4}}
  source: {{like: people, portion: source, split: {{holdout: {{train: 0.8, val: 0.2}}}}}}
  target: {{like: people, portion: target, split: {{holdout: {{train: 0.6, val: 0.2, test: 0.2}}}}}}
defaults:
  data: {{bio_image: {{spacing_mm: 8, crop: [20, 24, 20], intensity: zscore}}}}
  architecture:
    compare:
      resnet: {{resnet3d: {{depth: 10, filters: 8}}}}
      sfcn: {{sfcn: {{channels: [8, 16, 32, 32]}}}}
  optimizer: {{adamw: {{lr: {{param: lr}}}}}}
  trainer: {{epochs: 2, batch_size: 16}}
stages:
  pretrain: {{dataset: source, objective: {{regression: {{target: age}}}}}}
  finetune:
    from: pretrain
    dataset: target
    objective: {{classification: {{target: sex}}}}
    auxiliary: {{compare: {{{penalties}}}}}
    trainer: {{epochs: 1}}
tests: {{held_out: {{of: finetune, which: all}}}}
report: {{metrics: [accuracy]}}
"""


def _grid(folder: Path, penalties: str = "free: none, elastic: {l2_sp: {alpha: 0.1}}") -> Path:
    spec = folder / "grid.yaml"
    spec.write_text(GRID.format(rates=", ".join(RATES), penalties=penalties), encoding="utf-8")
    return spec


def grid(folder: Path, repetitions: int) -> None:
    """Time 2 networks x 3 rates x 2 penalties, from an empty store and cache, then one variant more."""
    cost([TLIMB, "phantom", "data/population", "-n", str(PEOPLE), "--families", "0"], folder)

    def ours(turn: int, name: str = "store") -> Cost:
        spec = _grid(folder)
        return cost([TLIMB, "run", spec.name, "--store", f"{name}-{turn}", "--workers", "2"], folder)

    def peer(_: int) -> Cost:
        # One process a configuration, as a shell loop or an array job would start it.
        script = [PYTHON, str(HERE / "handwritten.py")]
        return total(
            [
                cost([*script, network, rate, penalty], folder, OMP_WAIT_POLICY="PASSIVE")
                for network, rate, penalty in product(("resnet3d", "sfcn"), RATES, ("0", "0.1"))
            ]
        )

    own, _ = against("grid: 12 configurations against a hand-written script", ours, peer, repetitions, "cpu <= 0.36")
    penalties = "free: none, elastic: {l2_sp: {alpha: 0.1}}, stiff: {l2_sp: {alpha: 1.0}}"
    spec = _grid(folder, penalties)
    more = cost([TLIMB, "run", spec.name, "--store", "store-0", "--workers", "2"], folder)
    print(f"  one more penalty (6 finetunings): cpu {more.cpu:.2f} s, {more.cpu / own.cpu:.3f} of the grid")


def fork(folder: Path, repetitions: int) -> None:
    """Time a forked worker's readiness against a cold start of the same imports."""
    imports = "import torch, lightning, timm, monai, tlimb.training.execute"
    warm = f"""
import os, time
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
{imports}
torch.set_num_threads(1)
spent = []
for _ in range(10):
    begin, (out, into) = time.monotonic(), os.pipe()
    if not (child := os.fork()):
        torch.zeros(1).sum()
        os.write(into, b"!")
        os._exit(0)
    os.read(out, 1)
    spent.append(time.monotonic() - begin)
    os.waitpid(child, 0), os.close(out), os.close(into)
print(min(spent))
"""
    ready = [float(subprocess.check_output([PYTHON, "-c", warm], cwd=folder)) for _ in range(repetitions)]
    cold = [cost([PYTHON, "-c", imports], folder) for _ in range(repetitions)]
    own, other = min(ready), min(c.wall for c in cold)
    print("fork: a forked worker that has run one operation, against a cold start of the same imports")
    print(f"  tlimb  wall {own:8.4f} s\n  peer   wall {other:8.4f} s\n  ratio  {own / other:.4f}     goal: <= 0.1")


def cache(folder: Path, repetitions: int) -> None:
    """Time an epoch over cached volumes against one over MONAI's uncached dataset, in one process each."""
    cost([TLIMB, "phantom", "data/population", "-n", "60", "--families", "0", "--voxel-mm", "4"], folder)
    command = [PYTHON, str(HERE / "volumes.py")]
    for _ in range(repetitions):
        print(subprocess.check_output([*command], cwd=folder, text=True), end="", flush=True)
