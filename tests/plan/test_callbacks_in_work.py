"""Callbacks of a stage as the planner writes them: part of the work where one is named, and no key where none is."""

from conftest_plan import expand_text

EMA = "lightning.pytorch.callbacks.EMAWeightAveraging"
STUDY = """
tlimb: 1
datasets:
  clinic: {{files: {{bids: {{folder: b}}}}, split: {{holdout: {{train: 0.6, val: 0.2, test: 0.2}}}}}}
defaults:
  dataset: clinic
  data: {{bio_image: {{spacing_mm: 8, crop: [20, 24, 20]}}}}
  architecture: {{sfcn: {{channels: [4, 8]}}}}
  objective: {{classification: {{target: sex}}}}
  optimizer: {{adamw: {{lr: 1e-3}}}}
  trainer: {{epochs: 1, batch_size: 8}}
  {defaults}
stages:
  first: {{{first}}}
  {more}
tests: {{out: {{of: first}}}}
execution: {{{execution}}}
select: {{metric: auroc}}
"""


def fits(first="", more="", defaults="", execution=""):
    """Return the trainings of a study, by stage: what is hashed of each, with its work."""
    expansion = expand_text(STUDY.format(first=first, more=more, defaults=defaults, execution=execution))
    found = {}
    for node in expansion.graph:
        if node.kind == "fit":
            found.setdefault(node.uses[0]["stage"], []).append({**node.hashed, "work": node.work})
    return found


def test_a_study_without_callbacks_has_no_such_key_and_the_work_that_it_had():
    (plain,) = fits()["first"]
    (cleared,) = fits(first="callbacks: none", defaults=f"callbacks: {EMA}")["first"]
    assert "callbacks" not in plain
    assert cleared == plain


def test_a_callback_is_hashed_with_its_options_and_one_is_a_list_of_one():
    ((listed,), (alone,)) = (
        fits(first=f"callbacks: {written}")["first"]
        for written in (f"[{EMA}: {{decay: 0.9}}]", f"{{{EMA}: {{decay: 0.9}}}}")
    )
    assert listed["callbacks"] == [{"class": EMA, "options": {"decay": 0.9}, "revision": 0}]
    assert alone == listed


def test_options_of_callbacks_are_searched_and_callbacks_are_compared():
    searched = fits(first=f"callbacks: [{EMA}: {{decay: {{choice: [0.8, 0.9]}}}}]")["first"]
    assert sorted(one["callbacks"][0]["options"]["decay"] for one in searched) == [0.8, 0.9]
    compared = fits(first=f"callbacks: {{compare: {{ema: [{EMA}], plain: none}}}}")["first"]
    assert sorted("callbacks" in one for one in compared) == [False, True]


def test_like_inherits_callbacks_and_none_clears_them():
    found = fits(first=f"callbacks: {EMA}", more="second: {like: first}\n  third: {like: first, callbacks: none}")
    assert "second" not in found, "equal work is one node"
    assert "callbacks" in found["first"][0]
    assert "callbacks" not in found["third"][0]


def test_a_stage_that_trains_nothing_takes_no_callbacks_of_defaults():
    found = fits(more="renewed: {from: first, scenario: adabn}", defaults=f"callbacks: {EMA}")
    assert "callbacks" in found["first"][0]
    assert "callbacks" not in found["renewed"][0]


def test_observers_and_loggers_are_in_no_work():
    seen = fits(execution="observers: [lightning.pytorch.callbacks.LearningRateMonitor], loggers: [csv, tensorboard]")
    assert seen == fits()
