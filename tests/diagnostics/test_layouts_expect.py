"""What each layout of public weights expects of a study: `tlimb validate` and `tlimb plan` tell what is otherwise.

The expectations are those of the weights' authors; each layout's docstring says where they stand.
"""

import re

import pytest

from tests.diagnostics.conftest import BASE, people
from tlimb.cli import run
from tlimb.components.discovery import names

TEMPLATE, BRAIN, HEAD = "space-MNI_desc-brain", "space-T1w_desc-brain", "space-MNI_desc-preproc"
ZSCORE = "{bio_image: {spacing_mm: 8, crop: [20, 24, 20], intensity: zscore}}"
MEAN = "{bio_image: {spacing_mm: 8, crop: [20, 24, 20], intensity: mean}}"
RANGE = "{volume_3d: {preprocess: [canonical, min_max]}}"
SLICES = "{slices_2d: {intensity: zscore}}"
SWIN = "{swin3d: {feature_size: 48, merging: repeated}}"
RESNET = "{resnet3d: {depth: 10, stem_stride: 2, dilated: true}}"
FIRST = "{resnet3d: {depth: 50, stem_stride: 2, shortcut: B}}"
VIT = "{vit3d: {patch_size: 16, class_token: true}}"
PHOTOS = "{timm: {model: resnet18}}"
SAID = re.compile(r"(?:error|warning)\[(layout-[a-z]+|images-unlike)\]")

CASES = [
    # layout, network, data, names of images; codes that are to be found
    ("sfcn_ukb", "sfcn", MEAN, TEMPLATE, []),
    ("sfcn_ukb", "sfcn", ZSCORE, TEMPLATE, ["layout-preprocess"]),
    ("sfcn_ukb", "sfcn", MEAN, HEAD, ["images-unlike"]),
    ("brainiac", VIT, ZSCORE, BRAIN, []),
    ("brainiac", VIT, ZSCORE, HEAD, ["images-unlike"]),
    ("brainiac_v1", FIRST, RANGE, BRAIN, []),
    ("brainiac_v1", FIRST, RANGE, HEAD, ["images-unlike"]),
    ("brainiac_v1", FIRST, ZSCORE, BRAIN, ["layout-preprocess"]),
    ("brainiac_v1", FIRST, "{volume_3d: {preprocess: [canonical, zscore]}}", BRAIN, ["layout-preprocess"]),
    ("brainiac_v1", FIRST, "{volume_3d: {preprocess: [canonical, {min_max: {low: -1}}]}}", BRAIN, ["layout-intensity"]),
    ("medicalnet", RESNET, ZSCORE, HEAD, []),
    ("medicalnet", RESNET, ZSCORE, BRAIN, []),
    ("medicalnet", RESNET, MEAN, BRAIN, ["layout-preprocess"]),
    ("medicalnet", RESNET, "{volume_3d: {preprocess: [canonical, zscore]}}", HEAD, []),
    ("medicalnet", RESNET, RANGE, HEAD, ["layout-preprocess"]),
    ("medicalnet", RESNET, "{volume_3d: {preprocess: [canonical]}}", HEAD, ["layout-preprocess"]),
    ("brainsegfounder", SWIN, ZSCORE, TEMPLATE, []),
    ("brainsegfounder", SWIN, ZSCORE, BRAIN, ["images-unlike"]),
    ("brainsegfounder", SWIN, ZSCORE, HEAD, ["images-unlike"]),
    ("brainsegfounder", SWIN, RANGE, TEMPLATE, ["layout-preprocess"]),
    ("swinunetr_ssl", SWIN, RANGE, HEAD, []),
    ("swinunetr_ssl", SWIN, ZSCORE, HEAD, ["layout-intensity"]),
    ("swinunetr_ssl", SWIN, "{volume_3d: {preprocess: [canonical, {min_max: {low: -1}}]}}", HEAD, ["layout-intensity"]),
    ("swinunetr_ssl", SWIN, "{volume_3d: {preprocess: [canonical, {min_max: {low: 0}}]}}", HEAD, []),
    ("timm", PHOTOS, SLICES, HEAD, []),
    ("timm", PHOTOS, "slices_2d", HEAD, []),
    ("timm", PHOTOS, "{slices_2d: {intensity: mean}}", HEAD, ["layout-intensity"]),
    ("timm", PHOTOS, "{slices_2d: {intensity: none}}", HEAD, ["layout-intensity"]),
]


