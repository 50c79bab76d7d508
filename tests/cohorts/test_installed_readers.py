"""The reader of an installed package: its source is checked, `tlimb index` runs it, and planning imports nothing."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cohort_making import image

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "acme-nets" / "src" / "acme_nets"
SPEC = """
tlimb: 1
datasets:
  clinic:
    files: {acme_archive: {folder: archive}}
    split: {holdout: {train: rest, val: 0.2, test: 0.2}}
stages:
  train:
    dataset: clinic
    data: {volume_3d: {preprocess: [canonical, zscore]}}
    architecture: {resnet3d: {depth: 10}}
    objective: {classification: {target: sex}}
    optimizer: {adamw: {lr: 1e-3}}
    trainer: {epochs: 1, batch_size: 2}
tests: {held_out: {of: train}}
"""


@pytest.fixture
def project(tmp_path):
    """A study on twenty people, and a folder of installed packages, written as installers write it."""
    rows = ["participant_id\tage\tsex"]
    for k in range(20):
        place = tmp_path / "study" / "archive" / f"p{k:02d}" / "anat"
        place.mkdir(parents=True)
        (place / "T1w.nii.gz").write_bytes(gzip.compress(image(k), mtime=0))
        rows.append(f"p{k:02d}\t{20 + k}\t{'FM'[k // 2 % 2]}")
    (tmp_path / "study" / "archive" / "participants.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "study" / "spec.yaml").write_text(SPEC)
    site = tmp_path / "site"
    shutil.copytree(FIXTURE, site / "acme_nets")
    version(site, "1.0.0")
    return tmp_path / "study"


def version(site, number, entries="acme_archive = acme_nets.archive:Archive"):
    """Write what says that a version of the package is installed."""
    for old in site.glob("*.dist-info"):
        shutil.rmtree(old)
    info = site / f"acme_nets-{number}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-nets\nVersion: {number}\n")
    (info / "entry_points.txt").write_text(f"[tlimb.cohorts]\n{entries}\n")


def tlimb(project, *words, code=0):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tlimb", *words],
        cwd=project, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(project.parent / "site")},
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def imported(project):
    return (project.parent / "site" / "acme_nets" / "imported.txt").exists()


def test_its_options_are_checked_from_its_source_and_nothing_is_imported(project):
    assert "acme_archive" in tlimb(project, "components", "cohort")
    tlimb(project, "validate", "spec.yaml")
    edit(project / "spec.yaml", "{folder: archive}", "{folder: archive, fewest: 0}")
    assert "out-of-range" in tlimb(project, "validate", "spec.yaml", code=1)
    edit(project / "spec.yaml", "fewest: 0", "fewst: 3")
    assert "did you mean `fewest`?" in tlimb(project, "validate", "spec.yaml", code=1)
    edit(project / "spec.yaml", "{folder: archive, fewst: 3}", "{}")
    assert "missing-key" in tlimb(project, "validate", "spec.yaml", code=1)
    assert not imported(project)


def test_the_plan_asks_for_the_index_and_only_what_is_allowed_makes_it(project):
    said = tlimb(project, "plan", "spec.yaml", code=1)
    assert "error[index-missing]" in said
    assert "spec.yaml:5:" in said
    assert "`acme_archive` is code of acme-nets 1.0.0 and has not been run" in said
    assert "tlimb index spec.yaml --allow acme_nets" in said
    assert "`acme_archive` is code of acme-nets 1.0.0 and was not allowed" in tlimb(
        project, "index", "spec.yaml", code=77
    )
    assert not imported(project)

    said = tlimb(project, "index", "spec.yaml", "--allow", "acme_nets")
    assert said == "clinic: 20 participants, 20 images by acme_archive\n"
    assert imported(project)
    (project.parent / "site" / "acme_nets" / "imported.txt").unlink()
    plan = tlimb(project, "plan", "spec.yaml")
    assert not imported(project)
    # What the reader says of images and of families holds, although only its index is read.
    assert "space MNI152NLin6Asym, skull-stripped" in plan
    tlimb(project, "plan", "spec.yaml", "-o", "out")
    views = [json.loads(path.read_text()) for path in (project / "tlimb-private" / "views").glob("*.json")]
    people = [[int(row["image"].split("/")[1][1:]) for row in view["rows"]] for view in views]
    parts = [{person // 2 for person in part} for part in people if len(part) < 20]
    assert len(parts) == 3
    assert sum(map(len, parts)) == len(set().union(*parts)) == 10, "a family was divided"


def test_what_a_reader_calls_private_stays_private_through_its_index(project):
    tlimb(project, "index", "spec.yaml", "--allow", "acme_nets")
    edit(project / "spec.yaml", "tests:", "report: {by: [family]}\ntests:")
    said = tlimb(project, "plan", "spec.yaml", code=1)
    assert "error[private-shown]" in said
    assert "`family` is private" in said


def test_name_and_class_path_share_an_index_and_another_version_or_other_code_does_not(project):
    tlimb(project, "index", "spec.yaml", "--allow", "acme_nets")
    edit(project / "spec.yaml", "acme_archive:", "acme_nets.archive.Archive:")
    tlimb(project, "plan", "spec.yaml")
    archive = project.parent / "site" / "acme_nets" / "archive.py"
    archive.write_text("# a comment\n" + archive.read_text())
    tlimb(project, "plan", "spec.yaml")
    version(project.parent / "site", "1.0.1")
    assert "index-stale" in tlimb(project, "plan", "spec.yaml", code=1)
    tlimb(project, "index", "spec.yaml", "--allow", "acme_nets")
    edit(archive, "number // 2", "number // 3")
    assert "index-stale" in tlimb(project, "plan", "spec.yaml", code=1)


def test_what_the_reader_finds_wrong_is_told_at_its_option(project):
    edit(project / "spec.yaml", "{folder: archive}", "{folder: archive, fewest: 30}")
    said = tlimb(project, "index", "spec.yaml", "--allow", "acme_nets", code=1)
    assert "error[files-missing]" in said
    assert "20 people in `archive`, fewer than 30" in said
    assert "spec.yaml:5:" in said


def test_a_name_of_ours_is_refused_where_it_is_used(project):
    version(project.parent / "site", "1.0.0", "bids = acme_nets.archive:Archive")
    edit(project / "spec.yaml", "acme_archive: {folder: archive}", "bids: {folder: archive, suffix: T1w}")
    assert "`bids` is given by tlimb and by acme-nets 1.0.0" in tlimb(project, "validate", "spec.yaml", code=1)


def test_an_entry_point_whose_source_is_gone_is_told_and_not_run(project):
    (project.parent / "site" / "acme_nets" / "archive.py").unlink()
    for words in (("plan", "spec.yaml"), ("index", "spec.yaml", "--allow", "acme_nets")):
        said = tlimb(project, *words, code=1)
        assert "error[class-path]" in said
        assert (
            "`acme_archive` is offered by acme-nets 1.0.0, which has no source of `acme_nets.archive.Archive`" in said
        )
    assert not imported(project)
