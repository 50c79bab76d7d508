"""Files of weights as they come when something went wrong: no code is run, and each message says what to do."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tlimb.cli import run
from tlimb.components.discovery import names

AGAIN = "= help: get it again, and compare its sha256 with the published one"
STEM = "module.conv1.weight"


class Hook:
    """Runs a command when a pickle that holds it is opened without care."""

    def __reduce__(self):
        return os.system, ("touch pwned",)


def tensors():
    torch.manual_seed(0)
    return {STEM: torch.rand(4, 1, 3, 3, 3), "module.bn1.num_batches_tracked": torch.ones((), dtype=torch.int64)}


def cut(name, share):
    path = Path(name.replace("cut", "whole"))
    if name.endswith(".safetensors"):
        save_file(tensors(), path)
    else:
        torch.save({"state_dict": tensors()}, path, _use_new_zipfile_serialization="old" not in name)
    content = path.read_bytes()
    Path(name).write_bytes(content[: int(share * len(content))])


def changed(name, change):
    torch.save({"state_dict": {**tensors(), STEM: change(tensors()[STEM])}}, name)


CASES = {
    "cut.pth": (lambda name: cut(name, 0.5), "damaged: the file is cut short or was changed", AGAIN),
    "tail-cut.pth": (lambda name: cut(name, 0.98), "damaged: the file is cut short or was changed", AGAIN),
    "old-cut.pth": (lambda name: cut(name, 0.5), "neither a .safetensors file nor a state dict", AGAIN),
    "cut.safetensors": (lambda name: cut(name, 0.5), "neither a .safetensors file nor a state dict", AGAIN),
    "head-cut.safetensors": (lambda name: cut(name, 0.01), "neither a .safetensors file nor a state dict", AGAIN),
    "page.pth": (lambda name: Path(name).write_text("<html>404"), "neither a .safetensors file", AGAIN),
    "empty.pth": (lambda name: Path(name).touch(), "an empty file", AGAIN),
    "code.pth": (
        lambda name: torch.save({"state_dict": tensors(), "hook": Hook()}, name),
        "it holds an object of posix.system, which would have to be run",
        "= help: where you trust its authors, load it in their environment and save `state_dict()` alone",
    ),
    "list.pth": (lambda name: torch.save([1], name), "no plain state dict", "= help: name its `layout`"),
    "whole-numbers.pth": (lambda name: changed(name, torch.Tensor.int), "they are int32", "`float()`"),
    "sparse.pth": (lambda name: changed(name, torch.Tensor.to_sparse), "they are sparse", "`to_dense()`"),
    "complex.pth": (lambda name: changed(name, lambda one: one.to(torch.complex64)), "they are complex", "`float()`"),
}


@pytest.mark.parametrize("layout", names("layout"))
@pytest.mark.parametrize("name", CASES)
def test_a_file_that_cannot_be_used_is_told_with_what_to_do(name, layout, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make, said, help_ = CASES[name]
    make(name)
    option = ["--layout", layout]
    assert run(["weights", "inspect", name, *option]) == 65
    err = " ".join(capsys.readouterr().err.split())
    assert "error[weights-mismatch]" in err
    assert said in err
    assert help_ in err
    assert run(["weights", "convert", name, *option, "-o", "out.safetensors"]) == 65
    assert not (tmp_path / "out.safetensors").exists()
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("change", [torch.Tensor.double, torch.Tensor.half, torch.Tensor.bfloat16])
def test_other_precisions_are_converted_as_they_are(change, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    changed("precise.pth", change)
    assert run(["weights", "convert", "precise.pth", "--layout", "medicalnet", "-o", "out.safetensors"]) == 0
    assert run(["weights", "inspect", "out.safetensors", "--layout", "medicalnet"]) == 0


def test_a_layout_that_leaves_nothing_says_how_to_see_the_names(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"module.fc.weight": torch.ones(2)}}, "heads.pth")
    assert run(["weights", "convert", "heads.pth", "--layout", "medicalnet", "-o", "out.safetensors"]) == 65
    assert "`tlimb weights inspect heads.pth` lists its names" in capsys.readouterr().err
