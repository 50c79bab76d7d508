"""Every mistake is reported once, at its line, in words that help; every code is shown in the documentation."""

import ast
from pathlib import Path

import pytest

import tlimb.language
from tests.diagnostics.conftest import Case, cases, problems_of

CASES = cases()
LANGUAGE = Path(tlimb.language.__file__).parent
NOT_SHOWN = {
    "file-missing": "there is no file to show",
    "too-large": "the block would be larger than this documentation",
    "encoding": "these files are text",
}
"""Codes without a block, and why."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_reported_once_at_its_line(case: Case, components):
    found = problems_of(case.text, components)
    reported = sorted((p.place.span.line, str(p.severity), p.code) for p in found)
    assert reported == sorted(expected[:3] for expected in case.expected), [p.message for p in found]
    for line, _, code, part in case.expected:
        messages = [p.message for p in found if p.code == code and p.place.span.line == line]
        assert any(part in message for message in messages), messages


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_messages_are_lower_case_and_name_what_is_wrong(case: Case, components):
    for problem in problems_of(case.text, components):
        assert not problem.message.endswith(".")
        assert not problem.message[0].isupper()
        for related in problem.related:
            assert related.place is not None


def emitted() -> set[str]:
    """Give every code that some module of the language can report, read from its text."""
    makers = {"Problem", "report", "report_key", "warn", "_report", "_problem", "_unknown", "_unknown_keys"}
    codes = set()
    for file in LANGUAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in makers and isinstance(node.args[0].value, str):
                codes.add(node.args[0].value)
    return codes


def test_every_code_is_shown():
    shown = {code for case in CASES for _, _, code, _ in case.expected}
    assert sorted(emitted() - shown - set(NOT_SHOWN)) == []


def test_the_base_study_is_right(components):
    from tests.diagnostics.conftest import BASE

    assert problems_of("".join(BASE.values()), components) == []