def study(folder, layout, network, data, images):
    """Write a study on six people of a derivatives folder, whose encoder starts from a file of the layout."""
    files = "\n".join(f"data/sub-{n}/anat/sub-{n}_{images}_T1w.nii" for n in range(6))
    rows = "\n".join(f"sub-{n} {'FM'[n % 2]}" for n in range(6))
    people(folder, {"files": files, "data/participants.tsv": f"participant_id sex\n{rows}"})
    spec = folder / "study.yaml"
    digest = "sha256:" + 64 * "0"
    spec.write_text(
        BASE["tlimb"]
        + "datasets:\n  clinic:\n    files: {bids: {folder: data, suffix: T1w}}\n"
        + "    split: {holdout: {train: 2, val: 2, test: 2}}\n"
        + f"pretrained:\n  public: {{file: models/w.pth, layout: {layout}, digest: '{digest}'}}\n"
        + BASE["defaults"]
        + f"stages:\n  train: {{from: public, adapt: {{stem: sum}}, architecture: {network}, data: {data}}}\n"
        + BASE["tests"]
    )
    return str(spec)


@pytest.mark.parametrize(("layout", "network", "data", "images", "codes"), CASES)
def test_a_study_that_differs_from_what_the_weights_have_seen_is_told(
    layout, network, data, images, codes, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    spec = study(tmp_path, layout, network, data, images)
    of_spec = [code for code in codes if code != "images-unlike"]
    run(["validate", spec])
    assert SAID.findall("".join(capsys.readouterr())) == of_spec
    done = run(["plan", spec])
    told = "".join(capsys.readouterr())
    assert SAID.findall(told) == codes
    # The rest of the study is right, so only an error about the layout keeps it from being planned.
    assert done == (1 if "layout-preprocess" in codes else 0), told


def test_weights_of_images_from_0_to_1_are_told_which_module_gives_them(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(["validate", study(tmp_path, "brainiac_v1", FIRST, ZSCORE, BRAIN)])
    told = "".join(capsys.readouterr())
    assert "the weights `public` expect `intensity: min_max`; `train` uses `zscore`" in told
    assert "take `volume_3d`, and `min_max` among its steps" in told


def test_every_layout_of_a_known_network_has_a_study_that_fits_and_one_that_does_not():
    named = {*names("layout")} - {"plain"}
    assert {case[0] for case in CASES if not case[4]} == named
    assert {case[0] for case in CASES if case[4]} == named


@pytest.mark.parametrize(("scales", "codes"), [("", []), ('    scales = "mean"\n\n', ["layout-preprocess"])])
def test_a_step_of_ones_own_is_judged_by_what_it_says_of_itself_only(scales, codes, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "__init__.py").write_text("")
    (tmp_path / "lab" / "steps.py").write_text(
        "from tlimb.components.contracts import Preprocess\n\n\nclass Mine(Preprocess):\n"
        '    """Do nothing."""\n\n' + scales + "    def __init__(self) -> None:\n        pass\n\n"
        "    def apply(self, image):\n        return image\n"
    )
    spec = study(tmp_path, "medicalnet", RESNET, "{volume_3d: {preprocess: [canonical, lab.steps.Mine]}}", HEAD)
    text = (tmp_path / "study.yaml").read_text().replace("tlimb: 1\n", "tlimb: 1\ncode: [./]\n")
    (tmp_path / "study.yaml").write_text(text)
    run(["validate", spec])
    assert SAID.findall("".join(capsys.readouterr())) == codes


def test_a_ranking_says_that_tested_people_may_have_been_in_the_weights_and_not_that_it_was_allowed(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    spec = study(tmp_path, "sfcn_ukb", "sfcn", MEAN, TEMPLATE)
    run(["rank", spec])
    table = capsys.readouterr().out
    assert "LEAK, perhaps: `public` was trained on UK Biobank; the leak guard cannot tell" in table
    assert "allowed by hand" not in table
