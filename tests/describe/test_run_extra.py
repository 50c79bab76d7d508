"""The list of packages that training needs is written once, in pyproject.toml."""

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

from tlimb.describe import run_extra
from tlimb.store import environments

ROOT = Path(__file__).resolve().parents[2]


def written():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return sorted(re.match(r"[\w.-]+", text)[0].lower() for text in extras["run"])


def test_what_is_asked_for_is_the_extra_run_of_the_project():
    assert list(run_extra.packages()) == written(), "install tlimb again: its metadata is older than pyproject.toml"


def test_every_module_of_the_extra_is_found_where_it_is_installed():
    assert run_extra.missing() == ()
    assert all(find_spec(name) is not None for name in run_extra.modules())


def test_an_extra_of_another_name_and_a_requirement_of_all_are_left_out(monkeypatch):
    asked = ["attrs>=25.1", "Torch>=2; extra == 'run'", 'no-such-module[x]<3; extra == "run"', "pytest; extra == 'dev'"]
    monkeypatch.setattr(run_extra.metadata, "requires", lambda _: asked)
    run_extra.packages.cache_clear()
    try:
        assert run_extra.packages() == ("no-such-module", "torch")
        assert run_extra.missing() == ("no-such-module",)
    finally:
        run_extra.packages.cache_clear()


def test_the_recorded_packages_are_a_form_of_files_and_are_all_written_installed_or_not():
    assert list(environments.versions()) == [
        *("python", "machine"),
        *("torch", "lightning", "timm", "monai", "numpy", "scipy", "nibabel", "pillow"),
    ]
    assert set(environments.RECORDED) - {"monai"} <= set(written())


def test_what_decides_a_decoded_volume_is_part_of_what_is_recorded():
    from tlimb.training.devices import environment

    names = "python machine torch numpy scipy nibabel pillow monai cpu onednn_isa"
    assert " ".join(environment.DECODING) == names
    assert {*environment.DECODING} <= {*environments.versions(), "cpu", "onednn_isa"}
