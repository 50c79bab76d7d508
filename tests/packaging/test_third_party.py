"""A package of somebody else, installed for real: listed, validated and planned unread, run when allowed, and named."""

import json
import re
import shutil
from pathlib import Path

import environments
import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fixtures" / "acme-nets"
INSTALL = "python -m pip install --no-deps --no-build-isolation --reinstall ./acme"
SPEC = """
tlimb: 1
datasets:
  brains: {files: {phantom: {folder: brains}}, split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}}
defaults:
  dataset: brains
  data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20], intensity: zscore}}
  architecture: {tiny_conv: {width: 4}}
  optimizer: {adamw: {lr: 1e-3}}
  trainer: {epochs: 1, batch_size: 8}
stages:
  age: {objective: {regression: {target: age}}, data: {volume_3d: {preprocess: [canonical, {floor: {least: 1}}]}}}
  sex: {objective: {hinge: {target: sex}}}
tests: {old: {of: age}, male: {of: sex}}
report: {metrics: [median_error, mae, balanced_accuracy]}
"""


class Lab:
    """An environment with the package in it, and a folder with a study."""

    def __init__(self, folder):
        self.folder = folder / "study"
        self.programs = environments.make(folder / "environment")
        self.folder.mkdir()
        shutil.copytree(PACKAGE, self.folder / "acme")
        (self.folder / "study.yaml").write_text(SPEC)
        self.shell(INSTALL, "tlimb phantom brains --participants 30")

    def shell(self, *lines, code=0):
        return environments.shell(self.programs, self.folder, *lines, code=code)

    def edit(self, file, old, new):
        path = self.folder / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def plan(self, output):
        """Give the manifests of a plan by work."""
        self.shell(f"tlimb plan study.yaml -o {output}")
        return {path.stem: json.loads(path.read_text()) for path in (self.folder / output).glob("manifests/*/*.json")}

    @property
    def trace(self):
        (site,) = self.programs.parent.glob("lib/python*/site-packages")
        return site / "acme_nets" / "imported.txt"

    @property
    def imported(self):
        return self.trace.exists()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("acme"))


@pytest.fixture
def lab(installed):
    """Give the lab with study and package as they were."""
    (installed.folder / "study.yaml").write_text(SPEC)
    installed.trace.unlink(missing_ok=True)
    yield installed
    shutil.rmtree(installed.folder / "acme")
    shutil.copytree(PACKAGE, installed.folder / "acme")
    installed.shell(INSTALL)


def fits(manifests):
    return {work: found for work, found in manifests.items() if found["hashed"]["kind"] == "fit"}


@pytest.mark.long
def test_a_package_is_listed_validated_and_planned_unread_and_run_when_it_is_allowed(lab):
    said = lab.shell("tlimb components")
    for kind, name in (
        ("architecture", "tiny_conv"),
        ("objective", "hinge"),
        ("metric", "median_error"),
        ("preprocess", "floor"),
        ("cohort", "acme_archive"),
    ):
        assert re.search(rf"^{kind} +{name}\b", said, re.MULTILINE), name
    assert "From the package acme-nets 1.0.0: `acme_nets.nets.TinyConv`" in lab.shell("tlimb components architecture")

    lab.shell("tlimb validate --data study.yaml")
    lab.edit("study.yaml", "width: 4", "widht: 4")
    assert "did you mean `width`?" in lab.shell("tlimb validate study.yaml", code=1)
    lab.edit("study.yaml", "widht: 4", "width: 0")
    assert "out-of-range" in lab.shell("tlimb validate study.yaml", code=1)
    lab.edit("study.yaml", "width: 0", "width: 4")
    found = [one["hashed"] for one in fits(lab.plan("plan")).values()]
    assert not lab.imported

    for one in found:
        assert one["architecture"]["package"] == "acme-nets 1.0.0"
        assert len(one["architecture"]["code"]) == 64
    (sex,) = (one["heads"][0] for one in found if one["heads"][0]["facts"]["label"] == "sex")
    assert sex["facts"]["classes"] == ["F", "M"], "what the objective predicts was not read from its source"

    assert "--allow acme_nets" in lab.shell("tlimb run study.yaml", code=77)
    assert not lab.imported
    lab.shell("tlimb run --allow acme_nets study.yaml")
    assert lab.imported
    assert "age/MedianError" in lab.shell("tlimb rank --allow acme_nets study.yaml")


