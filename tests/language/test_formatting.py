"""A spec in its stable form is the same study with the same comments, and formatting it again changes nothing."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from making import bare, difference, studies, written, yaml
from mutating import ROOT, SPECS

from tlimb.language import catalogue, lower, source
from tlimb.language.grammar import grammar
from tlimb.language.rewriting.formatting import formatted
from tlimb.language.rewriting.notes import comments
from tlimb.language.rewriting.sheet import page
from tlimb.problems import TlimbError

GRAMMAR = grammar(catalogue.load())
MANY = settings(
    max_examples=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def parsed(text):
    return source.parse(text, Path("study.yaml"))


def form(text):
    return formatted(parsed(text.lstrip("\n")), GRAMMAR)


def said(text):
    return Counter(comment.text for comment in comments(text, page(text)))


def check(text):
    once = form(text)
    differs = difference(bare(lower.lower(parsed(once))), bare(lower.lower(parsed(text))))
    assert differs is None, f"{differs}\n{text}\n---\n{once}"
    assert said(once) == said(text), f"{text}\n---\n{once}"
    assert form(once) == once, f"{text}\n---\n{once}\n---\n{form(once)}"


def scribbled(text, chance):
    """Write comments beside and between lines, where YAML allows them, and empty lines."""
    lines = []
    for number, line in enumerate(text.split("\n")):
        if chance.random() < 0.2:
            lines.append("")
        if chance.random() < 0.2:
            lines.append(" " * chance.choice([0, 2, 4, 6]) + f"# above {number}")
        beside = line.strip() and chance.random() < 0.3
        lines.append(line + " " * chance.randint(1, 20) + f"# beside {number}" if beside else line)
    return "\n".join(lines)


def folded(text, chance):
    """Break lines inside braces and brackets, some with a comment."""
    out, depth, quote = [], 0, ""
    for place, letter in enumerate(text):
        if letter == '"' and text[place - 1] != "\\":
            quote = "" if quote else letter
        depth += 0 if quote else (letter in "{[") - (letter in "}]")
        out.append(letter)
        if depth and not quote and letter in "{[," and chance.random() < 0.3:
            out.append(chance.choice(["\n        ", f" # in {place}\n        ", f"\n      # own {place}\n        "]))
    return "".join(out)


@MANY
@given(studies(), st.booleans(), st.randoms())
def test_any_study_with_comments_anywhere_keeps_its_meaning_and_all_comments(study, flow, chance):
    text = yaml(written(study), flow=flow).lstrip("\n") + "\n"
    check(scribbled(folded(text, chance), chance))


@pytest.mark.parametrize(
    "path", [*SPECS, *sorted((ROOT / "tests/specs/counting").glob("*.yaml"))], ids=lambda p: p.stem
)
def test_every_spec_keeps_its_meaning_and_all_comments(path):
    check(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_studies_are_in_the_stable_form(path):
    text = path.read_text(encoding="utf-8")
    assert form(text) == text


def test_keys_follow_the_reference_and_names_keep_their_order():
    text = """
stages:
  second: {objective: {regression: {target: age}}, dataset: a, from: first}
  first: {dataset: a}
datasets: {a: {split: {holdout: {test: 0.2, train: rest}}, files: {bids: {suffix: T1w, folder: a}}}}
tlimb: 1
"""
    assert form(text) == (
        """tlimb: 1
datasets:
  a:
    files:
      bids: {folder: a, suffix: T1w}
    split:
      holdout: {train: rest, test: 0.2}
stages:
  second:
    from: first
    dataset: a
    objective:
      regression: {target: age}
  first: {dataset: a}
"""
    )


def test_comments_move_with_what_they_speak_of():
    text = """
# The study of studies.

# why nine
seed: 9    # a number
tlimb: 1   # the language
stages:
  # first of all
  a: {trainer: {epochs: 1, # short
      batch_size: 2}, dataset: x}   # beside a
  # nothing else

# at the end
datasets: {x: {}}
# really
"""
    assert form(text) == (
        """# The study of studies.

tlimb: 1   # the language
# why nine
seed: 9    # a number

# at the end
datasets: {x: {}}
stages:
  # first of all
  a:                                # beside a
    dataset: x
    trainer:
      epochs: 1  # short
      batch_size: 2
  # nothing else
# really
"""
    )


def test_spelling_of_numbers_and_quotes_is_kept():
    text = "tlimb: 1\nname: 'a'\nseed: 0x10\nparams: {lr: {choice: [1e-4, 1.0E-3, .01]}, b: \"none\"}\n"
    assert [word for word in ("'a'", "0x10", "1e-4", "1.0E-3", ".01", '"none"') if word not in form(text)] == []


def test_a_file_with_anchors_keeps_its_order():
    text = "stages:\n  a:\n    optimizer: &o\n      adamw: {lr: 1e-3}\n    dataset: x\n  b: {optimizer: *o}\ntlimb: 1\n"
    assert form(text) == text


def test_a_text_over_several_lines_becomes_one_in_quotes():
    text = "tlimb: 1\ndatasets:\n  a:\n    cohort: |-  # who\n      one\n      two\n    root: r\n"
    again = form(text)
    assert 'cohort: "one\\ntwo"  # who' in again
    assert parsed(again).root.data() == parsed(text).root.data()


@pytest.mark.parametrize("text", ["tlimb: [1", "tlimb: 1\ntlimb: 1\n", "tlimb: !x 1\n", "a: 1\n---\nb: 2\n"])
def test_what_is_no_sound_yaml_is_refused_with_its_place(text):
    with pytest.raises(TlimbError) as error:
        form(text)
    assert error.value.problems[0].place is not None
