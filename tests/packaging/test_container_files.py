"""Containerfile and Apptainer definition: linted, and equal step by step."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = {"arguments", "files", "post", "environment", "runscript", "test", "labels", "help"}


def steps():
    """Give the Containerfile's instructions, (word, rest), with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if line.strip()]


def definition():
    """Give the header of the definition, key -> value, and its sections, name -> lines."""
    header, sections = {}, {}
    for line in (ROOT / "apptainer.def").read_text(encoding="utf-8").splitlines():
        if line.startswith("%"):
            lines = sections.setdefault(line[1:].strip(), [])
        elif not line.strip() or line.startswith("#"):
            continue
        elif sections:
            lines.append(line.strip())
        else:
            key, value = line.split(": ", 1)
            header[key] = value
    return header, sections


def lint(path):
    words = [Path(sys.executable).with_name("hadolint"), "--no-color", path]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_linter_has_no_word_to_say_about_the_containerfile(tmp_path):
    done = lint(ROOT / "Containerfile")
    assert (done.returncode, done.stdout) == (0, "")
    bad = tmp_path / "Containerfile"
    bad.write_text("FROM debian:latest\nRUN cd /tmp && sudo apt-get install foo\n")
    assert lint(bad).returncode == 1, "the linter passes everything"


def test_the_definition_has_every_section_once_and_none_that_apptainer_does_not_know():
    header, sections = definition()
    assert header == {"Bootstrap": "docker", "From": "{{ BASE }}"}
    assert set(sections) == SECTIONS
    assert all(sections.values())
    text = (ROOT / "apptainer.def").read_text(encoding="utf-8")
    assert len(re.findall(r"^%", text, re.MULTILINE)) == len(SECTIONS)
    post = "\n".join(sections["post"])
    assert subprocess.run(["sh", "-n"], input=post, text=True, check=False).returncode == 0


def test_definition_and_containerfile_start_from_one_base_and_install_the_same():
    _, sections = definition()
    words = steps()
    base = next(rest.removeprefix("BASE=") for word, rest in words if word == "ARG")
    assert sections["arguments"] == [f"BASE={base}"]
    runs = " && ".join(rest for word, rest in words if word == "RUN")
    installs = re.findall(r"/opt/tlimb/bin/python -m pip install [^&]*[^& ]", runs)
    assert len(installs) == 2
    assert [line for line in sections["post"] if " pip install " in line] == installs
    assert "python -m venv /opt/tlimb" in runs
    assert "python -m venv /opt/tlimb" in sections["post"]
    copied = [rest.split()[0] for word, rest in words if word == "COPY"]
    assert [Path(one).parts[0] for one in copied] == [Path(line.split()[0]).parts[0] for line in sections["files"]]


def test_both_images_say_the_same_of_themselves_and_set_the_same_variables():
    _, sections = definition()
    words = steps()
    labels = dict(re.findall(r'(\S+?)="(.*?)"', next(rest for word, rest in words if word == "LABEL")))
    assert dict(line.split(" ", 1) for line in sections["labels"]) == labels
    shared = {"PATH", "MPLCONFIGDIR", "PYTHONDONTWRITEBYTECODE"}
    container = dict(one.split("=", 1) for word, rest in words if word == "ENV" for one in rest.split())
    apptainer = dict(one.split("=", 1) for one in sections["environment"][0].removeprefix("export ").split())
    assert {name: container[name] for name in shared} == {name: apptainer[name] for name in shared}


def test_an_image_is_never_run_as_root_unless_somebody_asks_for_it():
    users = [rest for word, rest in steps() if word == "USER"]
    assert users == ["1000:1000"]
