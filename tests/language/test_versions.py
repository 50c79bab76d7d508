"""Studies of other versions of the language are told apart, and old ones rewritten with their comments.

Version 0 is made up: `learn` stood for `objective`, a network was `{name: .., ..}`, and epochs stood in the stage.
"""

from pathlib import Path

import pytest

from tlimb.api.load import load
from tlimb.language import source
from tlimb.language.rewriting.upgrading import Edit, edited, renamed, replaced, upgraded
from tlimb.problems import Span, TlimbError

OLD = """\
# A study of long ago.
tlimb: 0          # the first try
datasets:
  brains:
    files: {bids: {folder: data, suffix: T1w}}   # as scanned
    split: {holdout: {train: rest, test: 0.2}}
stages:
  # the only one
  age:
    dataset: brains
    learn: {regression: {target: age}}   # in years
    network: resnet3d                    # with its
    # depth below
    depth: 18                            # layers
    data: {bio_image: {spacing_mm: 8, crop: [16, 16, 16]}}
    optimizer: {adamw: {lr: 1e-3}}       # spelled so
    trainer: {epochs: 1, batch_size: 2}
tests: {held_out: {of: age}}
"""


def from_0(root):
    """The step from the made-up version: rename a key, and let a network carry its own depth."""
    for entry in root.get("stages").entries:
        stage = entry.value
        yield renamed(stage.entry("learn"), "objective")
        yield renamed(stage.entry("network"), "architecture")
        yield replaced(stage.get("network"), f"{{{stage.get('network').raw}: {{depth: {stage.get('depth').raw}}}}}")
        depth = stage.entry("depth")
        yield Edit(
            Span(depth.key_span.line, depth.key_span.column, depth.value.span.end_line, depth.value.span.end_column),
            "#",
        )


def parsed(text):
    return source.parse(text, Path("old.yaml"))


def test_an_old_study_is_rewritten_with_its_comments(tmp_path):
    new = upgraded(parsed(OLD), {0: from_0})

    path = tmp_path / "new.yaml"
    path.write_text(new)
    assert [problem.message for problem in load(path).problems] == []
    for comment in ("# A study of long ago.", "# the first try", "# as scanned", "# the only one", "# in years",
                    "# with its", "# depth below", "# layers", "# spelled so"):  # fmt: skip
        assert comment in new
    changed = [line for line in new.splitlines() if line not in OLD.splitlines()]
    assert len(changed) == 4, "what the language did not change stays to the letter"


def test_steps_follow_each_other():
    steps = {0: lambda root: [renamed(root.entry("a"), "b")], 1: lambda root: [renamed(root.entry("b"), "c")]}
    assert upgraded(parsed("tlimb: 0\na: 1 # x\n"), steps, current=2) == "tlimb: 2\nc: 1 # x\n"


def test_a_study_of_this_version_is_left_alone():
    text = "tlimb:   1   # so\nname:  x\n"
    assert upgraded(parsed(text)) == text


def test_edits_of_what_an_alias_repeats_are_made_once():
    text = "a: &x {old: 1}\nb: *x\n"
    root = parsed(text).root
    assert edited(text, [renamed(root.get(key).entry("old"), "new") for key in "ab"]) == "a: &x {new: 1}\nb: *x\n"


def test_edits_that_overlap_are_a_mistake_of_the_step():
    with pytest.raises(ValueError, match="overlap"):
        edited("abc", [Edit(Span(1, 1, 1, 3), "x"), Edit(Span(1, 2, 1, 4), "y")])


def validated(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return load(path).problems


def test_an_old_study_is_told_to_be_upgraded_and_nothing_else(tmp_path):
    (problem,) = validated(tmp_path, OLD)
    assert problem.code == "old-version"
    assert problem.place.span.line == 2
    assert "tlimb upgrade" in problem.help[0]


def test_a_study_of_the_future_says_which_tlimb_it_needs(tmp_path):
    (problem,) = validated(tmp_path, "tlimb: 3\nsurprises: 1\n")
    assert problem.code == "new-version"
    assert "tlimb>=3" in problem.help[0]


@pytest.mark.parametrize(
    ("text", "code"),
    [("name: x\n", "version-missing"), ("tlimb: 0\n", "unknown-version"), ("tlimb: 2\n", "new-version")],
)
def test_what_cannot_be_upgraded_is_said(text, code):
    with pytest.raises(TlimbError) as error:
        upgraded(parsed(text))
    assert error.value.problems[0].code == code
