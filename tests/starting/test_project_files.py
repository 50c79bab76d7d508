"""`tlimb init` writes projects that validate and plan as they are, with what was measured, and overwrites nothing."""

import json
import zlib

import nibabel
import numpy as np
import pytest

from tlimb import phantom
from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.cli import run
from tlimb.language import catalogue, source
from tlimb.language.grammar import grammar
from tlimb.language.rewriting.formatting import formatted
from tlimb.problems import ExitCode, TlimbError
from tlimb.project import Asked, project
from tlimb.starting import examples
from tlimb.starting.project_files import STUDY, start


def image(path, shape=(10, 12, 8), affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(zlib.crc32(path.name.encode())).random(shape, dtype=np.float32)
    nibabel.Nifti1Image(values, np.diag([4.0, 4.0, 5.0, 1.0]) if affine is None else affine).to_filename(path)


def table(folder, header, rows):
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(header), *("\t".join(map(str, row)) for row in rows)]
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n")


def clinic(folder, people=24):
    """Make a folder with visits, repeated runs, odd missing cells and coded classes."""
    rows = [
        (f"sub-{i:02d}", "NA" if i == 3 else 20 + i, 1 + i % 2, "ill" if i % 2 else "well", "-9" if i == 5 else i % 7)
        for i in range(people)
    ]
    table(folder, ("participant_id", "age", "sex", "diagnosis", "score"), rows)
    for i in range(people):
        base = folder / f"sub-{i:02d}"
        image(base / "ses-01" / "anat" / f"sub-{i:02d}_ses-01_run-1_T1w.nii.gz")
        if i % 3 == 0:
            image(base / "ses-01" / "anat" / f"sub-{i:02d}_ses-01_run-2_T1w.nii.gz")
        if i % 2 == 0:
            image(base / "ses-02" / "anat" / f"sub-{i:02d}_ses-02_run-1_T1w.nii.gz")
        image(base / "ses-01" / "func" / f"sub-{i:02d}_ses-01_task-rest_bold.nii.gz", (4, 4, 4, 3))
    return folder


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohorts") / "people"
    phantom.make(folder, 60, 3, 1, 0.3, 8.0, 0, lambda done, total: None)
    return folder


def planned(spec):
    loaded = load(spec)
    assert [problem.message for problem in loaded.problems] == []
    read = source.read(spec)
    assert formatted(read, grammar(catalogue.load())) == read.text
    return make_plan(loaded, project(loaded.sound(), spec, Asked()))


def test_a_study_on_a_measured_folder_can_be_planned_as_it_is(tmp_path, people):
    made = start(tmp_path / "project", [people])
    text = made.spec.read_text()
    for fact in ("60 people", "age: number, 2", "F (", "site: A (20), B (20), C (20)", "8 x 8 x 8 mm (from 60 headers)",
                 "group: [family]", "stratify: [diagnosis]", "crop: [24, 24, 24]", "spacing_mm: 8"):  # fmt: skip
        assert fact in text
    assert {node.kind.value for node in planned(made.spec).graph} >= {"fit", "predict", "select"}


def test_visits_runs_and_missing_cells_are_found_and_settled(tmp_path):
    made = start(tmp_path, [clinic(tmp_path / "data" / "my clinic")])
    read = source.read(made.spec).root.data()
    dataset = read["datasets"]["my_clinic"]
    assert dataset["files"] == {"bids": {"folder": "data/my clinic", "suffix": "T1w"}}
    assert dataset["only"] == {"session": "01", "run": "1"}
    assert dataset["missing"] == ["n/a", "NA", -9]
    assert "people by session: 01 (24), 02 (12)" in made.spec.read_text()
    assert "also in the folder: 24 bold" in made.spec.read_text()
    assert read["stages"]["pretrain"]["objective"] == {"regression": {"target": "age"}}
    assert read["stages"]["finetune"]["objective"] == {"classification": {"target": "diagnosis"}}
    assert len(planned(made.spec).graph) > 0


def test_a_run_that_few_have_is_no_reason_to_leave_the_others_out(tmp_path):
    rows = [(f"sub-{i:02d}", 20 + i) for i in range(12)]
    table(tmp_path / "data", ("participant_id", "age"), rows)
    for i in range(12):
        image(tmp_path / "data" / f"sub-{i:02d}" / "anat" / f"sub-{i:02d}_T1w.nii")
    for run_ in (1, 2):
        image(tmp_path / "data" / "sub-00" / "anat" / f"sub-00_run-{run_}_T1w.nii")
    made = start(tmp_path, [tmp_path / "data"])
    read = source.read(made.spec).root.data()
    assert read["datasets"]["data"]["only"] == {"run": "any"}
    assert list(read["stages"]) == ["train"], "only one thing can be learned"
    assert len(planned(made.spec).graph) > 0


