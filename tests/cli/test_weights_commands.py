"""`tlimb weights`: what it tells of a file, and what it writes."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file

from tlimb.api import weights
from tlimb.cli import run


def tensors():
    torch.manual_seed(0)
    names = {"conv1.weight": (4, 1, 3, 3, 3), "bn1.weight": (4,), "bn1.num_batches_tracked": (), "layer1.0.w": (2, 2)}
    return {
        name: torch.ones((), dtype=torch.int64) if not shape else torch.rand(shape) for name, shape in names.items()
    }


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "resnet_10.pth"
    inner = {f"module.{name}": one for name, one in {**tensors(), "conv_seg.0.weight": torch.ones(2)}.items()}
    torch.save({"state_dict": inner, "epoch": 9}, path)
    return path


def test_inspect_tells_what_is_in_a_file_and_how_a_study_names_it(file, capsys):
    assert run(["weights", "inspect", str(file), "--layout", "medicalnet"]) == 0
    out = capsys.readouterr().out
    assert "tensors stand under `state_dict`; at the top are state_dict, epoch" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["conv1", "1", "108"] in lines
    assert ["bn1", "2", "5"] in lines
    assert ["all", "4", "117"] in lines
    assert "layout medicalnet: 1 tensors left out" in out
    assert "first convolution: conv1.weight, 4 x 1 x 3 x 3 x 3 (out, in, ..)" in out
    assert "licence: MIT; trained on: MRBrainS18, Medical Segmentation Decathlon" in out
    assert f"    digest: sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" in out.splitlines()


@pytest.mark.parametrize(("value", "told"), [(1.0, False), (float("nan"), True), (float("-inf"), True)])
def test_inspect_tells_tensors_that_hold_no_numbers(tmp_path, capsys, value, told):
    broken = {**tensors(), "layer1.0.w": torch.tensor([[0.0, value], [1.0, 2.0]])}
    torch.save(broken, tmp_path / "broken.pth")
    assert run(["weights", "inspect", str(tmp_path / "broken.pth")]) == 0
    out = capsys.readouterr().out
    assert ("warning: 1 tensors hold NaN or infinity" in out and "layer1.0.w" in out) == told


def test_convert_writes_the_encoders_tensors_and_what_is_known_of_them(file, tmp_path, capsys):
    out = tmp_path / "made" / "resnet_10.safetensors"
    assert run(["weights", "convert", str(file), "--layout", "medicalnet", "-o", str(out)]) == 0
    found = load_file(out)
    assert found.keys() == tensors().keys()
    assert all(torch.equal(found[name], one) and found[name].dtype == one.dtype for name, one in tensors().items())
    said = json.loads(out.with_suffix(".json").read_text())
    digest = f"sha256:{hashlib.sha256(out.read_bytes()).hexdigest()}"
    assert said["digest"] == digest
    assert said["from"]["digest"] == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    assert (said["layout"]["name"], said["licence"], said["architecture"]) == ("medicalnet", "MIT", "resnet3d")
    assert (said["tensors"], said["dropped"]) == (4, ["module.conv_seg.0.weight"])
    assert "MRBrainS18" in said["cohorts"]
    assert f"    digest: {digest}" in capsys.readouterr().out.splitlines()
    # The same layout reads the new file too, and says the same of it.
    before, after = weights.inspect(file, "medicalnet"), weights.inspect(out, "medicalnet")
    assert sorted(after.parts, key=str) == sorted(before.parts, key=str)


def test_convert_gives_the_same_bytes_again_and_writes_over_nothing_unasked(file, tmp_path, capsys):
    out = tmp_path / "w.safetensors"
    told = ["weights", "convert", str(file), "--layout", "medicalnet", "-o", str(out)]
    assert run(told) == 0
    first = out.read_bytes(), out.with_suffix(".json").read_bytes()
    assert run(told) == 64
    assert "error[file-exists]" in capsys.readouterr().err
    assert run([*told, "--force"]) == 0
    assert (out.read_bytes(), out.with_suffix(".json").read_bytes()) == first


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["inspect", "resnet_10.pth", "--layout", "medicalnett"], 64, "did you mean `medicalnet`?"),
        (["inspect", "absent.pth"], 65, "error[no-weights]"),
        (["inspect", "."], 65, "error[no-weights]"),
        (["inspect", "code.pth"], 65, "which would have to be run; this is `code.pth`"),
        (["convert", "resnet_10.pth", "--layout", "plain", "-o", "w.pth"], 64, "does not end with .safetensors"),
        (["convert", "heads.pth", "--layout", "medicalnet", "-o", "w.safetensors"], 65, "leaves no tensor"),
    ],
)
def test_mistakes_are_told_in_a_line(file, tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.ones(1), "callback": print}, "code.pth")
    torch.save({"module.conv_seg.0.weight": torch.ones(1)}, "heads.pth")
    assert run(["weights", *arguments]) == code
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("*.safetensors"))