@pytest.mark.long
def test_the_backend_of_a_package_emits_and_says_what_has_to_be_allowed(lab):
    assert "listing" in lab.shell("tlimb emit study.yaml --backend nonsense -o out", code=64)
    assert "--allow acme_nets" in lab.shell("tlimb emit study.yaml --backend listing -o out", code=77)
    assert not (lab.folder / "out").exists()
    lab.shell("tlimb emit study.yaml --backend listing --allow acme_nets -o out")
    lines = (lab.folder / "out" / "tasks.txt").read_text().splitlines()
    assert len(lines) == len(list((lab.folder / "out" / "plan").glob("manifests/*/*.json")))
    assert (lab.folder / "out" / "README.md").read_text() == "allow: acme_nets\n"


@pytest.mark.long
def test_name_and_class_path_are_the_same_work_and_a_new_version_or_new_code_is_new_work(lab):
    first = fits(lab.plan("first"))
    lab.edit("study.yaml", "tiny_conv:", "acme_nets.nets.TinyConv:")
    assert fits(lab.plan("by-path")).keys() == first.keys()

    lab.edit("acme/pyproject.toml", '"1.0.0"', '"1.0.1"')
    lab.shell(INSTALL)
    second = fits(lab.plan("second"))
    assert not second.keys() & first.keys()
    assert {one["hashed"]["architecture"]["package"] for one in second.values()} == {"acme-nets 1.0.1"}

    lab.edit("acme/src/acme_nets/nets.py", "One strided convolution", "A strided convolution")
    lab.shell(INSTALL)
    assert fits(lab.plan("comment")).keys() == second.keys()
    lab.edit("acme/src/acme_nets/nets.py", ".relu()", ".tanh()")
    lab.shell(INSTALL)
    third = fits(lab.plan("third"))
    assert not third.keys() & second.keys()

    for plan, message in (
        ("first", "planned with as part of acme-nets 1.0.0, and is part of acme-nets 1.0.1 here"),
        ("second", "not the code that was planned with"),
    ):
        # Into a store that has none of it: what is done needs no code.
        assert message in lab.shell(f"tlimb run --allow acme_nets --store other {plan}", code=77)


@pytest.mark.long
def test_a_name_of_two_packages_or_of_ours_is_refused_where_it_is_used(lab):
    lab.edit(
        "acme/pyproject.toml", 'tiny_conv = "acme_nets', 'sfcn = "acme_nets.nets:TinyConv"\ntiny_conv = "acme_nets'
    )
    lab.shell(INSTALL)
    lab.shell("tlimb validate study.yaml")
    lab.edit("study.yaml", "tiny_conv: {width: 4}", "sfcn: {channels: [4, 8]}")
    said = lab.shell("tlimb validate study.yaml", code=1)
    assert "name-twice" in said
    assert "`sfcn` is given by tlimb and by acme-nets 1.0.0" in said


@pytest.mark.long
def test_the_reader_of_a_package_is_checked_unread_indexed_when_it_is_allowed_and_its_rows_are_used(lab):
    lab.edit("study.yaml", "{phantom: {folder: brains}}", "{acme_archive: {folder: brains, fewest: 0}}")
    assert "out-of-range" in lab.shell("tlimb validate study.yaml", code=1)
    lab.edit("study.yaml", "fewest: 0", "fewer: 3")
    assert "unknown-key" in lab.shell("tlimb validate study.yaml", code=1)
    lab.edit("study.yaml", ", fewer: 3", "")
    lab.shell("tlimb validate study.yaml")
    said = lab.shell("tlimb validate --data study.yaml", code=1)
    assert "`acme_archive` is code of acme-nets 1.0.0 and has not been run" in said
    assert "tlimb index study.yaml --allow acme_nets" in said
    assert "was not allowed" in lab.shell("tlimb index study.yaml", code=77)
    assert not lab.imported

    lab.shell("tlimb index study.yaml --allow acme_nets")
    assert lab.imported
    plan = lab.shell("tlimb plan study.yaml")
    assert "30 participants" in plan
    assert "space MNI152NLin6Asym, skull-stripped" in plan
    # The class path is the same reader; a new version asks for a new index.
    lab.edit("study.yaml", "acme_archive:", "acme_nets.archive.Archive:")
    lab.shell("tlimb plan study.yaml")
    lab.edit("acme/pyproject.toml", '"1.0.0"', '"1.0.1"')
    lab.shell(INSTALL)
    assert "index-stale" in lab.shell("tlimb plan study.yaml", code=1)
    lab.shell("tlimb index study.yaml --allow acme_nets", "tlimb run --allow acme_nets study.yaml")
