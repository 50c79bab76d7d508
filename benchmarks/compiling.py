"""Validate and plan, against importing the libraries that any such tool needs."""

from pathlib import Path

from benchmarks.measure import PYTHON, TLIMB, Cost, against, cost

SPECS = Path(__file__).resolve().parent.parent / "specs"
IMPORTS = [PYTHON, "-c", "import typer, jsonschema, ruamel.yaml"]

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
        "validate: specs/pretrain-finetune.yaml against `python -c 'import typer, jsonschema, ruamel.yaml'`",
        lambda _: cost([TLIMB, "validate", spec], folder),
        lambda _: cost(IMPORTS, folder),
        repetitions,
        "cpu <= 1.3",
    )


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
