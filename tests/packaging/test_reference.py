"""The reference of components: a page for each, and the study on it can be run."""

import re
import shutil
from pathlib import Path

import pytest

from tlimb import phantom
from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.language import catalogue
from tlimb.project import Asked, project

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "docs" / "reference"
KNOWN = catalogue.load()
LISTINGS = [listing for kind in catalogue.KINDS for listing in KNOWN.all(kind)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give a folder with the cohort that the pages name, smaller."""
    made = tmp_path_factory.mktemp("reference")
    phantom.make(made / "data" / "people", 45, 3, 1, 0.0, 8.0, 0, lambda done, total: None, 4)
    release(made / "data" / "people", made / "data" / "hcp")
    return made


def release(people, to):
    """Put a phantom under the names of the Human Connectome Project."""
    lines = [line.split("\t") for line in (people / "participants.tsv").read_text(encoding="utf-8").splitlines()]
    sex = lines[0].index("sex")
    tables = {"behavioural": ["Subject,Gender"], "restricted": ["Subject,Family_ID"]}
    for number, cells in enumerate(lines[1:]):
        person = str(100000 + number)
        (to / person / "MNINonLinear").mkdir(parents=True)
        image = people / cells[0] / "anat" / f"{cells[0]}_T1w.nii.gz"
        shutil.copy(image, to / person / "MNINonLinear" / "T1w_restore_brain.nii.gz")
        tables["behavioural"].append(f"{person},{cells[sex]}")
        tables["restricted"].append(f"{person},family{number}")
    for name, rows in tables.items():
        (to / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def study_of(listing):
    text = (PLACE / listing.kind / f"{listing.name}.md").read_text(encoding="utf-8")
    return re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1]


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda one: f"{one.kind}-{one.name}")
def test_the_study_on_every_page_is_valid_uses_its_component_and_can_be_planned(listing, folder):
    text = study_of(listing)
    spec = folder / f"{listing.kind}-{listing.name}.yaml"
    spec.write_text(text, encoding="utf-8")
    loaded = load(spec)
    assert [problem.message for problem in loaded.problems] == []
    assert re.search(rf"\b{listing.name}\b", text)

    plan = make_plan(loaded, project(loaded.sound(), spec, Asked()))

    assert len(plan.graph) > 0


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda one: f"{one.kind}-{one.name}")
def test_every_page_tells_options_defaults_units_and_source(listing):
    text = (PLACE / listing.kind / f"{listing.name}.md").read_text(encoding="utf-8")
    for option in listing.options.values():
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `{option.name}` |")]
        assert ("required" in line) == option.required
        assert option.unit in line
    assert ("\nSource: " in text) == bool(listing.source)
