"""Every key of a study: does it enter work? And nothing of the machine does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from conftest_plan import SPECS, TESTS, expand_text

from tlimb.language import catalogue, model
from tlimb.language.values import Component
from tlimb.plan.pieces import Components

BASE = """
tlimb: 1
name: base
seed: 3
datasets:
  clinic: {files: {bids: {folder: b}}, split: {holdout: {train: rest, val: 0.2, test: 0.2}}}
params: {rate: 1e-3}
stages:
  pre:
    dataset: clinic
    data: {volume_3d: {preprocess: [canonical]}}
    architecture: {resnet3d: {depth: 10}}
    objective: {regression: {target: age}}
    optimizer: {adamw: {lr: {param: rate}}}
    trainer: {epochs: 3, batch_size: 4}
  fine:
    like: pre
    from: pre
    objective: {classification: {target: sex}}
tests: {out: {of: fine}}
"""


def works(text, folds=None):
    return {node.work for node in expand_text(text, folds).graph if node.kind != "prepare"}


def edited(*edits):
    text = BASE
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


EXECUTION = "execution: {resources: {cpus: 8, memory_gb: 4}, max_slots: 3, container: image, reuse: same_environment}"
LENGTH = "    trainer: {epochs: 3, batch_size: 4}\n"
SAME = {
    "name of the study": [("name: base", "name: other")],
    "name of a stage": [("  pre:", "  before:"), ("like: pre", "like: before"), ("from: pre", "from: before")],
    "name of a param": [("{rate:", "{speed:"), ("param: rate", "param: speed")],
    "no param": [("params: {rate: 1e-3}\n", ""), ("{param: rate}", "1e-3")],
    "name of a test": [("{out:", "{held_out:")],
    "comments": [("stages:", "# a comment\nstages:  # another")],
    "order of keys": [
        ("    dataset: clinic\n    data: {volume_3d: {preprocess: [canonical]}}\n",
         "    data: {volume_3d: {preprocess: [canonical]}}\n    dataset: clinic\n"),
        ("epochs: 3, batch_size: 4", "batch_size: 4, epochs: 3"),
    ],
    "way to write a number": [("1e-3", "0.001"), ("val: 0.2", "val: 0.20")],
    "default written out": [
        ("adamw: {lr", "adamw: {weight_decay: 0.0, lr"),
        ("batch_size: 4", "batch_size: 4, threads: 1, device: any, accumulate: 1, keep: last"),
    ],
    "execution": [("tests:", f"{EXECUTION}\ntests:")],
    "profile": [("tests:", "execution: {profiles: {here: {roots: {spec: elsewhere}}}}\ntests:")],
    "a metric that is reported": [("tests:", "report: {metrics: [accuracy]}\ntests:")],
    "a defaults block": [(LENGTH, ""), ("stages:", f"defaults:\n{LENGTH}stages:")],
    "a root that nobody needs": [("params:", "roots: {far: somewhere}\nparams:")],
}  # fmt: skip


@pytest.mark.parametrize("edit", SAME)
def test_names_order_and_execution_do_not_enter(edit):
    assert works(edited(*SAME[edit])) == works(BASE)


TRAINER = {
    "epochs": "epochs: 4, batch_size: 4",
    "steps": "steps: 30, batch_size: 4",
    "batch_size": "epochs: 3, batch_size: 8",
    "accumulate": "epochs: 3, batch_size: 4, accumulate: 2",
    "precision": "epochs: 3, batch_size: 4, precision: bf16",
    "threads": "epochs: 3, batch_size: 4, threads: 2",
    "device": "epochs: 3, batch_size: 4, device: cpu",
    "devices": "epochs: 3, batch_size: 4, devices: 2",
    "deterministic": "epochs: 3, batch_size: 4, deterministic: strict",
    "monitor": "epochs: 3, batch_size: 4, monitor: {metric: mae}",
    "keep": "epochs: 3, batch_size: 4, keep: best",
    "early_stopping": "epochs: 3, batch_size: 4, early_stopping: {}",
    "gradient_clip": "epochs: 3, batch_size: 4, gradient_clip: 1.0",
}
HEAD = "{objective: {regression: {target: age}}}"
STAGE = {
    "from_": [("from: pre", "from: none")],
    "dataset": [
        ("    dataset: clinic\n", "    dataset: other\n"),
        ("params:", "  other: {like: clinic, only: {site: A}}\nparams:"),
    ],
    "datasets": [("    dataset: clinic\n", "    datasets: {source: clinic, target: clinic}\n")],
    "data": [("preprocess: [canonical]", "preprocess: [canonical, zscore]")],
    "architecture": [("depth: 10", "depth: 18")],
    "head": [("    trainer:", "    head: {mlp: {}}\n    trainer:")],
    "objective": [("{regression: {target: age}}", "{regression: {target: weight}}")],
    "heads": [("    objective: {regression: {target: age}}\n", f"    heads: {{age_of: {HEAD}}}\n")],
    "auxiliary": [("    from: pre", "    from: pre\n    auxiliary: {l2_sp: {}}")],
    "callbacks": [("    trainer:", "    callbacks: [my_lab.hooks.Mine: {}]\n    trainer:")],
    "weighting": [("    trainer:", "    weighting: {my_lab.w.Equal: {}}\n    trainer:")],
    "sampler": [("    trainer:", "    sampler: {my_lab.s.Balanced: {}}\n    trainer:")],
    "scenario": [("    trainer:", "    scenario: {my_lab.s.Mixed: {}}\n    trainer:")],
    "optimizer": [("lr: {param: rate}", "lr: {param: rate}, weight_decay: 0.5")],
    "scheduler": [("    trainer:", "    scheduler: cosine\n    trainer:")],
    "trainer": [("epochs: 3", "epochs: 4")],
    "freeze": [("    from: pre", "    from: pre\n    freeze: {up_to: all}")],
    "adapt": [("    from: pre", "    from: pre\n    adapt: {heads: keep}")],
}  # fmt: skip
UNHASHED = {"like", "where"}
"""Keys of a stage that say how it is written or which assignments it takes, and are nowhere in a manifest."""
FREEZE = {
    "up_to": "up_to: layer4",
    "thaw_epoch": "up_to: all, thaw_epoch: 2",
    "thaw_every_epochs": "up_to: all, thaw_every_epochs: 1",
}
ADAPT = {"heads": "heads: keep", "stem": "stem: mean", "position": "position: new", "missing": "missing: [x]"}


def keys(cls):
    return {one.name for one in attrs.fields(cls) if not one.metadata.get("hidden")}


def test_every_key_of_a_stage_is_tried():
    assert STAGE.keys() | UNHASHED == keys(model.Stage)
    assert TRAINER.keys() == keys(model.Trainer)
    assert FREEZE.keys() == keys(model.Freeze)
    assert ADAPT.keys() == keys(model.Adapt)


def test_a_quoted_none_is_none_since_all_of_json_is_quoted():
    words = "    scheduler: none\n    freeze: {up_to: none}\n    from: none\n    trainer: {gradient_clip: none, "
    plain = BASE.replace("    trainer: {", words, 1).replace("{target: sex}", "{target: sex, class_weights: none}")
    quoted = plain.replace(" none", ' "none"')
    assert quoted != plain
    assert works(quoted) == works(plain) == works(BASE)
    held = plain.replace("rate: 1e-3", 'rate: 1e-3, clip: "none"').replace("clip: none", "clip: {param: clip}")
    assert works(held) == works(BASE)


def test_draws_of_a_random_search_do_not_depend_on_the_order_of_keys():
    one = "{choice: [{resnet3d: {depth: 10, filters: 4}}, {resnet3d: {depth: 18, filters: 8}}]}"
    other = "{choice: [{resnet3d: {filters: 4, depth: 10}}, {resnet3d: {filters: 8, depth: 18}}]}"
    study = BASE + "search: {random: {count: 6}}\nselect: {metric: auroc}\n"
    found = [works(study.replace("{resnet3d: {depth: 10}}", text).replace("1e-3", "1e-4")) for text in (one, other)]
    assert found[0] == found[1]


@pytest.mark.parametrize("key", STAGE)
def test_every_key_of_a_stage_enters(key):
    assert works(edited(*STAGE[key])) != works(BASE)


@pytest.mark.parametrize("key", TRAINER)
def test_every_key_of_the_trainer_enters_and_reaches_the_descendants(key):
    found = works(edited(("epochs: 3, batch_size: 4", TRAINER[key])))
    assert not found & works(BASE)


@pytest.mark.parametrize(
    ("block", "key"), [("freeze", key) for key in FREEZE] + [("adapt", key) for key in ADAPT], ids=lambda one: one
)
def test_every_key_of_freeze_and_adapt_enters_for_its_stage_only(block, key):
    text = {"freeze": FREEZE, "adapt": ADAPT}[block][key]
    before = works(edited(("    from: pre", "    from: pre\n    freeze: {up_to: all}")) if block == "freeze" else BASE)
    after = works(edited(("    from: pre", f"    from: pre\n    {block}: {{{text}}}")))
    assert len(before - after) == 2  # the fit and its test
    assert len(before & after) == 1  # the parent


def test_seed_and_repetitions_enter():
    assert not works(edited(("seed: 3", "seed: 4"))) & works(BASE)
    assert works(edited(("seed: 3", "seed: 3\nreplicates: 2"))) > works(BASE)


def test_a_new_preprocessing_option_enters_even_deep_inside_other_components():
    deep = [("preprocess: [canonical]", "preprocess: [canonical, {resample: {spacing_mm: 4}}]")]
    deeper = [("preprocess: [canonical]", "preprocess: [canonical, {resample: {spacing_mm: 2}}]")]
    assert not works(edited(*deep)) & works(edited(*deeper))


def test_an_option_that_was_added_later_enters_only_when_it_is_used():
    def component(options, later, written):
        listing = {"class": "x.Y", "options": options, "facts": {"later": later}}
        extra = catalogue.Catalogue({}).with_extra({"optimizer": {"y": listing}})
        return Components(extra, lambda _: {}).json("optimizer", Component("y", written, ""))

    lr = {"lr": {"required": True}}
    both = {**lr, "momentum": {"default": 0.0}}
    before = component(lr, [], {"lr": 0.1})
    assert component(both, ["momentum"], {"lr": 0.1}) == before
    assert component(both, ["momentum"], {"lr": 0.1, "momentum": 0}) == before
    assert component(both, ["momentum"], {"lr": 0.1, "momentum": 0.9})["options"] == {"lr": 0.1, "momentum": 0.9}
    assert component(both, [], {"lr": 0.1}) != before


# -- P8: the machine does not enter --

SHOW = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest_plan import expand_file
print(json.dumps(sorted(node.work for node in expand_file(Path(sys.argv[2])).graph)))
"""


def test_p8_clock_locale_current_folder_and_place_of_the_project_do_not_enter(tmp_path):
    spec = SPECS / "pretrain-finetune.yaml"
    moved = tmp_path / "Ünïcode folder" / "moved.yaml"
    moved.parent.mkdir()
    moved.write_bytes(spec.read_bytes().replace(b"\n", b"\r\n"))
    found = set()
    for zone, locale, seed, folder, path in (
        ("UTC", "C", "0", SPECS, spec),
        ("Pacific/Chatham", "tr_TR.UTF-8", "1", tmp_path, moved),
        ("America/St_Johns", "C.UTF-8", "12345", moved.parent, Path(os.path.relpath(moved, moved.parent))),
    ):
        environment = {**os.environ, "TZ": zone, "LC_ALL": locale, "LANG": locale, "PYTHONHASHSEED": seed}
        made = subprocess.run(
            [sys.executable, "-c", SHOW, str(TESTS / "plan"), str(path)],
            cwd=folder, env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.add(made.stdout)
    assert len(found) == 1
    assert len(json.loads(found.pop())) > 3
