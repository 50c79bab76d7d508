"""`python -m benchmarks.bits FILE [--against OLDER]`: whether a change of the code left every computed number alone.

Three small studies are computed through the command line alone, so that the same script runs before and after any
change inside the package: every scenario, weighting and node kind in full precision, one in reduced precision (with
the processor's AVX2 instructions only, where convolutions of reduced precision are deterministic), one of time
series. FILE gets, for each work, the sha256 of every tensor that its result holds, and what `--against` names is
compared with it.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

PEOPLE = ("--participants", "60", "--sites", "2", "--families", "0.3", "--seed", "3")
TLIMB = Path(sys.executable).with_name("tlimb")

FULL = """
tlimb: 1
name: bits
datasets:
  people:
    files: {phantom: {folder: data}}
    split: {holdout: {train: 0.6, val: 0.15, test: 0.25, stratify: [sex], group: [family]}}
  old: {like: people, only: {site: [A]}}
  new: {like: people, only: {site: [B]}}
defaults:
  data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20], intensity: zscore, augment: [flip]}}
  architecture: {resnet3d: {depth: 10, filters: 4}}
  optimizer: {adamw: {lr: 3e-3}}
  scheduler: one_cycle
  trainer: {epochs: 2, batch_size: 8}
stages:
  pretrain:
    dataset: old
    objective: {regression: {target: age}}
    trainer: {accumulate: 2, keep: best, early_stopping: {patience_epochs: 1}, gradient_clip: 1.0}
  finetune:
    from: pretrain
    dataset: new
    objective: {classification: {target: sex}}
    auxiliary: {l2_sp: {alpha: 0.1}}
    optimizer: {adamw: {lr: {choice: [1e-3, 1e-2]}}}
    freeze: {up_to: layer3, thaw_epoch: 1}
  near: {like: finetune, auxiliary: {delta: {weight: 0.1}}, optimizer: {sgd: {lr: 1e-2}}, scheduler: cosine}
  learner:
    like: finetune
    from: {encoder: pretrain, teacher: taught}
    auxiliary: {distill: {weight: 0.5}}
    optimizer: {adamw: {lr: 1e-3}}
  taught: {dataset: new, objective: {classification: {target: sex}}, optimizer: {adamw: {lr: 1e-3}}}
  together:
    dataset: [old, new]
    heads:
      sex: {objective: {classification: {target: sex}}}
      age: {objective: {regression: {target: age}}, weight: 0.5}
    weighting: {compare: [fixed, uncertainty, pcgrad]}
    sampler: {balanced: {by: dataset}}
  adabn: {from: pretrain, dataset: new, scenario: adabn}
  adapt:
    datasets: {source: old, target: new}
    objective: {regression: {target: age}}
    auxiliary: {compare: {none: none, dann: {dann: {weight: 0.3}}}}
    scenario: domain_adaptation
  semi:
    datasets: {labelled: old, unlabelled: new}
    objective: {classification: {target: sex}}
    scenario: {compare: {mean: {mean_teacher: {ema: 0.9}}, fix: {fixmatch: {ema: 0.9}}, plain: semi_supervised}}
  contrast: {dataset: people, objective: simclr}
  masked: {dataset: people, objective: {masked_reconstruction: {patch_size: 4}}}
tests:
  held_out: {of: [finetune, near, taught], dataset: people}
  others: {of: [together, adabn, adapt, semi], dataset: new}
select: {metric: cross_entropy}
report: {metrics: [auroc]}
"""

REDUCED = """
tlimb: 1
name: reduced
datasets:
  people:
    files: {phantom: {folder: data}}
    split: {holdout: {train: 0.6, val: 0.15, test: 0.25, group: [family]}}
defaults:
  data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20], intensity: zscore}}
  optimizer: {adamw: {lr: 3e-3}}
  trainer: {epochs: 2, batch_size: 8, precision: {compare: [bf16, fp16]}}
stages:
  age:
    dataset: people
    architecture: {compare: {resnet: {resnet3d: {depth: 10, filters: 4}}, sfcn: {sfcn: {channels: [4, 8, 8, 16]}}}}
    objective: {regression: {target: age}}
tests: {held_out: {of: age, dataset: people}}
report: {metrics: [mae]}
"""

NESTED = """
tlimb: 1
name: nested
datasets:
  people:
    files: {phantom: {folder: data}}
    split: {kfold: {folds: 2, group: [family], inner: {folds: 2, refit: true}}}
defaults:
  data: {slices_2d: {size: [32, 32]}}
stages:
  age:
    dataset: people
    architecture: {timm: {model: resnet10t}}
    objective: {regression: {target: age}}
    optimizer: {adamw: {lr: {choice: [1e-3, 3e-3]}}}
    trainer: {epochs: 2, batch_size: 8}
tests: {outer: {of: age, dataset: people}}
select: {metric: mae}
report: {metrics: [mae]}
"""

STUDIES = {
    "full": (FULL, {}),
    "reduced": (REDUCED, {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    "nested": (NESTED, {}),
}


def main(arguments: list[str]) -> int:
    """Compute the studies, write the digests, and compare them with older ones."""
    if not arguments or len(arguments) not in (1, 3):
        print(__doc__.partition(":")[0], file=sys.stderr)
        return 64
    found = compute()
    Path(arguments[0]).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    kinds = sorted({one["kind"] for one in found.values()})
    print(f"{len(found)} works with tensors or choices, of the kinds {', '.join(kinds)}")
    if len(arguments) == 1:
        return 0
    older = json.loads(Path(arguments[2]).read_text(encoding="utf-8"))
    differ = sorted(work for work in older.keys() | found.keys() if older.get(work) != found.get(work))
    print(f"{len(older.keys() | found.keys()) - len(differ)} of {len(older.keys() | found.keys())} equal")
    for work in differ:
        print(f"  {work[:16]} {(found.get(work) or older[work])['kind']}")
    return 1 if differ else 0


def compute() -> dict[str, Any]:
    """Return, for each work of the studies, its kind and the sha256 of each tensor of its result."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="tlimb-bits-") as name:
        folder = Path(name)
        _tlimb(
            folder, {}, "phantom", "data", "--participants", "60", "--sites", "2", "--families", "0.3", "--seed", "3"
        )
        for study, (text, environment) in STUDIES.items():
            (folder / f"{study}.yaml").write_text(text, encoding="utf-8")
            _tlimb(folder, environment, "run", f"{study}.yaml", "--quiet", "--store", f"store-{study}")
            objects = folder / f"store-{study}" / "v1" / "objects"
            found |= {path.parent.name: _digests(path.parent) for path in sorted(objects.glob("*/*/result.json"))}
    return found


def _tlimb(folder: Path, environment: dict[str, str], *words: str) -> None:
    subprocess.run([TLIMB, *words], cwd=folder, check=True, env={**os.environ, **environment})


def _digests(folder: Path) -> dict[str, Any]:
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, value in load_file(path).items():
            whole = f"{value.dtype}{value.shape}".encode() + value.tobytes()
            tensors[f"{path.stem}/{name}"] = hashlib.sha256(whole).hexdigest()
    return {"kind": result["kind"], "status": result["status"], "chosen": result.get("chosen"), "tensors": tensors}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
