"""The rules on the meaning of a study: example studies are clean, mistakes are told from their consequences."""

import json
import random
from pathlib import Path

import pytest

from tlimb.language import catalogue, checking, lower, rules, source
from tlimb.language.rules.cycles import cycles
from tlimb.language.rules.facts import did_you_mean, listed
from tlimb.language.tree import Tree
from tlimb.problems import Problem, Severity

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "specs").glob("*.yaml"))
FIXTURES = sorted((ROOT / "tests" / "specs").rglob("*.yaml"))
STUDY = """tlimb: 1
datasets:
  clinic: {files: {bids: {folder: data/clinic, suffix: T1w}}, split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}}
defaults:
  dataset: clinic
  data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20]}}
  architecture: {resnet3d: {depth: 10}}
  optimizer: {adamw: {lr: {choice: [1e-3, 1e-2]}}}
  trainer: {epochs: 2, batch_size: 8}
stages:
  pretrain: {objective: {regression: {target: age}}, optimizer: {adamw: {lr: 1e-3}}}
  finetune: {from: pretrain, objective: {classification: {target: sex}}}
  scratch: {like: finetune, from: none}
tests: {held_out: {of: [finetune, scratch]}}
select: {metric: auroc}
report: {against: scratch}
"""


@pytest.fixture(scope="module")
def components():
    return catalogue.load()


def problems(text: str, components, *, always: bool = False) -> list[Problem]:
    read = source.parse(text, Path("study.yaml"))
    found = checking.check(read, components)
    if always or not any(problem.severity is Severity.ERROR for problem in found):
        found = [*found, *rules.check(lower.lower(read), read, components, found)]
    return found


def errors(text: str, components, **more: bool) -> list[Problem]:
    return [problem for problem in problems(text, components, **more) if problem.severity is Severity.ERROR]


@pytest.mark.parametrize("spec", SHIPPED, ids=lambda path: path.stem)
def test_shipped_studies_have_no_problem_but_information(spec):
    found = problems(spec.read_text(), catalogue.load())
    assert [(p.code, p.message) for p in found if p.severity is not Severity.INFO] == []


@pytest.mark.parametrize("spec", FIXTURES, ids=lambda path: path.stem)
def test_fixture_studies_have_no_error(spec, components):
    assert [(p.code, p.message) for p in errors(spec.read_text(), components)] == []


def test_a_right_study_is_silent(components):
    assert problems(STUDY, components) == []


def test_every_rule_is_found_once():
    names = [rule.__name__ for rule in rules.RULES]
    assert len(names) == len(set(names)) > 30
    assert {"leak_declared", "limit_collapses", "unknown_stage"} <= set(names)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("  pretrain: {", "  pretrian: {", "unknown-stage"),
        ("  finetune: {", "  finetun: {", "unknown-stage"),
        ("  clinic: {", "  klinik: {", "unknown-dataset"),
        ("metric: auroc", "metric: mae", "metric-fits"),
        ("select: {metric: auroc}\n", "", "selection-missing"),
        ("  optimizer: {adamw: {lr: {choice: [1e-3, 1e-2]}}}\n", "", "missing-key"),
        ("against: scratch", "against: pretrain", "against-arm"),
        ("val: 0.2, ", "", "validation-missing"),
        ("test: 0.2", "test: 0.4", "share-ambiguous"),
        ("{choice: [1e-3, 1e-2]}", "{uniform: [1e-3, 1e-2]}", "continuous-under-grid"),
    ],
)
def test_one_mistake_gives_its_own_errors_only(old, new, code, components):
    assert old in STUDY
    found = errors(STUDY.replace(old, new), components)
    assert {problem.code for problem in found} == {code}
    places = {(problem.code, problem.place) for problem in found}
    assert len(places) == len(found)


def test_an_unknown_name_is_reported_once_with_its_other_uses(components):
    found = errors(STUDY.replace("  clinic: {files", "  hospital: {files") + "", components)
    assert [problem.code for problem in found] == ["unknown-dataset"]
    text = STUDY.replace("from: none", "from: nothing").replace("of: [finetune, scratch]", "of: [finetune, nothing]")
    found = errors(text, components)
    assert [problem.code for problem in found] == ["unknown-stage"]
    assert [related.message for related in found[0].related] == ["and here"]


