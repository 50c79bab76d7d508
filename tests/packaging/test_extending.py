"""docs/extending.md followed to the letter: its files are written as it says, its commands are run as they stand."""

import re
from pathlib import Path

import environments
import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = ("An architecture", "An objective", "A dataset", "A scenario", "A callback", "An observer", "A backend")
BLOCK = re.compile(r"(?:^As `([^`]+)`[^\n]*:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections():
    """Give the text before the first heading under its name, and each section under its heading."""
    _, _, text = PAGE.partition("\n")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def follow(text, folder, programs):
    """Write the files and run the commands of a text; give what the commands said."""
    said = ""
    for path, language, content in BLOCK.findall(text):
        if path:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content, encoding="utf-8")
        else:
            assert language == "sh", f"a block of {language} says neither its file nor that it is run"
            said += environments.shell(programs, folder, content)
    return said


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    programs = environments.make(folder / "environment")
    (folder / "study").mkdir()
    follow(sections()[""], folder / "study", programs)
    return folder / "study", programs


def test_each_of_them_has_one_file_and_one_test_and_commands():
    for section in SECTIONS:
        blocks = BLOCK.findall(sections()[section])
        files = [path for path, _, _ in blocks]
        assert len([path for path in files if path.startswith("my_lab/")]) == 1, section
        assert len([path for path in files if path.startswith("test_")]) == 1, section
        (commands,) = (content for path, language, content in blocks if language == "sh")
        assert "pytest" in commands
        assert "tlimb validate" in commands


@pytest.mark.long
@pytest.mark.parametrize("section", SECTIONS)
def test_the_text_of_a_section_works_as_it_stands(section, project):
    folder, programs = project
    # Each section stands alone but for the backend's package, which offers what the others have written.
    before = SECTIONS[: SECTIONS.index(section)] if section == "A backend" else ()
    for other in before:
        for path, _, content in BLOCK.findall(sections()[other]):
            if path:
                (folder / path).write_text(content, encoding="utf-8")
    said = follow(sections()[section], folder, programs)
    assert "passed" in said
    assert "failed" not in said
    if section == "A backend":
        assert "From the package my-lab 0.1.0" in said
        assert (folder / "project" / "results").is_dir()
