"""The data module of docs/extending.md, letter by letter: the suite that ours pass, its hooks, and runs with it."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest
import torch
from studies import Project

from tlimb.phantom.dataset import make
from tlimb.testing import check_component

PAGE = Path(__file__).parent.parent.parent / "docs" / "extending.md"
FILES = ("our_data/scanner.py", "study.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the page shows, and the phantom that it asks for."""
    place = tmp_path_factory.mktemp("own")
    blocks = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    for name in FILES:
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(blocks[name])
    (place / "our_data" / "__init__.py").write_text("")
    make(place / "data" / "people", 30)
    return place


@pytest.fixture
def scanner(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module("our_data.scanner").Scanner
    for name in [name for name in sys.modules if name.split(".")[0] == "our_data"]:
        del sys.modules[name]


def test_it_passes_the_suite_that_our_own_components_pass(scanner):
    check_component(scanner)


def test_the_hook_before_the_transfer_empties_slices_by_each_samples_own_seed(scanner):
    module = scanner(size=[6, 6, 6], lost_slices=2)
    inputs, seeds = torch.ones(3, 1, 6, 6, 6), torch.tensor([3, 4, 5])
    changed = module.before_transfer(inputs, seeds)
    empty = changed.sum(dim=(1, 2, 3)) == 0
    assert ((empty.sum(dim=1) >= 1) & (empty.sum(dim=1) <= 2)).all()
    assert torch.equal(inputs, torch.ones_like(inputs))
    assert torch.equal(module.before_transfer(inputs[1:2], seeds[1:2]), changed[1:2])
    assert torch.equal(scanner(size=[6, 6, 6], lost_slices=0).before_transfer(inputs, seeds), inputs)


def test_the_hook_after_the_transfer_changes_the_gain_within_its_bounds(scanner):
    module = scanner(size=[6, 6, 6], gain=0.3)
    gains = module.augment(torch.ones(500, 1, 2, 2, 2), torch.arange(500)).amax(dim=(1, 2, 3, 4))
    assert 0.7 <= gains.min() < 0.72
    assert 1.28 < gains.max() <= 1.3


def test_each_hook_acts_in_training(folder):
    project = Project(folder)
    planned = project.plan()
    fits = planned.of("fit")
    assert len(fits) == 3
    project.run("--allow", "our_data")
    losses = {}
    for work in fits:
        options = planned.nodes[work]["hashed"]["data"]["options"]
        history = json.loads((project.store / "objects" / work[:2] / work / "history.json").read_text())
        losses[options["lost_slices"], options["gain"]] = history[0]["train"]["age"]
    # The seeds of network and batches are the same for all three, so only the hooks can tell them apart.
    assert set(losses) == {(0, 0), (4, 0), (0, 0.3)}
    assert len(set(losses.values())) == 3
