import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = sorted((ROOT / "requirements").glob("*.txt"))


def packages(path):
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_every_requirement_is_pinned_and_verified_by_hash():
    for path in PINS:
        for words in packages(path):
            assert re.match(r"^[a-z0-9._-]+(\[[a-z,]+\])?==\S+$", words[0]), f"{path.name}: {words[0]}"
            assert any(word.startswith("--hash=sha256:") for word in words), f"{path.name}: {words[0]}"


def test_no_requirements_file_holds_an_address():
    for path in PINS:
        text = path.read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index-url" not in text
    assert not (ROOT / "uv.lock").exists()


def test_the_compile_half_is_pinned_without_the_run_half():
    names = {words[0].split("==")[0] for words in packages(ROOT / "requirements" / "compile.txt")}
    assert not names & {"torch", "lightning", "timm", "monai", "nibabel", "numpy", "scipy", "scikit-learn"}


def test_every_verb_of_the_makefile_is_in_its_help():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert {line.split()[1] for line in shown.splitlines() if line.startswith("  make ")} == phony


def test_version_and_licence_agree_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {PROJECT['version']}" in citation
    assert f"license: {PROJECT['license']}" in citation
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
