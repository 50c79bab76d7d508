"""The counting vectors: every construct that multiplies runs, against counts derived by hand."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tlimb.language import catalogue, lower, source
from tlimb.plan.data import Declared
from tlimb.plan.expand import Expander, Expansion
from tlimb.plan.pieces import Components

HERE = Path(__file__).parent.parent
VECTORS = YAML(typ="safe").load((HERE / "expected" / "counting.yaml").read_text())


def expand(path: Path, groups: dict[str, dict[str, int]] | None = None) -> Expansion:
    study = lower.lower(source.read(path))
    components = catalogue.load().with_extra(json.loads((HERE / "fixtures" / "standins.json").read_text()))
    folds = {name: next(iter(counts.values())) for name, counts in (groups or {}).items()}
    expander = Expander(study, components, Declared(study, folds), Components(components, lambda _: None))
    return expander.expand(10_000)


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_counts_are_those_derived_by_hand(name):
    expected = VECTORS[name]
    plan = expand(HERE / "specs" / "counting" / f"{name}.yaml", expected.get("groups"))
    assert {stage: len(found.works) for stage, found in plan.stages.items()} == expected["runs"]
    if "distinct" in expected:
        assert len({work for found in plan.stages.values() for work in found.works}) == expected["distinct"]
    if "gated" in expected:
        assert {stage: found.gated for stage, found in plan.refits.items()} == expected["gated"]
    if "selects" in expected:
        assert len(plan.selects) == expected["selects"]
    for test, counts in expected.get("tests", {}).items():
        assert len(plan.tests[test]) == counts["planned"]
        arms = {(one.run.stage, one.row, one.fold, one.replicate) for one in plan.tests[test]}
        assert len(arms) == counts["executed"]
