"""What is said of the networks that fit: counts, memory, work, and how it was found."""

import json
import subprocess
import sys

from tests.dryrun.conftest import at, told
from tlimb.api.deep import check_deep
from tlimb.api.load import load
from tlimb.problems import Severity
from tlimb.project import Asked

SLICES = "  data: {slices_2d: {size: [32, 32]}}\n  architecture: {timm: {model: resnet18}}\n"
VOLUMES = "  data: {bio_image: {spacing_mm: 8, crop: [8, 8, 8]}}\n"
LADDER = {
    "": 11_171_266,
    "layer3.1.conv1": 9_575_426,
    "layer4.0.conv1": 8_394_754,
    "layer4.1.conv1": 4_721_666,
    "all": 1_026,
}
"""What trains of a ResNet-18 with one channel and two classes, by the layer that it is frozen up to; all but the last
are the numbers of the paper's Table 4."""


def test_the_numbers_of_the_papers_ladder_appear(study):
    layers = ", ".join(name or "none" for name in LADDER)
    ladder = f"  ladder: {{from: pretrain, freeze: {{up_to: {{compare: [{layers}]}}}}}}\n"
    rest = SLICES + "stages:\n  pretrain: {}\n" + ladder
    found = study.check(rest)
    ladder = [network for network in found.networks if network.stage == "ladder"]
    assert {network.frozen: network.facts.trainable for network in ladder} == LADDER
    assert {network.facts.total for network in ladder} == {11_171_266}
    memory = [network.facts.memory.total for network in ladder]
    assert memory == sorted(memory, reverse=True)
    assert len(set(memory)) == len(memory)


