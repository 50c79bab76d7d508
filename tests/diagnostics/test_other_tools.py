"""What users of other tools bring along: one message each, and it shows the line that makes the study right."""

import re
from pathlib import Path

import pytest

from tests.diagnostics.conftest import Case, examples, problems_of
from tlimb.problems import Severity
from tlimb.problems.pages import Page

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "other-tools.md").read_text(encoding="utf-8")
SLIPS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
WORDS = re.compile(r"^(?:.*?(?:write|or|here:|level:|table:|validation:|files:))?\s{2,}")


def parts(slip: str) -> tuple[Case, str, Case]:
    page = Page("other-tools", slip, (Severity.ERROR,), "spec", SLIPS[slip])
    wrong, right = examples(page)
    said = re.search(r"^```text\n(.*?)^```$", SLIPS[slip], re.MULTILINE | re.DOTALL)
    return wrong, said[1], right


def test_at_least_thirty_slips_are_shown():
    assert len(SLIPS) >= 30


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_gives_one_message_with_the_help_that_is_shown(slip, components, tmp_path):
    wrong, said, _ = parts(slip)

    (problem,) = problems_of(wrong, components, tmp_path)

    ((line, severity, code, _, part),) = wrong.expected
    assert (problem.place.span.line, problem.severity.value, problem.code) == (line, severity, code)
    assert part in problem.message
    assert [f"= help: {line}" for line in problem.help] == said.splitlines()


@pytest.mark.parametrize("slip", SLIPS)
def test_a_line_of_the_help_makes_the_study_right(slip, components, tmp_path):
    _, said, right = parts(slip)

    lines = [re.sub(r"\s{3,}.*", "", WORDS.sub("", line.removeprefix("= help: "))) for line in said.splitlines()]
    names = {"LABEL": "sex", "NAME": "clinic", "STAGE": "first", "..": "1e-3"}
    plain = [_plain(_filled(line, names)) for line in lines]
    assert any(line in _plain(right.text) for line in plain), plain
    errors = [p for p in problems_of(right, components, tmp_path) if p.severity is Severity.ERROR]
    assert errors == []


def _filled(line: str, names: dict[str, str]) -> str:
    for word, name in names.items():
        line = line.replace(word, name)
    return line


def _plain(text: str) -> str:
    """Give a text without layout, so that a mapping in braces equals the same mapping on several lines."""
    return re.sub(r"[\s{}]+", "", text)
