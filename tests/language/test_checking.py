"""One case for each code that the checks can give: what is written, and what must be said."""

# ruff: noqa: E501 - a case is a line

from pathlib import Path

import pytest

from tlimb.language.checking import check
from tlimb.language.source import parse
from tlimb.language.suggest import closest
from tlimb.problems import Severity
from tlimb.problems.text import render

ROOT = Path(__file__).resolve().parents[2]
FILE = Path("s2.yaml")
HEAD = "tlimb: 1\ndatasets: {a: {files: {bids: {folder: d, suffix: T1w}}}}\n"

# stage content -> code, marked text, a part of the message, a part of the help
CASES = [
    ("optimizer: {adamw: {lr: [1e-4, 1e-3]}}", "list-as-value", "[1e-4, 1e-3]", "`lr` is one number; this is a list of 2",
     "lr: {choice: [1e-4, 1e-3]}"),
    ("architecture: resnet18", "unknown-architecture", "resnet18", "no architecture is called `resnet18`",
     "{resnet3d: {depth: 18}}"),
    ("architecture: {resnet3: {depth: 18}}", "unknown-architecture", "resnet3", "no architecture", "did you mean `resnet3d`"),
    ("architecture: {type: resnet3d, depth: 18}", "foreign-word", "type", "not by `type:`", "{resnet3d: {depth: 18}}"),
    ("architecture: {_target_: sfcn}", "foreign-word", "_target_", "not by `_target_:`", "architecture: sfcn"),
    ("architecture: {resnet3d: {depth: 18}, sfcn: }", "two-components", "sfcn", "a second architecture", "its name"),
    ("architecture: {resnet3d: , depth: 18}", "unknown-key", "depth", "beside `resnet3d`", "write it inside"),
    ("architecture: timm", "missing-key", "timm", "needs `model`", "architecture: {timm: {model: ..}}"),
    ("architecture: {timm: }", "missing-key", "timm", "needs `model`", "timm: {model: ..}"),
    ("architecture: {timm: resnet18}", "wrong-type", "resnet18", "a mapping", "timm: {model: resnet18}"),
    ("architecture: {}", "missing-key", "architecture", "name of the architecture", "resnet3d"),
    ("architecture: 5", "wrong-type", "5", "this is the number 5", ""),
    ("architecture: ", "null-value", "architecture", "is missing", ""),
    ("scheduler: ", "null-value", "scheduler", "is missing", "scheduler: none"),
    ("optimizer: {adamw: {lr: '1e-3'}}", "wrong-type", "'1e-3'", "the text `1e-3`", "the quotes make it a text"),
    ("optimizer: {adamw: {lr: 1e-3, weight_deca: 0.1}}", "unknown-key", "weight_deca", "in `adamw`", "`weight_decay`"),
    ("optimizer: {adamw: {Lr: 1e-3}}", "unknown-key", "Lr", "in `adamw`", "did you mean `lr`? (required here)"),
    ("optimizer: {adamw: {lr: -1}}", "out-of-range", "-1", "more than 0", ""),
    ("optimizer: {adamw: {lr: {gird: [1, 2]}}}", "wrong-type", "{gird: [1, 2]}", "this is a mapping", "a search entry is `choice`"),
    ("optimizer: {adamw: {lr: {choise: [1, 2]}}}", "unknown-key", "choise", "in `lr`", "did you mean `choice`?"),
    ("optimizer: {adamw: {lr: {choice: 1e-3}}}", "wrong-type", "1e-3", "`choice` is a list", "choice: [..]"),
    ("optimizer: {adamw: {lr: {choice: {a: 1}}}}", "wrong-type", "{a: 1}", "a mapping", "only `compare` may name"),
    ("optimizer: {adamw: {lr: {choice: []}}}", "list-length", "[]", "at least one", ""),
    ("optimizer: {adamw: {lr: {choice: [1], compare: [2]}}}", "two-of", "compare", "`compare` and `choice`", ""),
    ("optimizer: {adamw: {lr: {choice: [1], sed: 3}}}", "unknown-key", "sed", "beside `choice`", "one key"),
    ("optimizer: {adamw: {lr: {uniform: [1]}}}", "list-length", "[1]", "two numbers", ""),
    ("optimizer: {adamw: {lr: {uniform: [2, 1]}}}", "empty-range", "[2, 1]", "lowest to the highest", ""),
    ("optimizer: {adamw: {lr: {log_uniform: [0, 1]}}}", "out-of-range", "0", "more than 0", ""),
    ("optimizer: {adamw: {lr: {log_uniform: 3}}}", "wrong-type", "3", "two numbers", ""),
    ("optimizer: {adamw: {lr: {param: 3}}}", "wrong-type", "3", "`param` is a text", ""),
    ("optimizer: {adamw: {lr: {param: a.b.c}}}", "bad-format", "a.b.c", "not a valid `param`", ""),
    ("optimizer: {adamw: {lr: {choice: }}}", "null-value", "choice", "is missing", ""),
    ("trainer: {epochs: {uniform: [1, 9]}}", "not-searchable", "uniform", "`epochs` is a whole number", "int_uniform"),
    ("trainer: {threads: {choice: [1, 2]}}", "not-searchable", "choice", "cannot be searched", ""),
    ("trainer: {choice: [{epochs: 1}, {epochs: 2}]}", "not-searchable", "choice", "cannot be searched", "`params`"),
    ("trainer: {precision: 16-mixed}", "unknown-value", "16-mixed", "not a `precision`", "write   precision: fp16"),
    ("trainer: {precision: 32}", "wrong-type", "32", "the number 32", "write   precision: fp32"),
    ("trainer: {epochs: 2.5}", "wrong-type", "2.5", "a whole number", ""),
    ("trainer: {epochs: 0}", "out-of-range", "0", "1 or more", ""),
    ("trainer: {epochs: 1_000}", "wrong-type", "1_000", "the text", "write 1000"),
    ("trainer: 5", "wrong-type", "5", "a mapping with the keys", ""),
    ("trainer: [5]", "list-as-value", "[5]", "one mapping", ""),
    ("epochs: 3", "unknown-key", "epochs", "in `stage`", "trainer: {epochs: 3}"),
    ("freeze: all", "wrong-type", "all", "the text `all`", "freeze: {up_to: all}"),
    ("from: [x, y]", "list-as-value", "[x, y]", "this is a list", "{choice: [x, y]}"),
    ("heads: {none: {weight: 1}}", "reserved-name", "none", "word of the language", ""),
    ("heads: {Head A: {weight: 1}}", "bad-name", "Head A", "is no name", "head_a"),
    ("data: {bio_image: {spacing_mm: 4, crop: [1, 2]}}", "list-length", "[1, 2]", "list of 3; this has 2", ""),
    ("data: {volume_3d: {preprocess: [canonicl]}}", "unknown-preprocess", "canonicl", "no preprocessing step", "`canonical`"),
    ("objective: {regression: {target: 5}}", "wrong-type", "5", "a text", 'quotes make it a text: "5"'),
]  # fmt: skip


