"""Views tell who must be resampled together, and no digest depends on it."""

import json

from table_studies import planned, write_cohort

SPEC = """
tlimb: 1
name: related
datasets:
  people:
    files: {table: {file: people.tsv, image: "img/{participant_id}.nii.gz"}}
    split: {holdout: {train: 0.5, test: 0.5, group: [GROUP]}}
stages:
  train:
    dataset: people
    data: {bio_image: {spacing_mm: 8, crop: [4, 4, 4]}}
    architecture: {sfcn: {channels: [4, 8]}}
    objective: {regression: {target: age}}
    optimizer: {adamw: {lr: 1e-3}}
    trainer: {epochs: 1, batch_size: 4}
tests: {held_out: {of: train, dataset: people}}
"""


def rows_tested(folder, group):
    household = [f"h{index // 4}" for index in range(16)]
    write_cohort(folder, {"age": [20 + index for index in range(16)], "household": household})
    plan, _, place = planned(folder, SPEC.replace("GROUP", group))
    predict = next(node for node in plan.graph if node.kind == "predict")
    key = predict.hashed["views"]["rows"]
    rows = json.loads((place.private / "views" / f"{key}.json").read_text())["rows"]
    return plan, place, rows


def test_groups_of_the_split_are_told_in_the_private_view(tmp_path):
    plan, _, rows = rows_tested(tmp_path, "household")

    assert len(rows) == 8
    assert len({row["family"] for row in rows}) == 2
    manifests = json.dumps([node.to_json() for node in plan.graph])
    assert not any(row["family"] in manifests for row in rows)


def test_people_of_no_family_are_groups_of_their_own(tmp_path):
    write_cohort(tmp_path, {"age": list(range(20, 36))})
    plan, _, place = planned(tmp_path, SPEC.replace(", group: [GROUP]", ""))
    for key in {node.hashed["views"]["rows"] for node in plan.graph if node.kind == "predict"}:
        rows = json.loads((place.private / "views" / f"{key}.json").read_text())["rows"]
        assert [row["family"] for row in rows] == [row["person"] for row in rows]
