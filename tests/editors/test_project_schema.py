"""With a schema of the project's own, an editor completes the names that the study gives and the user's own classes."""

import shutil
from pathlib import Path

import pytest
from places import places

from tlimb.editor.editor_files import Files
from tlimb.language.grammar import grammar
from tlimb.language.source import read

SPECS = Path(__file__).resolve().parents[2] / "specs"
NAMES = sorted(path.name for path in SPECS.glob("*.yaml"))
KEY = 10
"""The protocol's number for a completion that is a key."""
CODE = '''"""Ours."""

from tlimb.components.contracts import Encoder

raise RuntimeError("imported")


class Tiny(Encoder):
    """A tiny network of our own.

    Args:
        width: channels of the first layer.
        norm: normalisation.
    """

    def __init__(self, inputs, *, width: int, norm: Literal["batch", "group"] = "batch"):
        pass


from typing import Literal
'''
STUDY = """# yaml-language-server: $schema=./.tlimb/schema.json
tlimb: 1
code: [./]
roots: {disk: data}
params:
  recipe:
    choice:
      - {rate: 0.1, epochs: 3}
  dropout: {uniform: [0.0, 0.5]}
datasets:
  people: {files: {phantom: {folder: data}}, portions: {first: 0.5, second: 0.5}}
  clinic: {like: people, portion: first}
pretrained:
  public: {file: weights.pt}
stages:
  first:
    dataset: people
    architecture: {sfcn: {dropout: {param: dropout}}}
    heads:
      years: {objective: {regression: {target: age}}}
    optimizer: {adamw: {lr: {param: recipe.rate}}}
    trainer: {epochs: {param: recipe.epochs}}
  second:
    like: first
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study with code and a table, and its schema."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_nets.py").write_text(CODE)
    (folder / "data").mkdir()
    (folder / "data" / "participants.tsv").write_text("participant_id\tage\tsex\tsite\n")
    (folder / "study.yaml").write_text(STUDY)
    Files(read(folder / "study.yaml")).write()
    return folder


@pytest.fixture
def offers(server, folder):
    """Give label -> completion at the cursor `|` of a text that is added to the study, or replaces some of it."""

    def ask(text, instead_of=None):
        whole = STUDY + text if instead_of is None else STUDY.replace(instead_of, text, 1)
        before, after = whole.split("|")
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        found = server.offers(folder / "study.yaml", before + after, line, column)
        return {item["label"]: item for item in found}

    return ask


def test_a_study_of_its_own_names_is_clean(server, folder):
    assert server.problems(folder / "study.yaml", STUDY) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("    dataset: |\n", "people clinic"),
        ("    dataset: [people, |]\n", "people clinic"),
        ("    datasets:\n      source: |\n", "people clinic"),
        ("    dataset: {choice: [|]}\n", "people clinic"),
        ("    from: |\n", "first second public none"),
        ("    from: {encoder: |}\n", "first second public"),
        ("    architecture: {param: |}\n", "recipe recipe.rate recipe.epochs dropout"),
        ("    where: {x|}\n", "recipe dropout"),
        ("    objective:\n      classification:\n        target: |\n", "age sex site"),
        ("tests:\n  a:\n    of: |\n", "first second"),
        ("tests:\n  a:\n    of:\n      - |\n", "first second"),
        ("tests:\n  a: {dataset: |}\n", "people clinic"),
        ("select: {metric: |}\n", "auroc mae cross_entropy"),
        ("select: {head: |}\n", "years"),
        ("report:\n  against: |\n", "first second"),
        ("report:\n  metrics: [|]\n", "auroc mae"),
        ("report:\n  by: [|]\n", "age sex site"),
        ("replicates: {once: [|]}\n", "first second"),
        ("constraints: {distinct: [[|]]}\n", "recipe dropout"),
        ("execution:\n  overrides:\n    |\n", "first second"),
        ("execution:\n  profiles:\n    home:\n      roots: {x|}\n", "disk"),
        ("search:\n  random:\n    limit: {x|}\n", "first second"),
    ],
)
def test_a_reference_is_completed_with_the_names_it_may_refer_to(offers, text, names):
    assert set(names.split()) <= set(offers(text))


@pytest.mark.parametrize(
    ("text", "instead_of", "names"),
    [
        ("portion: |}", "portion: first}", "first second"),
        ("like: |, portion", "like: people, portion", "people clinic"),
        ("{root: |, files", "{files", "disk"),
        ("only: {x|}, like: people", "like: people", "age sex site"),
        ("split: {holdout: {stratify: [|]}}, like: people", "like: people", "age sex site"),
        ("{file: weights.pt, root: |}", "{file: weights.pt}", "disk"),
    ],
)
def test_a_reference_inside_a_dataset_is_completed_too(offers, text, instead_of, names):
    assert set(names.split()) <= set(offers(text, instead_of))


def test_a_param_is_completed_as_the_place_that_uses_it(offers):
    words = {"choice", "compare", "uniform", "log_uniform", "int_uniform", "param"}
    assert set(offers("dropout: {x|}", "dropout: {uniform: [0.0, 0.5]}")) >= words
    row = offers("- {rate: 0.1, x|}", "- {rate: 0.1, epochs: 3}")
    assert {label for label, item in row.items() if item["kind"] == KEY} == {"epochs"}


def test_a_param_of_the_wrong_type_is_marked(server, folder):
    text = STUDY.replace("epochs: 3", "epochs: three")
    (problem,) = server.problems(folder / "study.yaml", text)
    assert (problem["range"]["start"]["line"], problem["message"][:14]) == (7, "Incorrect type")


def test_a_class_of_the_user_is_offered_with_its_documentation_and_options(offers):
    path = "my_nets.Tiny"
    offered = offers("    architecture:\n      |\n")
    assert "A tiny network of our own." in offered[path]["documentation"]["value"]
    assert "width:" in offered[path]["insertText"]
    inside = offers(f"    architecture:\n      {path}:\n        |\n")
    assert {label for label, item in inside.items() if item["kind"] == KEY} == {"width", "norm"}
    assert {"batch", "group"} <= set(offers(f"    architecture:\n      {path}:\n        norm: |\n"))
    assert path in offers("    architecture:\n      choice:\n        - |\n")


def test_a_mistaken_option_of_an_own_class_is_marked_where_it_is(server, folder):
    text = f"{STUDY}    architecture: {{my_nets.Tiny: {{width: 3, nrom: group}}}}\n"
    (problem,) = server.problems(folder / "study.yaml", text)
    start = problem["range"]["start"]
    assert text.split("\n")[start["line"]][start["character"] :].startswith("nrom")


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """Each example spec in a folder of its own, with its schema."""
    found = {}
    for name in NAMES:
        folder = tmp_path_factory.mktemp("study")
        shutil.copy(SPECS / name, folder)
        Files(read(folder / name)).write()
        found[name] = folder / name
    return found


@pytest.mark.parametrize("name", NAMES)
def test_with_a_schema_of_its_own_a_spec_is_clean_and_offers_the_same_keys(server, projects, name):
    source = read(projects[name])
    assert server.problems(source.path, source.text) == []
    files = Files(source)
    for place in places(source, grammar(files.catalogue)):
        offered = server.offers(source.path, place.text, place.line, place.column)
        assert {item["label"] for item in offered if item["kind"] == KEY} >= place.keys, place.pointer
