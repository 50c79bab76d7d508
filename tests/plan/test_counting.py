"""The counting vectors: every construct that multiplies runs, against counts derived by hand."""

import pytest
from conftest_plan import TESTS, expand_file
from ruamel.yaml import YAML

VECTORS = YAML(typ="safe").load((TESTS / "expected" / "counting.yaml").read_text())


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_counts_are_those_derived_by_hand(name):
    expected = VECTORS[name]
    cohorts = {dataset: {"groups": counts} for dataset, counts in expected.get("groups", {}).items()}
    plan = expand_file(TESTS / "specs" / "counting" / f"{name}.yaml", cohorts)
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
