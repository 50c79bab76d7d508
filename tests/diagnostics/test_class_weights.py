"""Class weights from the line of the study to the loss of a batch."""

import pytest
import torch

from tests.diagnostics.conftest import BASE, people
from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.components.contracts import TargetFacts
from tlimb.components.objectives.classification import Classification
from tlimb.project import Asked, project


@pytest.mark.parametrize(
    ("written", "rare"), [("balanced", 40 / (2 * 10)), ("none", 1.0), ("{sick: 9, well: 1}", 9 / 3)]
)
def test_the_option_of_the_study_weighs_the_rare_class_as_the_training_part_has_it(components, tmp_path, written, rare):
    rows = "".join(f"p{n:02d} {'sick' if n % 4 == 0 else 'well'}\n" for n in range(60))
    people(tmp_path, {"people.tsv": "participant_id diagnosis\n" + rows})
    spec = tmp_path / "study.yaml"
    split = "{holdout: {train: 40, val: 8, test: 12, stratify: [diagnosis]}}"
    text = "".join(BASE.values()).replace("{holdout: {train: 0.6, val: 0.2, test: 0.2}}", split)
    spec.write_text(text.replace("{target: sex}", f"{{target: diagnosis, class_weights: {written}}}"))
    loaded = load(spec, components)
    plan = make_plan(loaded, project(loaded.sound(), spec, Asked()))

    (fit,) = (node for node in plan.graph if node.kind == "fit")
    (head,) = fit.hashed["heads"]
    facts = head["facts"]
    assert dict(zip(facts["classes"], facts["counts"], strict=True)) == {"sick": 10, "well": 30}
    objective = Classification(TargetFacts(**facts), **head["objective"]["options"])
    # One sick person whom an undecided network gives even odds: log 2 nats, times the weight.
    loss = objective.loss(torch.zeros(1, 2), torch.tensor([0]), torch.tensor([True]))
    assert float(loss) == pytest.approx(rare * torch.log(torch.tensor(2.0)).item())
