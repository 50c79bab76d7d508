"""What a plan tells of images: their grids from headers, and what is taken for granted of them."""

from pathlib import Path

import pytest

from tests.cohorts.cohort_making import synthetic
from tests.diagnostics.conftest import BASE, nifti, people, turned
from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.cohorts.rows import Row
from tlimb.language.model import Dataset, Images
from tlimb.plan.images import known
from tlimb.project import Asked, project

PEOPLE = "participant_id sex\n" + "".join(f"p{n} {'FM'[n % 2]}\n" for n in range(6))


@pytest.fixture
def told(components, tmp_path):
    """Plan six volumes, of which some may be others, and give the lines about them."""

    def plan(images: dict[int, bytes], dataset: str = "", data: str = "") -> list[str]:
        people(tmp_path, {"people.tsv": PEOPLE})
        for number in range(6):
            content = images.get(number, nifti(bytes([number, *range(7)])))
            path = tmp_path / "images" / f"p{number}.nii"
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)
        spec = tmp_path / "study.yaml"
        text = BASE["tlimb"] + BASE["datasets"].replace(".npy", ".nii") + dataset
        text += BASE["defaults"].replace("{bio_image: {spacing_mm: 8, crop: [20, 24, 20]}}", data or "base")
        spec.write_text(text + BASE["stages"] + BASE["tests"])
        loaded = load(spec, components)
        made = make_plan(loaded, project(loaded.sound(), spec, Asked()))
        return [line.strip() for line in made.people if line.startswith("  ")]

    return plan


def test_equal_headers_are_told_in_one_line(told):
    assert told({}) == ["images: 2 x 2 x 2 voxels, 8 x 8 x 8 mm, RAS, sform unknown (0), qform scanner (1)"]


def test_what_differs_is_told_with_counts_and_ranges(told):
    images = {0: nifti(bytes(range(8)), 1.5), 1: nifti(bytes(range(1, 9)), 2.0)}
    images |= {n: turned(nifti(bytes([n] * 8)), unknown=False) for n in (2, 3)}
    (line,) = told(images)
    assert "1.5 to 8 x 1.5 to 8 x 1.5 to 8 mm (3 sizes)" in line
    assert "RAS: 4 | LAS: 2" in line


def test_what_nothing_tells_and_somebody_expects_is_said_to_be_taken_for_granted(told, tmp_path):
    # The code of an image that lies on another one says nothing of a template.
    aligned = {n: nifti(bytes([n] * 8))[:252] + b"\x02\x00" + nifti(bytes([n] * 8))[254:] for n in range(6)}
    assert told(aligned, data="{crop_center: {size: [2, 2, 2]}}")[1] == (
        "taken for granted: registered to a template (by `crop_center`; nothing tells it)"
    )
    declared = told(aligned, "    images: {space: MNI152NLin6Asym}\n", "{crop_center: {size: [2, 2, 2]}}")
    assert len(declared) == 1
    assert declared[0].endswith("space MNI152NLin6Asym")


COHORT = synthetic({"p": {}})


@pytest.mark.parametrize(
    ("entities", "codes", "said", "stripped", "registered"),
    [
        ({}, None, None, None, None),
        ({}, (4, 1), None, None, True),
        ({}, (0, 1), None, None, False),
        ({}, (2, 1), None, None, None),
        ({"space": "MNI152NLin2009cAsym"}, (1, 1), None, None, True),
        ({"space": "T1w"}, (4, 4), None, None, False),
        ({"description": "brain"}, None, None, True, None),
        ({"description": "preproc"}, None, None, False, None),
        ({"description": "smooth"}, None, None, None, None),
        ({"description": "preproc", "space": "T1w"}, (1, 1), {"skull_stripped": True, "space": "MNI"}, True, True),
        ({"space": "MNI"}, (4, 4), {"space": "scanner"}, None, False),
    ],
)
def test_the_study_speaks_before_names_and_names_before_headers(entities, codes, said, stripped, registered):
    row = Row(0, "p", None, entities, "data", "p.nii", "", "", None, None, (2, 2, 2), None, {}, codes=codes)
    dataset = Dataset(images=None if said is None else Images(**said))
    found = known(row, COHORT, dataset)
    assert (found.skull_stripped, found.registered) == (stripped, registered)


def test_a_cached_header_is_told_without_opening_the_file(told, monkeypatch):
    first = told({})
    monkeypatch.setattr("tlimb.cohorts.hashing.scan", lambda path: pytest.fail(f"{Path(path).name} was read again"))
    assert told({}) == first
