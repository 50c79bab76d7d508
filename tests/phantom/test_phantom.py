"""The phantom: what it writes, that it is the same everywhere, and that its effects can be learned."""

import csv
import gzip
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score, roc_auc_score

from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.hashing import HashCache
from tlimb.cohorts.index import index
from tlimb.phantom import make, people, render
from tlimb.problems import ExitCode, TlimbError

TEMPLATES = {
    4: "3d33f65bfe0fe3bb74fda43e55b34f2238f6e271e0f2599ed32f68cf640b809c",
    8: "7441e890a3fddb95dd5784466412b61f024a25b9c84339c1cab9f143e5cd68aa",
}


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def declared(root: Path, **options) -> Declaration:
    return Declaration("brains", "/datasets/brains", "phantom", {"folder": "p", **options}, "data", root)


def test_the_shipped_templates_are_the_ones_derived_and_small():
    for size, sha256 in TEMPLATES.items():
        data = (render.DATA / f"template-{size}mm.npz").read_bytes()
        assert hashlib.sha256(data).hexdigest() == sha256
        assert len(data) <= 150_000
    assert "McConnell Brain Imaging Centre" in (render.DATA / "NOTICE.txt").read_text()


def test_a_cohort_is_a_bids_folder_that_the_reader_takes(tmp_path):
    seen = []
    make(tmp_path / "p", 6, 2, 2, 0.5, 8, 3, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (12, 12)
    assert json.loads((tmp_path / "p/dataset_description.json").read_text())["DatasetType"] == "raw"
    cohort, problems = index(declared(tmp_path, participants=6, seed=3, families=0.5), HashCache())
    assert not problems
    assert len(cohort.rows) == 12
    assert cohort.rows[0].shape == (20, 24, 20)
    assert cohort.rows[0].spacing_mm == (8.0, 8.0, 8.0)
    assert cohort.rows[1].labels["age"] == pytest.approx(cohort.rows[0].labels["age"] + 2)
    assert set(cohort.labels) >= {"age", "sex", "diagnosis", "site", "family"}
    image = nibabel.load(tmp_path / "p/sub-0001/ses-01/anat/sub-0001_ses-01_T1w.nii.gz")
    assert image.get_data_dtype() == np.int16
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    # The brain lies around the origin of MNI space.
    center = image.affine @ [*(np.argwhere(np.asarray(image.dataobj) > 0).mean(axis=0)), 1]
    assert np.all(np.abs(center[:3] - [0, -18, 5]) < 12)


def test_person_k_is_the_same_for_any_number_of_people_and_threads(tmp_path):
    make(tmp_path / "few", 4, 3, 1, 0.5, 8, 1)
    script = (
        "import sys; from tlimb.phantom import make; make(__import__('pathlib').Path(sys.argv[1]), 7, 3, 1, 0.5, 8, 1)"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "many")], check=True, env=environment)
    few, many = files(tmp_path / "few"), files(tmp_path / "many")
    images = {name for name in few if name.endswith(".nii.gz")}
    assert len(images) == 4
    assert {name: few[name] for name in images} == {name: many[name] for name in images}
    rows = [table(tmp_path / name / "participants.tsv") for name in ("few", "many")]
    assert rows[0] == rows[1][:4]
    assert len({few[name] for name in images}) == 4


def test_another_seed_is_another_cohort(tmp_path):
    make(tmp_path / "a", 2, 1, 1, 0.0, 8, 0)
    make(tmp_path / "b", 2, 1, 1, 0.0, 8, 1)
    assert not {v for k, v in files(tmp_path / "a").items() if k.endswith("gz")} & set(files(tmp_path / "b").values())


def test_the_same_cohort_is_left_alone_and_other_folders_are_never_overwritten(tmp_path):
    make(tmp_path / "p", 2, 1, 1, 0.0, 8, 0)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "p").rglob("*")}
    make(tmp_path / "p", 2, 1, 1, 0.0, 8, 0)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "p").rglob("*")} == before
    with pytest.raises(TlimbError) as caught:
        make(tmp_path / "p", 3, 1, 1, 0.0, 8, 0)
    assert caught.value.exit_code is ExitCode.CANNOT_WRITE
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "p").rglob("*")} == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(TlimbError):
        make(tmp_path / "mine", 2, 1, 1, 0.0, 8, 0)
    with pytest.raises(TlimbError):
        make(tmp_path / "q", 2, 1, 1, 0.0, 5, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "p"]


