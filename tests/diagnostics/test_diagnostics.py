"""Every code has a page, and every page is right: the wrong study gives that code there, the mended one does not."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tlimb
from tests.diagnostics.conftest import BASE, Case, cases, examples, problems_of
from tlimb.language.catalogue import KINDS
from tlimb.problems import Severity
from tlimb.problems.pages import TIERS, registry

CASES = cases()
PACKAGE = Path(tlimb.__file__).parent
SHOWN_IN_TESTS = {"run", "use", "deep"}
"""Tiers whose pages tell in prose what the tests of their rooms provoke: no spec alone brings them about."""
NOT_SHOWN = {
    "file-missing": "there is no file to show",
    "too-large": "the example would be larger than all pages together",
    "encoding": "pages are UTF-8",
    "draws-moved": "it takes a study that ran before; see test_draws_moved.py",
    "drawn-often": "it takes more than forty people; see tests/plan/test_epochs.py",
    "index-missing": "needs code of the user's own; see tests/cohorts/test_own_readers.py",
    "index-stale": "needs code of the user's own; see tests/cohorts/test_own_readers.py",
    "reader-failed": "needs code of the user's own; see tests/cohorts/test_own_readers.py",
}
"""Codes of specs and data whose page has no example that runs, and why."""
ELSEWHERE = {
    "cannot-write": "printed for every OSError, in tlimb/cli/show.py",
    "mask-missing": "chosen from a pair in tlimb/cohorts/bids.py",
    "mask-not-unique": "chosen from a pair in tlimb/cohorts/bids.py",
}
"""Codes with a page that no call names literally, and why."""
PLACES = {"unknown": [f"unknown-{kind}" for kind in KINDS if kind != "cohort"]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_example_gives_what_its_comments_say_and_nothing_else(case: Case, components, tmp_path):
    found = problems_of(case, components, tmp_path)
    lines = case.text.split("\n")

    said = [(p.place.span.line if p.place else 0, p.severity.value, p.code) for p in found]
    assert sorted(said) == sorted(one[:3] for one in case.expected), [(p.code, p.message) for p in found]
    for line, _, code, marked, part in case.expected:
        here = [p for p in found if p.code == code and p.place.span.line == line]
        spans = [p.place.span for p in here]
        texts = [lines[s.line - 1][s.column - 1 : s.end_column - 1 if s.end_line == s.line else None] for s in spans]
        assert not marked or marked in texts, texts
        assert any(part in p.message for p in here), [p.message for p in here]


@pytest.mark.parametrize("code", registry())
def test_a_page_shows_its_code_and_how_it_is_mended(code):
    page = registry()[code]
    if page.tier in SHOWN_IN_TESTS:
        assert f"[{code}]" in page.text, "show what is printed"
        return
    wrong = [case for case in examples(page) if case.kind == "wrong"]
    assert code in NOT_SHOWN or any(code == hit[2] for case in wrong for hit in case.expected)
    mended = [case for case in examples(page) if case.kind == "right"]
    assert code in NOT_SHOWN or mended, "show the mended study"
    assert all(hit[2] != code for case in mended for hit in case.expected)


@pytest.mark.parametrize("code", registry())
def test_a_page_says_what_a_code_means_and_why_it_matters_in_plain_words(code):
    page = registry()[code]
    body = re.sub(r"```.*?```", "", page.text.partition("_\n")[2], flags=re.DOTALL)
    assert len(body.split()) >= 15, "say what it means and why it matters"
    assert not page.title.endswith(".")
    assert page.title[0].islower() or page.title[0] in "`YN"
    assert page.tier in TIERS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_messages_are_lower_case_say_what_to_do_and_have_places(case: Case, components, tmp_path):
    for problem in problems_of(case, components, tmp_path):
        assert not problem.message.endswith(".")
        assert not problem.message[0].isupper()
        assert all(related.place is not None for related in problem.related)
        assert problem.severity in registry()[problem.code].severities, problem.code
        if problem.severity is Severity.ERROR:
            assert problem.help or problem.note or problem.related or "must be" in problem.message, problem.message


# -- the registry and the source --

_CODE = re.compile(r"[a-z]{2,}(-[a-z]+)*")
MAKERS = {"Problem", "problem", "report", "report_key", "warn", "_report", "_problem", "_unknown", "_unknown_keys"}
MAKERS |= {"_refuse", "refuse", "evolve"}


def raised() -> dict[str, str]:
    """Give every code that some module can report, read from the source, with the file."""
    found: dict[str, str] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            for text in _codes(node):
                found.setdefault(text, file.relative_to(PACKAGE).as_posix())
    return found


def _codes(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "code" for t in node.targets):
        yield from _texts(node.value)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
        names = [getattr(target, "id", "") for target in node.targets[0].elts]
        if "code" in names and isinstance(node.value, ast.Tuple):
            yield from _texts(node.value.elts[names.index("code")])
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in MAKERS:
            place = 1 if name == "problem" else 0
            yield from (text for one in node.args[place : place + 1] for text in _texts(one))
            yield from (text for word in node.keywords if word.arg == "code" for text in _texts(word.value))


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        text = "".join(part.value if isinstance(part, ast.Constant) else "*" for part in node.values)  # type: ignore[misc]
        if text == "unknown-*":
            yield from PLACES["unknown"]
        elif text == "*-unused":
            yield from ("param-unused", "dataset-unused", "weights-unused", "stage-unused")
        elif text != "*":
            assert "*" not in text or " " in text or "`" in text or "/" in text, f"teach this test the codes {text}"


def test_every_code_that_is_raised_has_a_page():
    lacking = {code: file for code, file in raised().items() if code not in registry()}
    assert not lacking, "write docs/diagnostics/<code>.md for each"


def test_every_page_is_of_a_code_that_is_raised():
    assert not set(registry()) - set(raised()) - set(ELSEWHERE), "delete the page, or say in ELSEWHERE where"


def test_the_small_study_that_examples_extend_is_right(components, tmp_path):
    page = registry()["target-missing"]
    assert problems_of(Case("base", page, "right", "".join(BASE.values()), (), ()), components, tmp_path) == []
