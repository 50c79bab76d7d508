"""Misspell the names of columns, one to three at a time: each gives one diagnostic at its place when data are read."""

import os
import random
import string

import pytest

from tests.diagnostics.conftest import people
from tlimb.api.load import load
from tlimb.api.planning import check_data
from tlimb.problems import Severity
from tlimb.project import Asked

SEED = int(os.environ.get("TLIMB_SEED", "20260101"))
COUNT = int(os.environ.get("TLIMB_MUTATIONS", "60"))
SPEC = """tlimb: 1
datasets:
  clinic:
    files: {table: {file: people.tsv, image: 'images/{participant_id}.npy'}}
    labels: {sick: {column: <diagnosis>, map: {sick: ill, well: healthy}}}
    only: {<age>: {min: 21}}
    split: {holdout: {train: 0.6, val: 0.2, test: 0.2, stratify: [<sex>], group: [<participant_id>]}}
  other:
    files: {table: {file: people.tsv, image: 'images/{participant_id}.npy'}}
    identity: {namespace: elsewhere}
    split: {leave_one_out: {by: <site>}}
defaults:
  data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20]}}
  architecture: {resnet3d: {depth: 10}}
  optimizer: {adamw: {lr: 1e-3}}
  trainer: {epochs: 1, batch_size: 8}
stages:
  first: {dataset: other, objective: {regression: {target: <age>}}}
  train: {dataset: clinic, objective: {classification: {target: <sex>}}}
  again: {dataset: clinic, objective: {classification: {target: <sick>}}}
"""


def written(wrong: dict[int, str]) -> tuple[str, list[tuple[int, int]]]:
    """Give the spec with some of its column names replaced, and the places of those."""
    parts = SPEC.split("<")
    text, places = parts[0], []
    for number, part in enumerate(parts[1:]):
        name, _, rest = part.partition(">")
        if number in wrong:
            places.append((text.count("\n") + 1, len(text) - text.rfind("\n")))
        text += wrong.get(number, name) + rest
    return text, sorted(places)


def columns() -> list[str]:
    return [part.partition(">")[0] for part in SPEC.split("<")[1:]]


def misspelt(name: str, dice: random.Random) -> str:
    i = dice.randrange(len(name))
    return name[:i] + dice.choice(string.ascii_lowercase) + name[i:] + dice.choice("0123456789")


@pytest.fixture
def spec(tmp_path):
    people(tmp_path, {})
    return tmp_path / "study.yaml"


def errors(spec, text):
    spec.write_text(text)
    found = check_data(load(spec), Asked())
    return sorted((p.place.span.line, p.place.span.column) for p in found if p.severity is Severity.ERROR)


def test_the_study_with_all_names_right_has_no_error(spec):
    assert errors(spec, written({})[0]) == []


def test_every_misspelt_column_gives_one_diagnostic_at_its_place(spec):
    dice = random.Random(SEED)
    names = columns()
    wrong = []
    for number in range(COUNT):
        places = dice.sample(range(len(names)), number % 3 + 1)
        if 0 in places:  # without a column that its label needs there is no index of `clinic` to check others against
            places = [place for place in places if place in (0, 4, 5)]
        text, expected = written({place: misspelt(names[place], dice) for place in places})
        found = errors(spec, text)
        if found != expected:
            wrong.append(([names[place] for place in places], expected, found))
    assert len(wrong) <= 0.005 * COUNT, f"{len(wrong)} of {COUNT}; the first: {wrong[:6]}"