def test_a_failure_leaves_nothing(tmp_path):
    def fail(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "p", 5, 1, 1, 0.0, 8, 0, fail)
    assert list(tmp_path.iterdir()) == []


def test_a_spec_that_disagrees_with_the_stamp_gets_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cohort, (found,) = index(declared(tmp_path, participants=9), HashCache())
    assert cohort is None
    assert found.help == ("tlimb phantom p --participants 9",)
    make(tmp_path / "p", 4, 3, 1, 0.0, 8, 0)
    cohort, (found,) = index(declared(tmp_path, participants=9, voxel_mm=8), HashCache())
    assert cohort is None
    assert found.message == "the phantom in `p` was made with participants 4, not 9"
    assert found.pointer == "/datasets/brains/files/phantom/participants"
    assert found.help[0].startswith("tlimb phantom p --participants 9 --sites 3 --visits 1 --families 0")


def test_gzip_files_hold_no_time_and_no_name(tmp_path):
    make(tmp_path / "p", 1, 1, 1, 0.0, 8, 0)
    data = (tmp_path / "p/sub-0001/anat/sub-0001_T1w.nii.gz").read_bytes()
    assert data[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    assert len(gzip.decompress(data)) == 352 + 2 * 20 * 24 * 20


def test_without_effects_the_template_comes_back():
    base = render.template(4)
    nobody = render.Anatomy(1.0, np.zeros((3, *render.KNOTS)), 0.0, 0.0, 0.0, 0.0, 0.0)
    image = render.render(base, nobody, render.Scanner(), np.random.default_rng(0))
    grey, white, fluid = base.tissues
    expected = grey * base.weights[0] + white * base.weights[1] + fluid * base.weights[2] + base.texture
    inside = base.tissues.sum(axis=0) > 0.5
    assert np.abs(image[inside] / render.WHITE - expected[inside]).max() < 0.001
    assert not image[~inside].any()


def test_old_brains_have_larger_ventricles():
    base = render.template(4)
    fluid = []
    for age in (20.0, 50.0, 80.0):
        who = people.person(0, 1, 1, 1, 0.0)
        from attrs import evolve

        brain = people.anatomy(0, evolve(who, ages=(age,), gap=0.0), 0)
        tissues, _, _ = render._moved(base, brain)
        near = np.abs(base.ventricle_push).sum(axis=0) > 0.5
        fluid.append(tissues[2][near].sum())
    assert fluid[0] < fluid[1] < fluid[2]
    assert fluid[2] > 1.2 * fluid[0]


def test_siblings_and_visits_look_alike():
    def field(number, families=1.0, visit=0):
        return people.anatomy(0, people.person(0, number, 1, 3, families), visit).field.ravel()

    def alike(pairs):
        return np.mean([np.corrcoef(field(*a), field(*b))[0, 1] for a, b in pairs])

    assert abs(alike([((2 * k,), (2 * k + 1,)) for k in range(30)]) - people.SIBLINGS) < 0.08
    assert abs(alike([((2 * k, 0.0), (2 * k + 1, 0.0)) for k in range(30)])) < 0.08
    assert alike([((k, 0.0, 0), (k, 0.0, 1)) for k in range(10)]) > 0.95


def cohort(site: int, start: int, number: int) -> tuple[np.ndarray, ...]:
    """Draw z-scored 8 mm images of one site with their labels."""
    base = render.template(8)
    images, ages, male = [], [], []
    for k in range(start, start + number):
        who = people.person(0, k, 1, 1, 0.0)
        drawn = render.render(base, people.anatomy(0, who, 0), people.scanner(0, site), people.generator(0, 4, k, 0))
        values = drawn.astype(np.float64).ravel()
        inside = values > 0
        images.append(np.where(inside, (values - values[inside].mean()) / values[inside].std(), 0.0))
        ages.append(who.ages[0])
        male.append(float(who.sex == "M"))
    return np.array(images), np.array(ages), np.array(male)


def test_ridge_learns_age_and_sex_and_feels_another_scanner():
    images, ages, male = cohort(0, 0, 120)
    other, other_ages, _ = cohort(1, 200, 40)
    fitted = {}
    for name, target in (("age", ages), ("sex", male)):
        fitted[name] = RidgeCV(alphas=np.logspace(0, 5, 11)).fit(images[:80], target[:80])
    here = r2_score(ages[80:], fitted["age"].predict(images[80:]))
    there = r2_score(other_ages, fitted["age"].predict(other))
    sex = roc_auc_score(male[80:], fitted["sex"].predict(images[80:]))
    assert here > 0.6
    assert there < here - 0.2
    assert sex > 0.8
