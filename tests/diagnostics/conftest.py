"""Literate diagnostics: Markdown blocks whose comments state the problems they expect."""

import json
import re
from pathlib import Path

import pytest
from attrs import frozen

from tlimb.language import catalogue, checking, lower, rules, source
from tlimb.language.catalogue import Catalogue
from tlimb.problems import Problem, Severity

HERE = Path(__file__).parent
EXPECTED = re.compile(r'(error|warning|info)\[([a-z0-9-]+)\](?: "([^"]*)")?')
BLOCK = re.compile(r"^```yaml( whole)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
BASE = {
    "tlimb": "tlimb: 1\n",
    "datasets": """datasets:
  clinic:
    files: {bids: {folder: data/clinic, suffix: T1w}}
    split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}
""",
    "defaults": """defaults:
  dataset: clinic
  data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20]}}
  architecture: {resnet3d: {depth: 10}}
  objective: {classification: {target: sex}}
  optimizer: {adamw: {lr: 1e-3}}
  trainer: {epochs: 2, batch_size: 8}
""",
    "stages": "stages:\n  train: {}\n",
    "tests": "tests:\n  held_out: {of: train}\n",
}


@frozen
class Case:
    """One block: where it stands, its text, and what must be reported as (line, severity, code, message part)."""

    name: str
    text: str
    expected: tuple[tuple[int, str, str, str], ...]


def cases() -> list[Case]:
    """Read all blocks of all files."""
    found = []
    for file in sorted(HERE.glob("*.md")):
        content = file.read_text(encoding="utf-8")
        for block in BLOCK.finditer(content):
            heading = content.rfind("\n## ", 0, block.start())
            title = content[heading + 4 : content.index("\n", heading + 4)] if heading >= 0 else "?"
            found.append(_case(f"{file.stem}: {title}", block[2], whole=bool(block[1])))
    return found


def _case(name: str, text: str, whole: bool) -> Case:
    expected = []
    for number, line in enumerate(text.splitlines(), start=1):
        comments = EXPECTED.finditer(line.partition("#")[2])
        expected.extend((number, comment[1], comment[2], comment[3] or "") for comment in comments)
    if not whole:
        written = set(re.findall(r"^([a-z]+):", text, re.MULTILINE))
        text += "".join(section for key, section in BASE.items() if key not in written)
    return Case(name, text, tuple(expected))


def problems_of(text: str, components: Catalogue) -> list[Problem]:
    """Give what is reported for a spec, form and meaning together."""
    read = source.parse(text, Path("study.yaml"))
    found = checking.check(read, components)
    if not any(problem.severity is Severity.ERROR for problem in found):
        found += rules.check(lower.lower(read), read, components, found)
    return found


@pytest.fixture(scope="session")
def components() -> Catalogue:
    """Give the catalogue with the stand-ins of later components."""
    standins = json.loads((HERE.parent / "fixtures" / "standins.json").read_text())
    return catalogue.load().with_extra(standins)
