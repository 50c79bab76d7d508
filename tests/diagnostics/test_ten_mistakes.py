"""Ten mistakes in one file are ten messages, and each says what to do."""

from pathlib import Path

from tlimb.language import catalogue, checking, lower, rules, source

SPEC = """tlimb: 1
name: ten mistakes
seed: {choice: [1, 2]}
datasets:
  clinic:
    files: {bids: {folder: /data/clinic, suffix: T1w}}
    split: {holdout: {train: 1, val: 0.2, test: 0.2}}
defaults:
  data: {bio_image: {spacing_mm: "4", crop: [40, 48, 40]}}
  architecture: {resnet3: {depth: 18}}
  trainer: {max_epochs: 10, batch_size: 16}
stages:
  train:
    dataset: clinc
    objective: {classification: {target: sex}}
    optimizer: {adamw: {lr: [1e-4, 1e-3]}}
tests: {held_out: {of: tarin}}
"""
TO_DO = [
    (2, "for example `ten-mistakes`"),
    (3, "to repeat every training and average:   replicates: 3"),
    (6, "declare a root, and say on each machine where it lies:   roots: {data: data}   root: data"),
    (7, "write `rest` for all that is left, or a share such as 0.9"),
    (9, "the quotes make it a text; write 4 without them"),
    (10, "did you mean `resnet3d`?"),
    (11, "write   epochs: 10"),
    (14, "did you mean `clinic`?"),
    (16, "to try both and keep the better one on validation:   lr: {choice: [1e-4, 1e-3]}"),
    (17, "did you mean `train`?"),
]


def test_ten_mistakes_are_ten_messages_and_each_says_what_to_do():
    known = catalogue.load()
    read = source.parse(SPEC, Path("study.yaml"))
    found = checking.check(read, known)
    found = read.resolve([*found, *rules.check(lower.lower(read), read, known, found)])

    assert [(problem.place.span.line, problem.help[0]) for problem in found] == TO_DO
