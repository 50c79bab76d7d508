"""The studies of docs/hcp.md, letter by letter, on a small release made from a phantom."""

import csv
import json
import re
from pathlib import Path

import pytest
from studies import Project

from tlimb.phantom.dataset import make

PAGE = Path(__file__).parent.parent.parent / "docs" / "hcp.md"
PEOPLE = 30


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """Phantoms under the names of the S1200 and PTN releases: pairs of siblings, 4 runs of 30 time points."""
    folder = tmp_path_factory.mktemp("hcp")
    make(folder / "phantom", PEOPLE, seed=3)
    base = folder / "data" / "hcp"
    series = base / "node_timeseries" / "3T_HCP1200_MSMAll_d25_ts2"
    series.mkdir(parents=True)
    with (folder / "phantom" / "participants.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    behavioural, restricted = ["Subject,Gender,Age"], ["Subject,Family_ID,Age_in_Yrs"]
    for k, row in enumerate(rows):
        name, person = row["participant_id"], f"{100000 + 37 * k}"
        place = base / person / "MNINonLinear"
        place.mkdir(parents=True)
        (folder / "phantom" / name / "anat" / f"{name}_T1w.nii.gz").rename(place / "T1w_restore_brain.nii.gz")
        lines = [" ".join(f"{(7 * t * (k + r + 1)) % 101 / 7:.4f}" for r in range(25)) for t in range(120)]
        (series / f"{person}.txt").write_text("\n".join(lines) + "\n")
        behavioural.append(f"{person},{row['sex']},26-30")
        restricted.append(f"{person},fam{k // 2}CANARY,{round(float(row['age']))}")
    (base / "behavioural.csv").write_text("\n".join(behavioural) + "\n")
    (base / "restricted.csv").write_text("\n".join(restricted) + "\n")
    return folder


@pytest.mark.parametrize(("name", "fits"), [("structural", 1), ("series", 2)])
def test_a_study_of_the_page_is_planned_and_run(release, name, fits):
    text = re.search(rf"^```yaml {name}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]
    project = Project(release)
    project.path = release / f"{name}.yaml"
    project.path.write_text(text)

    planned = project.plan()
    assert "families-unknown" not in planned.said
    assert f"dataset hcp: {PEOPLE} participants, {PEOPLE} images: train 18, val 6" in planned.said
    assert len(planned.of("fit")) == fits
    parts = {}
    for view in (project.private / "views").glob("*.json"):
        people = {re.search(r"\d{6}", row["image"])[0] for row in json.loads(view.read_text())["rows"]}
        parts[view.stem] = people
    smaller = [people for people in parts.values() if len(people) < PEOPLE]
    siblings = [(f"{100000 + 74 * k}", f"{100037 + 74 * k}") for k in range(PEOPLE // 2)]
    assert smaller
    assert all((a in people) == (b in people) for people in smaller for a, b in siblings)

    project.run()
    for work in planned.of("predict"):
        assert project.result(work)
    said = project.tlimb("rank").stdout
    assert "CANARY" not in said + planned.said
    for file in [*project.store.rglob("*.json"), *planned.folder.rglob("*.json")]:
        assert "CANARY" not in file.read_text(), file
