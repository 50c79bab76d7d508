"""An editor offers callbacks, observers and loggers, with the options of those that a study names or its code has."""

import pytest

from tlimb.editor.editor_files import Files
from tlimb.language.source import read

KEY = 10
"""The protocol's number for a completion that is a key."""
CODE = '''"""Ours."""

from lightning.pytorch import Callback

raise RuntimeError("imported")


class Count(Callback):
    """Count the batches.

    Args:
        often: every so many batches.
        what: `train` or `val`.
    """

    def __init__(self, often: int = 5, what: "Literal['train', 'val']" = "train") -> None:
        pass


from typing import Literal
'''
STUDY = """# yaml-language-server: $schema=./.tlimb/schema.json
tlimb: 1
code: [./]
datasets:
  people: {files: {phantom: {folder: data}}}
stages:
  train:
    dataset: people
    callbacks:
      - lightning.pytorch.callbacks.EMAWeightAveraging: {decay: 0.9}
      - lightning.pytorch.callbacks.EarlyStopping: {monitor: val_loss, patience: {choice: [2, 4]}}
      - my_hooks.Count: {often: 2}
execution:
  observers: [lightning.pytorch.callbacks.LearningRateMonitor]
  loggers: [csv]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hooks")
    (folder / "my_hooks.py").write_text(CODE)
    (folder / "study.yaml").write_text(STUDY)
    Files(read(folder / "study.yaml")).write()
    return folder


@pytest.fixture
def offers(server, folder):
    """Return label -> completion at the cursor `|` of a line that stands instead of another one."""

    def ask(text, instead_of):
        before, after = STUDY.replace(instead_of, text, 1).split("|")
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        found = server.offers(folder / "study.yaml", before + after, line, column)
        return {item["label"]: item for item in found}

    return ask


def test_a_study_with_callbacks_observers_and_loggers_is_clean(server, folder):
    assert server.problems(folder / "study.yaml", STUDY) == []


def test_own_and_named_callbacks_are_offered_with_their_documentation_and_options(offers):
    last = "      - my_hooks.Count: {often: 2}\n"
    offered = offers("      - |\n", last)
    assert "Count the batches." in offered["my_hooks.Count"]["documentation"]["value"]
    assert "lightning.pytorch.callbacks.EarlyStopping" in offered
    inside = offers("      - my_hooks.Count:\n          |\n", last)
    assert {label for label, item in inside.items() if item["kind"] == KEY} == {"often", "what"}
    assert {"train", "val"} <= set(offers("      - my_hooks.Count:\n          what: |\n", last))


def test_loggers_are_offered_by_name_and_the_keys_of_execution_too(offers):
    assert {"csv", "tensorboard"} <= set(offers("  loggers:\n    - |\n", "  loggers: [csv]\n"))
    assert "loggers" in offers("  |\n", "  loggers: [csv]\n")


def test_a_mistaken_option_of_a_callback_is_marked(server, folder):
    (problem,) = server.problems(folder / "study.yaml", STUDY.replace("often: 2", "oftn: 2"))
    assert "oftn" in problem["message"]