def _check(text, catalogue):
    source = parse(text, FILE)
    return source, check(source, catalogue)


def _marked(source, problem):
    span = problem.place.span
    assert span.line == span.end_line
    return source.text.split("\n")[span.line - 1][span.column - 1 : span.end_column - 1]


@pytest.mark.parametrize(("stage", "code", "marked", "message", "help_"), CASES, ids=[case[0] for case in CASES])
def test_a_mistake_in_a_stage_is_one_problem_at_its_characters(stage, code, marked, message, help_, catalogue):
    source, problems = _check(f"{HEAD}stages:\n  x:\n    {stage}\n", catalogue)
    assert [problem.code for problem in problems] == [code]
    assert _marked(source, problems[0]) == marked
    assert message in problems[0].message
    assert help_ in "\n".join(problems[0].help)


@pytest.mark.parametrize(
    ("split", "code", "marked"),
    [
        ("{holdout: {train: 1}}", "share-ambiguous", "1"),
        ("{holdout: {train: 1.0}}", "share-ambiguous", "1.0"),
        ("{holdout: {train: 1.5}}", "share-ambiguous", "1.5"),
        ("{holdout: {train: -0.1}}", "share-ambiguous", "-0.1"),
        ("{holdout: {train: 90%}}", "wrong-type", "90%"),
        ("{kfold: {folds: 5, inner: {fold: 3}}}", "unknown-key", "fold"),
        ("{holdout: {train: {choice: [2, 3]}}}", "not-searchable", "choice"),
    ],
)
def test_splits_have_shares_and_no_search(split, code, marked, catalogue):
    source, problems = _check(f"tlimb: 1\nstages: {{}}\ndatasets:\n  a: {{split: {split}}}\n", catalogue)
    assert [(problem.code, _marked(source, problem)) for problem in problems] == [(code, marked)]


