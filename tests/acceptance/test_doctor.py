"""`tlimb doctor` on machines where something is missing: every finding once, with what to do."""

import sys

import pytest


def doctor(project, *words, code, env=None):
    return project.tlimb("doctor", *words, code=code, env=env).stdout


def test_a_machine_that_lacks_nothing_is_told_so_and_shared_files_are_looked_at_once(finished):
    said = doctor(finished, code=0)
    assert "BAD" not in said
    assert "datasets people, population, clinic: 72 images, 20 read" in said
    assert said.endswith("this machine can run the study\n")


def test_a_missing_root_is_one_finding_and_names_the_option(finished):
    said = doctor(finished, "--root", "cohort=nowhere", code=1)
    assert "--root cohort=FOLDER" in said
    assert "not looked at, since root cohort is missing" in said
    assert said.endswith("2 of 7 are not as a run needs them\n")


def without(tmp_path, *names):
    """Give the environment of a Python in which these modules cannot be imported."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        f"import sys\nfor name in {names!r}:\n    sys.modules[name] = None  # an import of it fails\n"
    )
    return {"PYTHONPATH": str(site)}


def test_all_missing_packages_are_told_at_once(finished, tmp_path):
    said = doctor(finished, code=1, env=without(tmp_path, "torch", "sklearn", "safetensors"))
    assert "training packages: cannot be imported: safetensors, sklearn, torch" in said
    assert "pip install 'tlimb[run]'" in said


def test_a_package_that_tlimb_does_not_bring_is_not_asked_for(finished, tmp_path):
    said = doctor(finished, code=0, env=without(tmp_path, "monai", "einops"))
    assert "BAD" not in said


@pytest.mark.parametrize("option", ["store", "private"])
def test_a_folder_that_cannot_be_written_is_a_finding_and_no_end(finished, option):
    (finished.folder / "file").write_text("")
    said = doctor(finished, f"--{option}", "file/folder", code=1)
    assert f"--{option} FOLDER" in said
    assert "training packages: torch" in said


def test_bad_images_are_counted_and_named_nowhere(finished):
    for path in sorted((finished.folder / "data").rglob("*.nii.gz"))[:2]:
        path.write_bytes(b"")
    said = doctor(finished, code=1)
    assert "2 of the 72 images" in said
    assert "CANARY" not in said
    assert sys.executable not in said
