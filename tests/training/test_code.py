"""What code may be loaded, and from where."""

import sys

import pytest
from attrs import evolve
from node_manifests import fit_manifest, toy

from tlimb.describe.code import identity
from tlimb.training.execute import execute


def lab(tmp_path, name, text):
    folder = tmp_path / "code"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return folder


def test_code_that_is_not_allowed_is_refused_before_it_is_imported(cohort, tmp_path):
    folder = lab(tmp_path, "canary_lab", f"open({str(tmp_path / 'touched')!r}, 'w')\n")
    places = evolve(cohort.places(), code=(folder,))
    manifest = fit_manifest(cohort.view(range(4)), data={"class": "canary_lab.X", "revision": 1, "options": {}})
    outcome = execute(manifest, places)
    assert outcome.code == 77
    assert "--allow canary_lab" in outcome.reason
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "path", ["toy_lab.np.ndarray", "toy_lab.nib.Nifti1Image", "toy_lab.DataModule", "toy_lab.ToyEncoder", "toy_lab.np"]
)
def test_what_is_not_of_the_kind_or_defined_elsewhere_is_refused(cohort, path):
    manifest = fit_manifest(cohort.view(range(4)), data={"class": path, "revision": 1, "options": {}})
    outcome = execute(manifest, cohort.places())
    assert outcome.code in (64, 77)
    assert outcome.code == 77 or "no-such-class" in outcome.reason


@pytest.mark.parametrize("name", ["json", "numpy", "torch"])
def test_a_module_of_a_code_folder_that_hides_an_installed_one_is_refused(cohort, tmp_path, name):
    folder = lab(tmp_path, name, "raise RuntimeError\n")
    places = evolve(cohort.places(), code=(*cohort.places().code, folder))
    outcome = execute(fit_manifest(cohort.view(range(4))), places)
    assert (outcome.code, "shadowing-module" in outcome.reason) == (77, True)


def test_code_folders_come_last_on_the_path(cohort):
    assert execute(fit_manifest(cohort.view(range(4))), cohort.places()).code == 0
    assert sys.path[-1] == str(cohort.places().code[0])


def test_another_revision_than_the_planned_one_is_refused(cohort):
    manifest = fit_manifest(cohort.view(range(4)), data={**toy("ToyData"), "revision": 2})
    outcome = execute(manifest, cohort.places())
    assert (outcome.code, "other-revision" in outcome.reason) == (64, True)


def test_a_users_code_is_identified_without_importing_it(tmp_path):
    folder = lab(tmp_path, "single", '"""Text."""\n\nclass One:\n    """More."""\n\n    x = 1  # note\n')
    package = folder / "several" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "__init__.py").write_text("import x")
    (package / "broken.py").write_text("def (")
    single = identity("single.One", (folder,))
    (folder / "single.py").write_text("class One:\n    x = 1\n")
    assert single == identity("single.One", (folder,))
    (folder / "single.py").write_text("class One:\n    x = 2\n")
    assert single != identity("single.One", (folder,))
    whole = identity("several.inner.Thing", (folder,))
    broken = identity("several.inner.broken.Thing", (folder,))
    (package / "broken.py").write_text("def (:")
    assert whole == identity("several.inner.Thing", (folder,))
    assert broken != identity("several.inner.broken.Thing", (folder,))
    assert identity("nowhere.One", (folder,)) is None


def test_code_that_changed_after_planning_is_refused_and_a_comment_is_no_change(cohort, tmp_path):
    text = (cohort.places().code[0] / "toy_lab.py").read_text().replace("Toy", "Own")
    folder = lab(tmp_path, "changing_lab", text)
    places = evolve(cohort.places(), code=(*cohort.places().code, folder), allow=("toy_lab", "changing_lab"))
    own = {
        "class": "changing_lab.OwnData",
        "options": {},
        "revision": 0,
        "code": identity("changing_lab.OwnData", (folder,)),
    }
    manifest = fit_manifest(cohort.view(range(4)), data=own)
    (folder / "changing_lab.py").write_text("# a comment\n" + text)
    assert execute(manifest, places).code == 0
    (folder / "changing_lab.py").write_text(text + "\nx = 1\n")
    outcome = execute(fit_manifest(cohort.view(range(4)), data=own, seed=2), places)
    assert (outcome.code, "changed-code" in outcome.reason) == (77, True)


def test_an_encoder_without_the_attributes_of_its_contract_is_told_by_their_names(cohort, tmp_path):
    text = (
        "from torch import nn\nfrom tlimb.components.contracts import Encoder\n\n\n"
        "class Bare(Encoder):\n    def __init__(self, inputs):\n        super().__init__()\n"
        "        self.one = nn.Conv3d(inputs.channels, 4, 3)\n        self.feature_dim = 4\n\n"
        "    def forward(self, inputs):\n        return self.one(inputs).mean(dim=(2, 3, 4))\n"
    )
    places = evolve(
        cohort.places(),
        code=(*cohort.places().code, lab(tmp_path, "bare_lab", text)),
        allow=(*cohort.places().allow, "bare_lab"),
    )
    bare = {"class": "bare_lab.Bare", "revision": 1, "options": {}}
    outcome = execute(fit_manifest(cohort.view(range(4)), architecture=bare), places)
    assert outcome.code == 64
    assert "bare_lab.Bare does not set `self.network`, `self.stages`" in outcome.reason