def test_the_version_names_the_command_that_upgrades(catalogue):
    _, problems = _check("tlimb: 2\ndatasets: {}\nstages: {}\n", catalogue)
    assert [problem.code for problem in problems] == ["version"]
    assert "tlimb upgrade" in problems[0].help[0]


def test_all_missing_keys_of_a_spec_are_reported(catalogue):
    _, problems = _check("name: x\n", catalogue)
    assert sorted(problem.message for problem in problems) == [
        f"`{key}` is missing in `study`" for key in ("datasets", "stages", "tlimb")
    ]


def test_a_param_is_checked_where_it_is_used_and_reported_where_it_is_written(catalogue):
    text = (
        "params: {lr: {choice: [1e-3, fast]}, rows: {choice: [{n: 1}, {n: two}]}}\n"
        + HEAD
        + "defaults: {optimizer: {adamw: {lr: {param: lr}}}}\n"
        + "stages: {x: {trainer: {epochs: {param: rows.n}}}, y: {optimizer: {sgd: {lr: {param: lr}}}}}\n"
    )
    source, problems = _check(text, catalogue)
    assert [(problem.code, _marked(source, problem)) for problem in problems] == [
        ("param-type", "fast"),
        ("param-type", "two"),
    ]
    assert [related.place.span.line for related in problems[0].related] == [4, 5]


def test_components_in_params_are_checked_too(catalogue):
    text = "params: {arch: {compare: {r: {resnet3d: {dept: 18}}, s: sfcn}}}\n" + HEAD
    source, problems = _check(text + "stages: {x: {architecture: {param: arch}}}\n", catalogue)
    assert [(problem.code, _marked(source, problem)) for problem in problems] == [("unknown-key", "dept")]


def test_params_that_use_each_other_in_a_circle_end(catalogue):
    text = "params: {a: {param: b}, b: {param: a}}\n" + HEAD + "stages: {x: {architecture: {param: a}}}\n"
    assert _check(text, catalogue)[1] == []


def test_words_that_older_parsers_retype_are_warned_of(catalogue):
    source, problems = _check(HEAD + "name: on\nstages: {x: {objective: {regression: {target: no}}}}\n", catalogue)
    assert [(p.severity, p.code, _marked(source, p)) for p in problems] == [
        (Severity.WARNING, "retyped", "on"),
        (Severity.WARNING, "retyped", "no"),
    ]


def test_an_alias_that_copies_a_search_entry_is_warned_of_and_a_plain_one_is_not(catalogue):
    body = "{optimizer: {adamw: {lr: %s}}}"
    searched = HEAD + f"stages: {{x: {body % '&l {choice: [1e-3, 1e-4]}'}, y: {body % '*l'}}}\n"
    plain = HEAD + f"stages: {{x: {body % '&l 1e-3'}, y: {body % '*l'}}}\n"
    assert [problem.code for problem in _check(searched, catalogue)[1]] == ["alias-copies-dimension"]
    assert _check(plain, catalogue)[1] == []


def test_what_yaml_already_refused_is_not_reported_twice(catalogue):
    _, problems = _check(HEAD + "seed: .inf\nstages: {x: {trainer: {epochs: .nan}}}\n", catalogue)
    assert [problem.code for problem in problems] == ["number", "number"]


def test_ten_mistakes_are_ten_problems_in_the_order_of_the_file(catalogue):
    stages = "\n".join(
        f"  s{i}: {{{stage.split(': ', 1)[0]}: {stage.split(': ', 1)[1]}}}" for i, (stage, *_) in enumerate(CASES)
    )
    source, problems = _check(f"{HEAD}stages:\n{stages}\n", catalogue)
    assert [problem.code for problem in problems] == [case[1] for case in CASES]
    assert [problem.place.span.line for problem in problems] == list(range(4, 4 + len(CASES)))
    text = render(problems, {str(FILE): source.text})
    assert text.startswith("s2.yaml:4:32: error[list-as-value]: `lr` is one number; this is a list of 2\n")


@pytest.mark.parametrize(
    ("word", "names", "meant"),
    [
        ("epcohs", ["epochs", "steps"], "epochs"),
        ("batchsize", ["batch_size"], "batch_size"),
        ("Batch-Size", ["batch_size"], "batch_size"),
        ("weight", ["weight_decay", "lr"], "weight_decay"),
        ("by", ["of"], None),
        ("optimiser", ["optimizer", "objective"], "optimizer"),
        ("foo", ["epochs", "steps"], None),
        ("x" * 500, ["epochs"], None),
        ("", ["epochs"], None),
    ],
)
def test_the_name_that_was_meant(word, names, meant):
    assert closest(word, names) == meant
