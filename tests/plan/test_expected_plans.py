"""Each example study against the plan that was written by hand before the planner existed."""

import pytest
from conftest_plan import SPECS, TESTS, expand_file
from ruamel.yaml import YAML

EXPECTED = sorted(path.stem for path in (TESTS / "expected").glob("*.yaml") if path.stem != "counting")


def _spec(name):
    fixture = TESTS / "specs" / f"{name}.yaml"
    return fixture if fixture.is_file() else SPECS / f"{name}.yaml"


def _parents(expansion, stage):
    """Give, by slot, the stages and weights that the runs of a stage start from."""
    found = {}
    for node in expansion.graph:
        if node.kind != "fit" or not any(use["stage"] == stage for use in node.uses):
            continue
        slots = {**node.hashed["parents"], **node.hashed["weights"]}
        for slot in slots if slots else {"encoder": None}:
            parent = node.hashed["parents"].get(slot)
            if slot == "epochs_from":
                continue
            if parent is None:
                names = {"weights" if slot in node.hashed["weights"] else "none"}
            else:
                names = {use["stage"] for use in expansion.graph.nodes[parent].uses}
            found.setdefault(slot, set()).update(names)
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_plan_is_the_one_written_by_hand(name):
    expected = YAML(typ="safe").load((TESTS / "expected" / f"{name}.yaml").read_text())
    found = expand_file(_spec(name), expected.get("cohorts"))
    stages = expected["stages"]
    assert {stage: len(counts.works) for stage, counts in found.stages.items()} == {
        stage: counts["runs"] for stage, counts in stages.items()
    }
    assert {stage: counts.gated for stage, counts in found.refits.items()} == {
        stage: counts["gated"] for stage, counts in stages.items() if counts["gated"]
    }
    planned = {test: {(one.run.work, one.view) for one in ones} for test, ones in found.tests.items()}
    assert {test: len(works) for test, works in planned.items()} == {
        test: counts["planned"] for test, counts in expected["tests"].items()
    }
    rows = {(one.run.stage, one.row) for ones in found.tests.values() for one in ones}
    assert len(rows) == expected["rows"]
    assert len(found.selects) == expected["selects"]
    fits = [node for node in found.graph if node.kind == "fit"]
    assert len(fits) == expected["distinct"]


@pytest.mark.parametrize("name", EXPECTED)
def test_parents_fill_the_slots_written_by_hand(name):
    expected = YAML(typ="safe").load((TESTS / "expected" / f"{name}.yaml").read_text())
    found = expand_file(_spec(name), expected.get("cohorts"))
    known = set(found.stages)
    for stage, slots in expected["parents"].items():
        wanted = {
            slot: {parent if parent in known or parent == "none" else "weights" for parent in parents}
            for slot, parents in slots.items()
        } or {"encoder": {"none"}}
        actual = _parents(found, stage)
        # Equal work of two stages is one node with both names.
        assert actual.keys() == wanted.keys()
        for slot, parents in wanted.items():
            assert parents <= actual[slot]


@pytest.mark.parametrize("name", EXPECTED)
def test_no_path_leads_from_a_test_into_a_selection(name):
    expected = YAML(typ="safe").load((TESTS / "expected" / f"{name}.yaml").read_text())
    graph = expand_file(_spec(name), expected.get("cohorts")).graph

    def ancestors(work, seen):
        for parent in graph.needed(graph.nodes[work]) if work in graph.nodes else ():
            if parent not in seen:
                seen.add(parent)
                ancestors(parent, seen)
        return seen

    for node in graph:
        if node.kind == "select":
            kinds = {graph.nodes[work].kind.value for work in ancestors(node.work, set())}
            assert "predict" not in kinds
