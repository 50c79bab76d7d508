"""Classes that are written for Lightning, described from their source: positional parameters, bases, identity."""

import sys

import pytest

from tlimb.describe import installed, static

HOOKS = '''"""Ours."""

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loggers import CSVLogger, Logger


class Mine(pl.Callback):
    """Count.

    Args:
        often: how often.
        what: a thing.
    """

    def __init__(self, often: int, /, *, what: "object" = None, deep: float = 0.5) -> None:
        self.often = often


class Quiet(pl.Callback):
    """Do nothing."""


class Watch(Timer):
    """Stop in time."""


class Table(CSVLogger):
    """Write."""


class Mute(Logger):
    """Write nothing."""
'''


@pytest.fixture
def lab(tmp_path):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "__init__.py").write_text("")
    (tmp_path / "lab" / "hooks.py").write_text(HOOKS)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind"), [("Mine", "callback"), ("Watch", "callback"), ("Table", "logger"), ("Mute", "logger")]
)
def test_bases_are_followed_into_lightning(lab, name, kind):
    assert static.kind(f"lab.hooks.{name}", [lab]) == kind


def test_parameters_that_may_be_given_by_name_are_options_of_callbacks_and_loggers(lab):
    read = static.component("lab.hooks.Table", [lab], "logger")
    assert set(read["options"]) == {"save_dir", "name", "version", "prefix", "flush_logs_every_n_steps"}
    assert not read["open"]
    assert not read["options"]["save_dir"]["required"], "a run names its folder"
    assert static.component("lab.hooks.Table", [lab])["options"] == {}


def test_an_annotation_that_is_not_understood_takes_any_value_and_args_are_the_documentation(lab):
    options = static.component("lab.hooks.Mine", [lab], "callback")["options"]
    assert set(options) == {"what", "deep"}
    assert options["what"] == {"doc": "a thing.", "required": False, "default": None, "schema": {"none": True}}
    assert options["deep"]["schema"] == {"type": "number"}


def test_a_class_without_parameters_of_its_own_or_its_bases_takes_no_options(lab):
    quiet = static.component("lab.hooks.Quiet", [lab], "callback")
    assert (quiet["options"], quiet["open"]) == ({}, False)


def test_keywords_of_any_name_leave_the_options_open():
    path = "lightning.pytorch.callbacks.EMAWeightAveraging"
    ema = static.component(path, installed.folders(path), "callback")
    assert ema["open"]
    assert ema["options"]["decay"] == {"doc": "", "required": False, "default": 0.999, "schema": {"type": "number"}}


def test_what_derives_from_lightnings_timer_has_a_clock(lab):
    assert static.component("lab.hooks.Watch", [lab], "callback")["facts"] == {"clock": "duration"}
    assert static.component("lab.hooks.Quiet", [lab], "callback")["facts"] == {}


def test_a_class_of_a_recorded_package_is_its_version_alone_and_nothing_of_it_is_imported():
    import subprocess
    from importlib.metadata import version

    code = (
        "import sys\n"
        "from tlimb.describe.installed import identity\n"
        "print(identity('lightning.pytorch.callbacks.Timer', []))\n"
        "assert not {'lightning', 'torch'} & set(sys.modules)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == str({"package": f"lightning {version('lightning')}"})
