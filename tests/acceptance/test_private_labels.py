"""A private number decides results and is told by none of them."""

import csv
import io
import json

import pytest
from studies import TINY

from tlimb.cohorts.view import scale

SPEC = {
    **{key: TINY[key] for key in ("tlimb", "name", "roots", "defaults")},
    "datasets": {"people": {**TINY["datasets"]["people"], "labels": {"score": {"column": "age", "private": True}}}},
    "stages": {
        "train": {
            "dataset": "people",
            "objective": {"regression": {"target": "score"}},
            "optimizer": {"adamw": {"lr": {"choice": [0.001, 0.01]}}},
        }
    },
    "tests": {"held_out": {"of": "train", "dataset": "people"}},
    "select": {"metric": "mae"},
    "report": {"metrics": ["mae", "r2"]},
}


@pytest.fixture(scope="module")
def hidden(finished_once, tmp_path_factory):
    """A study of a private number whose values have digits that nothing else has, run once."""
    project = finished_once.copy(tmp_path_factory.mktemp("hidden") / "project", store=False)
    table = project.folder / "data" / "brains" / "participants.tsv"
    header, *lines = [line.split("\t") for line in table.read_text().splitlines()]
    column = header.index("age")
    for number, cells in enumerate(lines):
        cells[column] = f"{float(cells[column]):.1f}{7919 + 13 * number}"
    table.write_text("\n".join("\t".join(cells) for cells in [header, *lines]) + "\n")
    project.secrets = [cells[column] for cells in lines]
    project.write(SPEC)
    project.planned = project.plan()
    project.run()
    return project


def scales(project):
    for work in project.planned.of("fit"):
        view = project.planned.nodes[work]["hashed"]["views"]["data"]["train"]
        yield from scale(row["labels"]["score"] for row in project.rows(view))


def test_p22_no_manifest_result_record_or_ranking_tells_a_private_number_or_its_scale(hidden):
    secrets = [*hidden.secrets, *{repr(number)[:9] for number in scales(hidden)}]
    hidden.tlimb("rank", "-o", "report")
    said = hidden.tlimb("rank", "--format", "json").stdout + hidden.tlimb("plan").stdout
    files = [
        path
        for folder in (hidden.store / "objects", hidden.store / "records", hidden.folder / "report")
        for path in folder.rglob("*")
        if path.suffix not in (".safetensors", ".png") and path.is_file()
    ]
    files += [path for path in hidden.folder.glob("plan-*/**/*") if path.is_file()]
    names = {path.name for path in files}
    assert {"result.json", "passport.json", "history.json", "record.json", "ranking.csv", "plan.json"} <= names

    texts = {"what commands say": said, **{str(path): path.read_text() for path in files}}
    assert not [(name, secret) for name, text in texts.items() for secret in secrets if secret in text]


def test_predictions_leave_true_values_of_private_labels_out_unless_asked_for(hidden):
    without, with_them = (hidden.tlimb("predictions", *words) for words in ((), ("--with-private",)))

    rows, asked = (list(csv.DictReader(io.StringIO(done.stdout))) for done in (without, with_them))
    assert rows
    assert {row["target"] for row in rows} == {""}
    assert all(row["prediction"] for row in rows)
    assert "left out (score); see --with-private" in without.stderr
    assert {float(row["target"]) for row in asked} <= {float(f"{float(secret):g}") for secret in hidden.secrets}
    assert "left out" not in with_them.stderr


def test_a_ranking_of_a_private_number_is_computed_in_its_unit(hidden):
    table = json.loads(hidden.tlimb("rank", "--format", "json").stdout)

    (row,) = table["rows"]
    assert 1.0 < row["cells"]["mae"]["value"]["mean"] < 100.0
