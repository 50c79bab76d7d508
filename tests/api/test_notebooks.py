"""The functions of `import tlimb` and the rooms of the package have names of their own, in whatever order they come."""

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tlimb

PAGE = Path(__file__).resolve().parents[2] / "docs" / "start.md"
FUNCTIONS_FIRST = """
import tlimb
[getattr(tlimb, name) for name in tlimb.__all__]
import tlimb.plan.draw as draw
import tlimb.plan
from tlimb import plan
"""
ROOMS_FIRST = """
import tlimb.plan.draw as draw
from tlimb import plan
import tlimb
[getattr(tlimb, name) for name in tlimb.__all__]
"""
SAME = """
assert tlimb.plan is plan and plan.draw is draw and draw.__name__ == "tlimb.plan.draw"
assert all(callable(getattr(tlimb, name)) for name in tlimb.__all__)
assert tlimb.load.__module__ == tlimb.make_plan.__module__ == "tlimb.api.notebook"
try:
    plan("study.yaml")
except TypeError as error:
    print(error)
"""


@pytest.mark.parametrize("first", [FUNCTIONS_FIRST, ROOMS_FIRST], ids=["functions", "rooms"])
def test_functions_and_rooms_are_imported_in_any_order_and_a_room_that_is_called_says_what_to_call(first):
    done = subprocess.run([sys.executable, "-c", first + SAME], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "`tlimb.plan` is a package; a loaded study is planned by `tlimb.make_plan(study)`\n"


def test_no_function_has_the_name_of_a_room():
    assert not {*tlimb.__all__} & {module.name for module in pkgutil.iter_modules(tlimb.__path__)}


def test_the_lines_for_notebooks_in_the_documentation_name_functions_that_are_there():
    named = set(re.findall(r"tlimb\.(\w+)\(", PAGE.read_text(encoding="utf-8").partition("## From Python")[2]))
    assert {"load", "make_plan", "run", "results"} <= named <= {*tlimb.__all__}


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        _ = tlimb.rnu
