"""Which tests are quick, which belong together, and which begin."""

import subprocess
import sys
from pathlib import Path

import pytest
from rooms import FIRST, SYSTEM, importers, is_system, place, rooms

ROOT = Path(__file__).resolve().parent.parent


def said(*words, code=0):
    done = subprocess.run(
        [sys.executable, "tests/rooms.py", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout.split() if code == 0 else done.stderr


def test_every_folder_and_file_that_begins_is_there():
    for name in (*FIRST, *SYSTEM):
        assert (ROOT / "tests" / name).exists(), f"{name}: delete it from tests/rooms.py"


def test_slurm_begins_then_other_systems_then_whole_studies_and_small_files_end():
    names = [
        "plan/test_space.py",
        "acceptance/test_light.py",
        "engines/test_make.py",
        "engines/test_slurm.py",
        "test_rooms.py",
    ]
    assert sorted(names, key=place) == [names[3], names[2], names[1], names[0], names[4]]


def test_a_folder_whose_name_begins_like_that_of_a_system_is_none():
    assert is_system("packaging/test_wheel.py")
    assert not is_system("packaging_of_views/test_x.py")
    assert place("runners/test_x.py") == place("test_x.py")


def test_every_room_that_is_asked_for_has_its_tests_and_with_up_those_of_its_importers():
    assert said("plan") == ["tests/plan"]
    above = said("plan", "--up")
    assert {"tests/plan", "tests/api", "tests/cli"} <= set(above)
    assert not {"tests/language", "tests/store", "tests/components"} & set(above)
    assert said("store", "plan") == ["tests/plan", "tests/store"]


def test_a_room_that_is_not_there_or_has_no_tests_is_told():
    assert "there is no room `plam`; choose from: api, " in said("plam", code=1)
    assert "add UP=1" in said("resources", code=1)
    assert "tests/backends" in said("resources", "--up")


def test_importers_are_rooms_and_none_imports_the_highest():
    assert importers("store") <= rooms()
    assert importers("cli") == set()


@pytest.mark.parametrize(("marks", "kept"), [("system", "packaging"), ("not system", "problems")])
def test_tests_are_marked_by_their_folder(marks, kept):
    words = ["--collect-only", "-q", "-p", "no:xdist", "-m", marks, "tests/packaging/test_project.py", "tests/problems"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    folders = {line.split("/")[1] for line in done.stdout.splitlines() if line.startswith("tests/")}
    assert folders == {kept}
