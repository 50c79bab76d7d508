"""Folders as projects hand them out, through the commands that a user gives: nothing has to be renamed or moved."""

import json

import pytest
from real_folders import bids_sessions, fmriprep, hcp_series, hcp_structural
from studies import tlimb

FREE, KIN = "HCP_1200/unrestricted_lab_4_9_2024_3_15_20.csv", "HCP_1200/RESTRICTED_lab_4_9_2024_3_15_50.csv"
TABLES = f"behavioural: {FREE}, restricted: {KIN}"
HCP, PREP = "26 x 31 x 26 voxels, 7 x 7 x 7 mm, LAS", "20 x 24 x 20 voxels, 8 x 8 x 8 mm, RAS"
MNI, SCANNER = "sform MNI152 (4), qform MNI152 (4)", "sform scanner (1), qform scanner (1)"
VOLUMES, RESNET = "{bio_image: {spacing_mm: 8, crop: [20, 24, 20]}}", "{resnet3d: {depth: 10, filters: 4}}"
MASKED = "{bio_image: {spacing_mm: 8, crop: [20, 24, 20], region: mask}}"
STUDIES = {
    # reader, data, network, objective, what the plan says of the images
    "mni": (
        f"{{hcp: {{folder: HCP_1200, image: T1w_restore_brain, {TABLES}}}}}",
        VOLUMES, RESNET, "classification: {target: Gender}",
        f"{HCP}, {MNI}, space MNI152NLin6Asym, skull-stripped",
    ),
    "head": (
        f"{{hcp: {{folder: HCP_1200, image: T1w_restore, {TABLES}}}}}",
        VOLUMES, RESNET, "classification: {target: Age}",
        f"{HCP}, {MNI}, space MNI152NLin6Asym, with skull",
    ),
    "acpc": (
        f"{{hcp: {{folder: HCP_1200, image: T1w_acpc_dc_restore_brain, mask: true, {TABLES}}}}}",
        MASKED, RESNET, "regression: {target: PMAT24_A_CR}",
        f"{HCP}, {SCANNER}, space acpc, skull-stripped",
    ),
    "ptn": (
        f"{{hcp: {{folder: HCP_PTN1200, image: node_timeseries, {TABLES}}}}}",
        "{time_series: {runs: 4}}", "connectivity", "regression: {target: Age_in_Yrs}",
        "tables: 4800 x 15",
    ),
    "fmriprep": (
        "{bids: {folder: fmriprep, suffix: T1w, space: MNI152NLin2009cAsym, desc: preproc, mask: brain}}",
        MASKED, RESNET, "classification: {target: sex}",
        f"{PREP}, {MNI}, space MNI152NLin2009cAsym, with skull",
    ),
    "bids": (
        "{bids: {folder: bids, suffix: T1w, session: '02', run: '1'}}",
        VOLUMES, RESNET, "regression: {target: age}",
        f"{PREP}, {SCANNER}",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All the folders side by side, and a study of each."""
    base = tmp_path_factory.mktemp("handed-out")
    people = hcp_structural(base / "HCP_1200")
    hcp_series(base / "HCP_PTN1200", people)
    fmriprep(base / "fmriprep")
    bids_sessions(base / "bids")
    for name, (files, data, network, objective, _) in STUDIES.items():
        write(base / f"{name}.yaml", files, data, network, objective)
    return base


def write(path, files, data=VOLUMES, network=RESNET, objective="classification: {target: sex}"):
    path.write_text(
        f"tlimb: 1\ndatasets:\n  people:\n    files: {files}\n"
        "    split: {holdout: {train: 6, val: 2, test: 4}}\nstages:\n  train:\n    dataset: people\n"
        f"    data: {data}\n    architecture: {network}\n    objective: {{{objective}}}\n"
        "    optimizer: {adamw: {lr: 1e-3}}\n    trainer: {epochs: 1, batch_size: 2}\ntests: {held: {of: train}}\n"
    )


@pytest.mark.parametrize("name", STUDIES)
def test_a_folder_as_it_was_handed_out_is_validated_planned_and_run(folder, name):
    spec = f"{name}.yaml"
    tlimb(folder, "validate", "--data", spec)
    planned = tlimb(folder, "plan", spec, "-o", f"plan-{name}").stdout
    assert "dataset people: 12 participants, 12 images: train 6, val 2" in planned
    assert STUDIES[name][4] in planned
    done = tlimb(folder, "run", "--smoke", spec, "--store", f"store-{name}")
    assert "3 nodes computed" in done.stdout + done.stderr


def rows(folder, name):
    """Give the rows of the parts of a study, from a private folder of its own."""
    private = folder / f"private-{name}"
    tlimb(folder, "plan", f"{name}.yaml", "--private", private)
    views = [json.loads(path.read_text())["rows"] for path in (private / "views").glob("*.json")]
    return [view for view in views if len(view) < 12]


def test_siblings_of_the_restricted_table_are_in_one_part_and_the_unlisted_person_is_told(folder):
    parts = [{(int(row["image"].split("/")[1]) - 100206) // 101 // 2 for row in part} for part in rows(folder, "mni")]
    assert sorted(map(len, parts)) == [1, 2, 3]
    assert len(set().union(*parts)) == 6
    said = tlimb(folder, "plan", "mni.yaml").stderr
    assert "1 of 13 participants of `people` have no T1w_restore_brain image" in said


def test_the_age_of_a_visit_is_that_of_the_sessions_table(folder):
    ages = {row["image"].split("/")[1]: row["labels"]["age"] for part in rows(folder, "bids") for row in part}
    assert ages == {f"sub-{k + 1:03d}": 31 + k for k in range(12)}


def test_an_empty_cell_is_a_missing_label_and_its_person_stays(folder):
    write(
        folder / "score.yaml", f"{{hcp: {{folder: HCP_1200, image: T1w_restore_brain, behavioural: {FREE}}}}}",
        objective="regression: {target: MMSE_Score}",
    )  # fmt: skip
    scores = [row["labels"]["MMSE_Score"] for part in rows(folder, "score") for row in part]
    assert len(scores) == 12
    assert scores.count(None) == 1


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ("{bids: {folder: bids, suffix: T1w}}", 'help: narrow it:   only: {run: "1", session: "01"}'),
        ("{bids: {folder: fmriprep, suffix: T1w}}", 'only: {resolution: "2", space: "MNI152NLin2009cAsym"}'),
        ("{bids: {folder: fmriprep, suffix: T1w, space: MNI152NLin2009cAsym, mask: true}}", "write   mask: brain"),
        ("{bids: {folder: bids, suffix: T1w, session: '01', run: 1}}", 'quotes make it a text: "1"'),
        ("{hcp: {folder: HCP_1200, image: T2w_restore_brain}}", "there are: T1w_acpc_dc_restore_brain.nii.gz"),
        ("{hcp: {folder: HCP_PTN1200, image: node_timeseries, regions: 25}}", "there are: 3T_HCP1200_MSMAll_d15_ts2"),
        ("{hcp: {folder: HCP_1200/100206, image: T1w_restore_brain}}", "write   folder: HCP_1200"),
        ("{hcp: {folder: HCP_PTN1200/node_timeseries, image: node_timeseries}}", "write   folder: HCP_PTN1200"),
    ],
)
def test_what_one_trips_over_on_the_first_try_says_what_to_write(folder, files, says):
    write(folder / "tripped.yaml", files)
    assert says in tlimb(folder, "validate", "--data", "tripped.yaml", code=1).stderr
