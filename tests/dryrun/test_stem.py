"""`adapt: stem` from weights of other channels, through the command: asked for it is reported, else an error."""

import hashlib

import pytest
import timm
import torch

from tlimb.cli import run
from tlimb.components.architectures.resnet3d import ResNet3D
from tlimb.components.architectures.swin3d import Swin3D
from tlimb.components.contracts import Inputs

VOLUMES = "{bio_image: {spacing_mm: 8, crop: [32, 32, 32]}}"
CASES = {
    "timm": (
        "slices_2d",
        "{timm: {model: resnet18}}",
        lambda: ("module.", timm.create_model("resnet18", in_chans=3, num_classes=10).state_dict()),
        ("119 of 120 encoder tensors match", "conv1.weight: 64 x 3 x 7 x 7 in the parent, 64 x 1 x 7 x 7 here"),
        ("119 as they are, 1 fitted", "conv1.weight: sum of 3 channels for 1"),
    ),
    "brainsegfounder": (
        VOLUMES,
        "{swin3d: {feature_size: 48, merging: repeated}}",
        lambda: (
            "module.swinViT.",
            Swin3D(Inputs(2, (32, 32, 32)), feature_size=48, merging="repeated").network.state_dict(),
        ),
        (
            "125 of 126 encoder tensors match",
            "patch_embed.proj.weight: 48 x 2 x 2 x 2 x 2 in the parent, 48 x 1 x 2 x 2 x 2 here",
        ),
        ("125 as they are, 1 fitted", "patch_embed.proj.weight: sum of 2 channels for 1"),
    ),
    "medicalnet": (
        VOLUMES,
        "{resnet3d: {depth: 10, dilated: true}}",
        lambda: (
            "module.",
            ResNet3D(Inputs(4, (32, 32, 32)), depth=10, stem_stride=2, dilated=True).network.state_dict(),
        ),
        ("71 of 72 encoder tensors match", "conv1.weight: 64 x 4 x 7 x 7 x 7 in the parent, 64 x 1 x 7 x 7 x 7 here"),
        ("71 as they are, 1 fitted", "conv1.weight: sum of 4 channels for 1"),
    ),
}
"""Layout -> data, network, tensors of a file with their prefix, what an error says, what a table says."""


def write(project, layout, adapt):
    """Write a study from a real file of a layout, whose first convolution has other channels than the images."""
    data, network, make, _, _ = CASES[layout]
    prefix, tensors = make()
    path = project.folder / "old.pt"
    torch.save({"state_dict": {f"{prefix}{name}": one for name, one in tensors.items()}, "epoch": 3}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    project.add(range(8), (32, 32, 32))
    return project.write(
        f"  data: {data}\n  architecture: {network}\nstages:\n  finetune: {{from: old{adapt}}}\n"
        f"pretrained: {{old: {{file: old.pt, layout: {layout}, digest: 'sha256:{digest}', cohorts: [others]}}}}\n"
        "tests: {held_out: {of: finetune}}\n"
    )


@pytest.mark.parametrize("layout", CASES)
def test_channels_that_differ_are_an_error_at_from_unless_the_study_asks_for_the_stem(study_of, layout, capsys):
    spec = study_of(layout, "")
    assert run(["validate", "--deep", str(spec)]) == 1
    said = capsys.readouterr().err
    line = next(number for number, text in enumerate(spec.read_text().splitlines(), 1) if "finetune: {from" in text)
    assert f"study.yaml:{line}:20: error[weights-mismatch]: {CASES[layout][3][0]}" in said
    assert CASES[layout][3][1] in said
    assert "adapt: {stem: sum} fits the first convolution to another number of channels" in said


@pytest.mark.parametrize("layout", CASES)
def test_a_stem_that_is_asked_for_is_valid_and_reported(study_of, layout, capsys):
    assert run(["validate", "--deep", str(study_of(layout, ", adapt: {stem: sum}"))]) == 0
    captured = capsys.readouterr()
    assert "weights-mismatch" not in captured.err
    for words in CASES[layout][4]:
        assert words in captured.out


@pytest.fixture
def study_of(study, monkeypatch):
    monkeypatch.chdir(study.folder)
    return lambda layout, adapt: write(study, layout, adapt)
