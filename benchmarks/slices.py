"""The grid that the promise is about: 12 configurations on slices, against a hand-written script.

300 people to pretrain on (age), 75 to finetune and 100 to test on (sex), one picture of 96 x 96 each; ResNet-18 and a
vision transformer of 6 blocks; 3 learning rates, which both stages share, so that 6 of the 12 pretrainings are
distinct; with and without a penalty towards the pretrained weights; 2 epochs, then 1.

What can be gained depends on the processor: sharing bounds the ratio by (6 P + 12 F) / (12 P + 12 F) for seconds P of a
pretraining and F of a finetuning with its test, and only what a start costs beside them brings it below that. The
goals were set on a processor with AVX-512; one without computes these networks more than twice as slowly.
"""

import csv
import random
import shutil
from array import array
from itertools import product
from pathlib import Path

from benchmarks.measure import PYTHON, TLIMB, Cost, against, cost, total

HERE = Path(__file__).resolve().parent
PEOPLE, SIZE = {"source": 300, "target": 175}, 96
NETWORKS, RATES, PENALTIES = ("resnet", "vit"), ("1e-4", "1e-3", "1e-2"), ("0", "0.1")

STUDY = """
tlimb: 1
name: slices
code: [lab]
params: {{lr: {{choice: [{rates}]}}}}
datasets:
  source:
    files: {{table: {{file: data/source.csv, image: "data/{{participant_id}}.npy"}}}}
    split: {{holdout: {{train: rest}}}}
  target:
    files: {{table: {{file: data/target.csv, image: "data/{{participant_id}}.npy"}}}}
    split: {{holdout: {{train: 75, test: 100}}}}
defaults:
  data: {{slices_2d: {{region: all}}}}
  architecture: {{compare: {{resnet: {{timm: {{model: resnet18}}}}, vit: small_nets.vit.SmallViT}}}}
  optimizer: {{adamw: {{lr: {{param: lr}}}}}}
  trainer: {{epochs: 2, batch_size: 32}}
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
BOTH = "free: none, elastic: {l2_sp: {alpha: 0.1}}"
ONE_MORE = BOTH + ", stiff: {l2_sp: {alpha: 1.0}}"


def people(folder: Path) -> None:
    """Write the pictures: noise whose contrast goes with age, so that there is something to fit."""
    draw = random.Random(2024)
    (folder / "data").mkdir()
    for name, count in PEOPLE.items():
        with (folder / "data" / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("participant_id", "age", "sex"))
            for number in range(count):
                person, age = f"{name}{number:03d}", draw.uniform(20, 80)
                table.writerow((person, f"{age:.1f}", draw.choice("FM")))
                _picture(folder / "data" / f"{person}.npy", [draw.gauss(1.0, age / 50) for _ in range(SIZE * SIZE)])


def _picture(path: Path, values: list[float]) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({SIZE}, {SIZE}), }}".ljust(117) + "\n"
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    path.write_bytes(start + array("f", values).tobytes())


def study(folder: Path, penalties: str = BOTH) -> Path:
    """Write the spec, with the networks of a laboratory of its own beside it."""
    spec = folder / "slices.yaml"
    spec.write_text(STUDY.format(rates=", ".join(RATES), penalties=penalties), encoding="utf-8")
    shutil.copytree(HERE / "lab", folder / "lab", dirs_exist_ok=True)
    return spec


def run(folder: Path, store: str, penalties: str = BOTH) -> Cost:
    """Run the study with two workers."""
    spec = study(folder, penalties)
    command = [TLIMB, "run", spec.name, "--store", store, "--workers", "2", "--allow", "small_nets"]
    return cost(command, folder, OMP_WAIT_POLICY="PASSIVE")


def handwritten(folder: Path, penalties: tuple[str, ...] = PENALTIES) -> Cost:
    """Run the script once a configuration, as a shell loop or an array job would start it."""
    script = [PYTHON, str(HERE / "handwritten_slices.py")]
    return total(
        [
            cost([*script, network, rate, penalty], folder, OMP_WAIT_POLICY="PASSIVE")
            for network, rate, penalty in product(NETWORKS, RATES, penalties)
        ]
    )


def grid(folder: Path, repetitions: int) -> None:
    """Time the grid from an empty store and cache, then one variant more on the finished study."""
    people(folder)
    _, peer = against(
        "grid: 12 configurations on slices against a hand-written script, one process each",
        lambda turn: run(folder, f"store-{turn}"),
        lambda _: handwritten(folder),
        repetitions,
        "cpu <= 0.36, wall <= 0.26",
    )
    more = [run(folder, f"store-{turn}", ONE_MORE) for turn in range(repetitions)]
    cpu, wall = min(one.cpu for one in more), min(one.wall for one in more)
    print(
        "variant: a third penalty on the finished study (6 finetunings, 6 tests), against the peer's rerun of its\n"
        "  12 configurations: a script remembers nothing\n"
        f"  tlimb  cpu {cpu:8.2f} s   wall {wall:8.2f} s\n"
        f"  ratio  cpu {cpu / peer.cpu:8.3f}     wall {wall / peer.wall:8.3f}     goal: cpu <= 0.05",
        flush=True,
    )
