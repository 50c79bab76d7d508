"""A picture of each augmentation: drawn by the code that is there, small, and shown on its page."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlimb.components import discovery
from tlimb.export.pictures import FOLDER, STRENGTHS, page, pictures

NAMES = discovery.names("augment")
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "augment"


@pytest.fixture(scope="module")
def drawn():
    return pictures()


@pytest.mark.parametrize("name", NAMES)
def test_each_augmentation_has_a_small_picture_that_its_page_shows(name):
    assert page(name) in (REFERENCE / f"{name}.md").read_text(encoding="utf-8").splitlines()
    assert (FOLDER / f"augment-{name}.png").stat().st_size < 10_000


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_what_the_code_draws(name, drawn):
    with Image.open(FOLDER / f"augment-{name}.png") as picture:
        kept = np.asarray(picture).astype(int)
    made = drawn[f"augment-{name}.png"].astype(int)
    assert kept.shape == made.shape
    # Another processor may round a grey level otherwise, and no more.
    assert np.abs(kept - made).max() <= 2, "run `make pictures` and look at the difference"


@pytest.mark.parametrize("name", NAMES)
def test_a_strong_change_is_seen_to_be_stronger_than_a_weak_one(name, drawn):
    panels = np.array_split(drawn[f"augment-{name}.png"].astype(int), len(STRENGTHS[name]) + 1, axis=1)
    width = min(panel.shape[1] for panel in panels) - 4
    shown = drawn[f"augment-{name}.png"].astype(int)
    at = [shown[:, k * (shown.shape[1] + 4) // len(panels) :][:, :width] for k in range(len(panels))]
    changes = [np.abs(panel - at[0]).mean() for panel in at[1:]]
    assert changes == sorted(changes)
    assert changes[0] > 0.5