def test_heads_inputs_and_work_are_said(study):
    rest = SLICES + "stages:\n  train: {objective: {regression: {target: age}}, trainer: {batch_size: 4}}\n"
    (network,) = study.check(rest).networks
    facts = network.facts
    assert (network.architecture, network.stage, network.frozen) == ("timm model=resnet18", "train", "")
    assert (facts.channels, facts.shape, facts.features, facts.heads) == (1, (32, 32), 512, (("age", 1),))
    assert (facts.batch_size, facts.precision, facts.method) == (4, "fp32", "meta")
    # 32 x 32: the stem leaves 16 x 16 of 64 filters of 7 x 7; the rest is counted by hand in the same way.
    stem = 16 * 16 * 64 * 49
    first = 4 * 8 * 8 * 64 * 64 * 9
    later = sum(
        side * side * width * (width // 2 * 9 + 3 * width * 9 + width // 2)
        for side, width in ((4, 128), (2, 256), (1, 512))
    )
    assert facts.multiply_adds == stem + first + later + 512


def test_an_optimizer_with_momentum_keeps_more_than_one_without(study):
    rest = SLICES + (
        "stages:\n  plain: {optimizer: {sgd: {lr: 0.1, momentum: 0}}}\n  heavy: {optimizer: {sgd: {lr: 0.1}}}\n"
        "  adam: {optimizer: {adamw: {lr: 0.1}}}\n"
    )
    found = {network.stage: network.facts for network in study.check(rest).networks}
    weights = 4 * 11_171_266
    assert found["plain"].memory.optimizer == 0
    assert found["heavy"].memory.optimizer == weights
    assert 2 * weights <= found["adam"].memory.optimizer < 2 * weights + 1000
    assert {facts.memory.gradients for facts in found.values()} == {weights}


def test_activations_grow_with_the_batch_and_shrink_in_half_precision(study):
    rest = VOLUMES.replace("[8, 8, 8]", "[16, 16, 16]") + "  architecture: {sfcn: {channels: [8, 8]}}\nstages:\n"
    rest += "".join(
        f"  {name}: {{trainer: {{batch_size: {size}, precision: {precision}}}}}\n"
        for name, size, precision in (("one", 2, "fp32"), ("two", 4, "fp32"), ("half", 4, "bf16"))
    )
    found = {network.stage: network.facts for network in study.check(rest).networks}
    one, two, half = (found[name].memory.activations for name in ("one", "two", "half"))
    assert 1.8 * one < two < 2.2 * one
    assert 0.4 * two < half < 0.9 * two
    assert [found[name].method for name in ("one", "half")] == ["meta", "fake"]


def test_a_network_that_needs_values_is_no_fault_of_the_spec(study):
    found = study.check(VOLUMES + "  architecture: {my_lab.nets.Looks: {}}\nstages: {train: {}}\n", "my_lab")
    assert not [problem for problem in found.problems if problem.severity is Severity.ERROR]
    (network,) = found.networks
    assert (network.facts.method, network.facts.total, network.facts.memory) == ("cpu", 14, None)
    assert network.facts.multiply_adds == 8 * 8 * 8 * 3 + 6


def test_repetitions_and_searched_numbers_are_looked_at_once(study):
    rest = VOLUMES + (
        "  architecture: {sfcn: {channels: [2, 4]}}\nreplicates: 3\nselect: {metric: auroc}\n"
        "stages:\n  train: {optimizer: {adamw: {lr: {choice: [0.1, 0.2]}}}}\ntests: {held_out: {of: train}}\n"
    )
    seen = []
    found = study.check(rest, progress=lambda done, total: seen.append(total))
    assert len(found.networks) == 1
    assert seen == [1]


def test_a_line_of_json_says_it_all(study):
    (network,) = study.check(VOLUMES + "  architecture: {sfcn: {channels: [2, 4]}}\nstages: {train: {}}\n").networks
    line = json.loads(json.dumps(network.to_json()))
    assert line["kind"] == "network"
    assert (line["stage"], line["frozen_before"], line["heads"]) == ("train", None, {"sex": 2})
    assert line["memory"]["total"] == sum(value for key, value in line["memory"].items() if key != "total")


# -- user code, and the process apart --

OWN = (
    VOLUMES + "  architecture: {compare: [{my_lab.nets.Means: {}}, {sfcn: {channels: [2, 4]}}]}\nstages: {train: {}}\n"
)


def test_code_that_is_not_allowed_is_not_run_and_that_is_said(study):
    found = study.check(OWN)
    (problem,) = told(found, "not-checked")
    assert (problem.severity, at(problem)) == (Severity.INFO, (2, 28))
    assert problem.help == ("add --allow my_lab if you trust it",)
    assert [network.architecture for network in found.networks] == ["sfcn channels=2+4"]
    assert not (study.folder / "my_lab" / "imported.txt").exists()


def test_the_process_apart_says_the_same_and_leaves_this_one_without_torch(study):
    rest = OWN.replace("train: {}", "train: {freeze: {up_to: layer5}}").replace("stages: {", "stages: {first: {}, ")
    rest = rest.replace("freeze", "from: first, freeze")
    here = study.check(rest, "my_lab")
    apart = check_deep(load(study.write(rest)), Asked(allow=("my_lab",)))
    assert apart == here
    assert len(here.networks) == 2
    assert len(told(here, "freeze-layer")) == 2
    code = (
        "import sys; from pathlib import Path; import tlimb; "
        f"found = tlimb.validate({str(study.folder / 'study.yaml')!r}, deep=True); "
        "print([p.code for p in found if p.severity == 'error'], 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "['freeze-layer'] False"


def test_the_command_prints_the_table_and_ends_as_validate_does(study):
    path = study.write(OWN)
    command = [sys.executable, "-m", "tlimb", "validate", "--deep", str(path)]
    good = subprocess.run([*command, "--allow", "my_lab"], capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stderr
    assert "my_lab.nets.Means" in good.stdout
    assert "estimate from shapes" in good.stdout
    assert good.stderr == ""
    study.write(OWN.replace("train: {}", "train: {trainer: {batch_size: 1}}").replace("[8, 8, 8]", "[2, 2, 2]"))
    bad = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert "error[shape]" in bad.stderr


def edited(study, line):
    nets = study.folder / "my_lab" / "nets.py"
    nets.write_text(f"{line}\n" + nets.read_text())


def test_code_that_raises_on_import_is_told_at_its_place(study):
    edited(study, "raise RuntimeError('broken')")
    found = study.check(OWN, "my_lab")
    (problem,) = told(found, "no-such-class")
    assert (at(problem), problem.message) == ((2, 28), "`my_lab.nets.Means` cannot be imported: broken")
    assert len(found.networks) == 1


def test_code_that_ends_the_process_is_told_and_is_no_error_of_the_spec(study):
    edited(study, "import os; print('good night', flush=True); os._exit(3)")
    found = check_deep(load(study.write(OWN)), Asked(allow=("my_lab",)))
    (problem,) = told(found, "not-checked")
    assert problem.severity is Severity.WARNING
    assert "ended with status 3" in problem.message
    assert problem.note == ("good night",)