def test_axes_are_those_of_the_person_not_of_the_file(tmp_path):
    # Stored as up, right, front: 40 x 20 x 30 voxels of 4 mm are 80 mm wide, 120 mm deep and 160 mm tall.
    turned = np.array([[0, 4, 0, 0], [0, 0, 4, 0], [4, 0, 0, 0], [0, 0, 0, 1]], float)
    rows = [(f"sub-{i:02d}", 20 + i) for i in range(12)]
    table(tmp_path / "data", ("participant_id", "age"), rows)
    for i in range(12):
        image(tmp_path / "data" / f"sub-{i:02d}" / "anat" / f"sub-{i:02d}_T1w.nii.gz", (40, 20, 30), turned)
    read = source.read(start(tmp_path, [tmp_path / "data"]).spec).root.data()
    assert read["defaults"]["data"]["bio_image"] == {"spacing_mm": 4, "crop": [24, 32, 40], "intensity": "zscore"}


def test_several_folders_are_learned_from_the_largest_to_the_others(tmp_path, people):
    made = start(tmp_path / "project", [clinic(tmp_path / "ward"), people])
    stages = source.read(made.spec).root.data()["stages"]
    assert stages["pretrain"]["dataset"] == "people"
    assert stages["finetune"]["dataset"] == "ward"
    assert len(planned(made.spec).graph) > 0
    roots = (tmp_path / "project" / ".tlimb" / "roots.yaml").read_text()
    assert f"people: {people}" in roots
    assert str(people) not in made.spec.read_text(), "the study says nothing of this machine"


def test_without_people_or_columns_it_says_what_is_missing(tmp_path):
    table(tmp_path / "data", ("participant_id", "note"), [(f"sub-{i:02d}", f"text {i}") for i in range(12)])
    for i in range(12):
        image(tmp_path / "data" / f"sub-{i:02d}" / "anat" / f"sub-{i:02d}_T1w.nii.gz")
    with pytest.raises(TlimbError) as error:
        start(tmp_path, [tmp_path / "data"])
    assert error.value.exit_code == ExitCode.DATA
    assert error.value.problems[0].code == "target-missing"
    assert "text 3" not in error.value.problems[0].note[0], "cells may name people"
    assert not (tmp_path / STUDY).exists()


def test_the_starter_on_synthetic_images_can_be_planned_after_the_command_it_names(tmp_path):
    made = start(tmp_path)
    assert made.before == "tlimb phantom data/brains --participants 200"
    phantom.make(tmp_path / "data" / "brains", 45, 3, 1, 0.0, 8.0, 0, lambda done, total: None)
    assert len(planned(made.spec).graph) > 0


def test_settings_for_editors_and_git_lie_beside_the_study(tmp_path):
    start(tmp_path)
    settings = json.loads((tmp_path / ".vscode" / "settings.json").read_text())
    assert settings["yaml.schemas"]["./.tlimb/schema.json"][0] == STUDY
    assert settings["[yaml]"]["editor.quickSuggestions"]["strings"] is True
    schema = (tmp_path / ".tlimb" / "schema.json").read_text()
    assert '"brains"' in schema, "the study's own datasets are offered"
    ignored = (tmp_path / ".gitignore").read_text().splitlines()
    assert {"tlimb-store/", "tlimb-private/", ".tlimb/roots.yaml"} <= set(ignored)
    assert (tmp_path / STUDY).read_text().startswith("# yaml-language-server: $schema=./.tlimb/schema.json\n")
    notes = (tmp_path / ".tlimb" / "editors.md").read_text()
    assert "JetBrains" in notes
    assert "Neovim" in notes


def test_nothing_that_is_there_is_overwritten(tmp_path, capsys):
    (tmp_path / ".gitignore").write_text("mine\n")
    assert run(["init", str(tmp_path)]) == ExitCode.DONE
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    assert f"kept {tmp_path / '.gitignore'}" in capsys.readouterr().out
    (tmp_path / STUDY).write_text("mine\n")
    assert run(["init", str(tmp_path)]) == ExitCode.CANNOT_WRITE
    assert (tmp_path / STUDY).read_text() == "mine\n"
    assert "--force" in capsys.readouterr().err
    assert run(["init", str(tmp_path), "--force"]) == ExitCode.DONE
    assert (tmp_path / STUDY).read_text() != "mine\n"


@pytest.mark.parametrize("template", examples.templates(), ids=lambda one: one.name)
def test_every_example_is_a_template_word_for_word(tmp_path, template):
    made = start(tmp_path, template=template.name)
    assert made.spec.name == f"{template.name}.yaml"
    assert made.spec.read_text() == template.text
    assert made.before.startswith("tlimb phantom ")
    assert template.what.endswith((".", "?"))


def test_a_template_is_found_by_the_beginning_of_its_name_and_others_are_named(tmp_path, capsys):
    assert run(["init", str(tmp_path), "--template", "probe"]) == ExitCode.DONE
    assert (tmp_path / "probe-and-ladder.yaml").is_file()
    assert run(["init", str(tmp_path), "--template", "prob-and"]) == ExitCode.USAGE
    assert "nested-cross-validation" in capsys.readouterr().err
    assert run(["init", "--list"]) == ExitCode.DONE
    assert "sources-to-targets" in capsys.readouterr().out
