"""Validate and plan, against importing the libraries that any such tool needs."""

import time
from pathlib import Path

from benchmarks.measure import PYTHON, TLIMB, Cost, against, cost

SPECS = Path(__file__).resolve().parent.parent / "specs"
IMPORTS = [PYTHON, "-c", "import typer, jsonschema, cattrs, ruamel.yaml"]

STUDY = """
tlimb: 1
name: many
replicates: {replicates}
datasets:
  brains:
    files: {{phantom: {{folder: data/population}}}}
    split: {{holdout: {{train: 0.6, val: 0.2, test: 0.2}}}}
stages:
  train:
    dataset: brains
    data: {{bio_image: {{spacing_mm: 8, crop: [20, 24, 20]}}}}
    architecture: {{resnet3d: {{depth: 10, filters: 8}}}}
    objective: {{regression: {{target: age}}}}
    optimizer: {{adamw: {{lr: {{choice: [{rates}]}}}}}}
    trainer: {{epochs: 5, batch_size: 16}}
"""


def validate(folder: Path, repetitions: int) -> None:
    """Time `tlimb validate` of the demo's study."""
    spec = str(SPECS / "pretrain-finetune.yaml")
    against(
        f"validate: specs/pretrain-finetune.yaml against `python -c '{IMPORTS[-1]}'`",
        lambda _: cost([TLIMB, "validate", spec], folder),
        lambda _: cost(IMPORTS, folder),
        repetitions,
        "cpu <= 2.0",
    )


HEAD = """tlimb: 1
name: many-stages
datasets:
  clinic:
    files: {bids: {folder: data/clinic, suffix: T1w}}
    split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}
defaults:
  dataset: clinic
  data: {bio_image: {spacing_mm: 4, crop: [40, 48, 40]}}
  architecture: {resnet3d: {depth: 18}}
  objective: {classification: {target: sex}}
stages:
  pretrain:
    objective: {regression: {target: age}}
    optimizer: {adamw: {lr: 1e-3}}
    trainer: {epochs: 10, batch_size: 16}
"""
STAGE = """  stage_{number}:
    from: pretrain
    optimizer:
      adamw:
        lr:
          choice:
            - 1e-4
            - 1e-3
        weight_decay: 0.01
    trainer:
      epochs: {epochs}
      batch_size: 16
      precision: fp32
    freeze: {{up_to: layer2}}
"""


def long_spec(lines: int) -> str:
    """Give a study of so many lines, written as people write: a stage has 14 of them."""
    count = (lines - HEAD.count("\n") - 3) // STAGE.count("\n")
    stages = "".join(STAGE.format(number=number, epochs=number % 50 + 1) for number in range(count))
    names = ", ".join(f"stage_{number}" for number in range(count))
    return f"{HEAD}{stages}tests:\n  held_out: {{of: [{names}]}}\nselect: {{metric: auroc}}\n"


def validate_long(folder: Path, repetitions: int) -> None:
    """Time `tlimb validate` of a study of 5,000 lines against the smallest one, which is all start-up."""
    (folder / "long.yaml").write_text(long_spec(5000), encoding="utf-8")
    small = str(SPECS / "shortest.yaml")
    own, other = against(
        "validate: 5,000 lines against specs/shortest.yaml",
        lambda _: cost([TLIMB, "validate", "long.yaml"], folder),
        lambda _: cost([TLIMB, "validate", small], folder),
        repetitions,
        "cpu at most 1.0 s more",
    )
    print(f"  difference: {own.cpu - other.cpu:.2f} s cpu")


SHORT_STAGE = "  stage_{number}: {{from: pretrain, optimizer: {{adamw: {{lr: {{choice: [{rate}, 1e-3]}}}}}}}}\n"


def gate(folder: Path, repetitions: int) -> None:
    """Time the JSON Schema over large specs and the shipped ones, in this process, after one that warms it up."""
    from tlimb.language import catalogue, gate, source

    stages = "".join(SHORT_STAGE.format(number=number, rate=(number + 1) / 1e6) for number in range(1000))
    rates = ", ".join(f"{(number + 1) / 1e5:g}" for number in range(10_000))
    texts = {
        "1,000 stages": (HEAD + stages, "cpu < 500 ms"),
        "10,000 choices": (HEAD.replace("lr: 1e-3", f"lr: {{choice: [{rates}]}}"), "cpu < 500 ms"),
    }
    texts |= {path.name: (path.read_text(encoding="utf-8"), "cpu < 10 ms") for path in sorted(SPECS.glob("*.yaml"))}
    for name, (text, goal) in texts.items():
        spec, taken = source.parse(text, folder / "study.yaml"), []
        assert not spec.problems, spec.problems
        assert gate.check(spec, catalogue.load()) == []
        for _ in range(repetitions):
            begin = time.process_time()
            gate.check(spec, catalogue.load())
            taken.append(time.process_time() - begin)
        print(f"gate: {name:32} cpu {min(taken) * 1000:7.1f} ms   goal: {goal}")


def plan(folder: Path, repetitions: int) -> None:
    """Time `tlimb plan -o` of 1,000 and of 100,000 runs on an indexed cohort."""
    cost([TLIMB, "phantom", "data/population", "-n", "60", "--families", "0"], folder)
    for replicates, rates, goal in ((10, 100, "cpu at most 1.0 s more"), (100, 1000, "cpu at most 15 s, 1.5 GB")):
        spec = folder / f"many-{replicates * rates}.yaml"
        values = ", ".join(f"{(place + 1) / 1e5:g}" for place in range(rates))
        spec.write_text(STUDY.format(replicates=replicates, rates=values), encoding="utf-8")
        command = [TLIMB, "plan", spec.name, "--limit", "200000", "-o"]
        cost([*command, "warm-up"], folder)

        def ours(turn: int, command: list[str] = command) -> Cost:
            return cost([*command, f"plan-{turn}"], folder)

        own, other = against(
            f"plan: {replicates * rates:,} runs written to disk, against the imports",
            ours,
            lambda _: cost(IMPORTS, folder),
            repetitions if rates < 1000 else 1,
            goal,
        )
        print(f"  difference: {own.cpu - other.cpu:.2f} s cpu")