def test_two_mistakes_are_both_reported(components):
    text = STUDY.replace("metric: auroc", "metric: mae").replace("from: pretrain", "from: pretrian")
    assert {problem.code for problem in errors(text, components)} >= {"metric-fits", "unknown-stage"}


def test_what_follows_from_a_misspelt_key_is_left_out(components):
    found = errors(
        STUDY.replace("  optimizer: {adamw: {lr: {choice", "  optimiser: {adamw: {lr: {choice"), components, always=True
    )
    assert [problem.code for problem in found] == ["unknown-key"]
    found = errors(STUDY.replace("datasets:", "dataset:"), components, always=True)
    assert {problem.code for problem in found} == {"unknown-key"}


def test_limits_that_leave_enough_are_accepted(components):
    random_search = "search: {random: {count: 20, limit: {pretrain: 4}}}\n"
    own = STUDY.replace("lr: 1e-3}", "lr: {log_uniform: [1e-4, 1e-2]}}") + random_search
    assert errors(own, components) == []
    shared = STUDY.replace(", optimizer: {adamw: {lr: 1e-3}}", "") + random_search
    assert [problem.code for problem in errors(shared, components)] == ["limit-collapses"]


def test_one_place_read_by_two_stages_is_said(components):
    shared = problems(STUDY.replace(", optimizer: {adamw: {lr: 1e-3}}", ""), components)
    assert "shared-dimension" in {problem.code for problem in shared}
    assert "read by `pretrain` and `finetune`" in next(p.message for p in shared if p.code == "shared-dimension")


def test_cycles_are_found_once_and_named_from_their_first_member():
    graph = {"a": ["b"], "b": ["c"], "c": ["a"], "d": ["d"], "e": ["a"]}
    assert list(cycles(graph, graph.__getitem__)) == [("a", "b", "c"), ("d",)]


def test_suggestions_and_lists():
    assert did_you_mean("clinc", ["clinic", "population"]) == ("did you mean `clinic`?",)
    assert did_you_mean("x", ["clinic", "population"]) == ("there are: `clinic` and `population`",)
    assert did_you_mean("x", []) == ("there are none here: delete it",)
    assert listed(["a"]) == "`a`"
    assert listed(["a", "b", "c"]) == "`a`, `b` and `c`"


def spoiled(tree: Tree, dice: random.Random) -> object:
    """Give the plain data of a tree with one value replaced by something of another form."""
    data = tree.data()
    pointers = []

    def go(found: Tree) -> None:
        for child in found.children():
            pointers.append(child.pointer)
            go(child)

    go(tree)
    *way, last = dice.choice(pointers).split("/")[1:]
    inner = data
    for token in way:
        inner = inner[int(token)] if isinstance(inner, list) else inner[token]
    junk = dice.choice(["zzz", 7, None, True, [], [[1]], {"a": {"b": 1}}, {"choice": []}, {"param": "zzz"}])
    inner[int(last) if isinstance(inner, list) else last] = junk
    return data


@pytest.mark.parametrize("spec", [*SHIPPED[:3], *FIXTURES[:4]], ids=lambda path: path.stem)
def test_rules_never_fail_on_a_spoiled_study(spec, components):
    tree = source.read(spec).root
    dice = random.Random(spec.stem)
    seen = 0
    for _ in range(40):
        read = source.parse(json.dumps(spoiled(tree, dice)), spec)
        try:
            study = lower.lower(read)
        except (TypeError, ValueError):
            continue  # too far from a study to be lowered; the checks of form have reported it
        rules.check(study, read, components, checking.check(read, components))
        seen += 1
    assert seen > 10


def test_a_test_on_validation_people_is_not_told_as_one_on_training_people(components):
    on_val = STUDY.replace("of: [finetune, scratch]", "of: [finetune, scratch], part: val")
    told = [found for found in problems(on_val, components) if found.code == "leak-declared"]
    assert told
    assert all("is validated on it" in found.message for found in told)
    assert all("validated on here" in found.related[0].message for found in told)


def test_the_command_that_prints_a_digest_can_be_copied_for_a_file_with_a_blank_in_its_name(components):
    public = "pretrained: {public: {file: my net.pt, layout: plain}}\nstages:\n  pretrain: {from: public, objective"
    text = STUDY.replace("stages:\n  pretrain: {objective", public)
    told = [found for found in problems(text, components) if found.code == "weights-unpinned"]
    assert [found.help for found in told] == [("`tlimb weights inspect 'my net.pt'` prints it",)]
