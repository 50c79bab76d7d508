import re
from pathlib import Path

import pytest
from conftest_plan import known

from tlimb.language import lower, source
from tlimb.plan import checks
from tlimb.plan.data import Declared
from tlimb.plan.expand import Expander, TooLargeError
from tlimb.plan.pieces import Components

SPEC = """
tlimb: 1
replicates: {replicates}
datasets:
  people: {{files: {{bids: {{folder: data, suffix: T1w}}}}, split: {{holdout: {{train: 0.6, val: 0.2, test: 0.2}}}}}}
stages:
  train:
    dataset: people
    data: {{bio_image: {{spacing_mm: 8, crop: [20, 24, 20]}}}}
    architecture: {{sfcn: {{dropout: {{choice: [{many}]}}}}}}
    objective: {{regression: {{target: age}}}}
    optimizer: {{adamw: {{lr: {{choice: [{many}]}}, weight_decay: {{choice: [{many}]}}}}}}
    trainer: {{epochs: {{choice: [{whole}]}}, batch_size: {{choice: [{whole}]}}}}
"""


def _expander(replicates, size):
    many = ", ".join(f"{(i + 1) / 1000}" for i in range(size))
    whole = ", ".join(str(i + 1) for i in range(size))
    text = SPEC.format(replicates=replicates, many=many, whole=whole)
    study = lower.lower(source.parse(text, Path("spec.yaml")))
    return study, Expander(study, known(), Declared(study), Components(known(), lambda _: {}))


def test_p17_a_plan_of_astronomic_size_is_refused_with_its_factors():
    study, expander = _expander(100, 40)
    with pytest.raises(TooLargeError) as caught:
        expander.expand(10_000)
    problem = checks.too_large(study, caught.value.stage, 10_000, expander)
    assert problem.code == "plan-too-large"
    assert problem.pointer == "/replicates", "the largest factor is marked"
    assert problem.message.startswith("`train` has more than 10,000 runs")
    assert "100 (replicates)" in problem.message
    assert problem.message.count("40 (") == 5
    assert re.search(r"= 10,240,000,000$", problem.message)


def test_p17_a_plan_of_exactly_the_limit_is_made():
    _, expander = _expander(1, 2)
    assert len(expander.expand(32).stages["train"].works) == 32
    _, expander = _expander(1, 2)
    with pytest.raises(TooLargeError):
        expander.expand(31)
