"""What `tlimb plan --format json` writes is what its schema describes, for every example."""

import copy
import json
from types import SimpleNamespace

import pytest
from conftest_plan import TESTS, expand_text
from test_identity import EXAMPLES, REFITTED, expansion_of

from tlimb.manifest.faults import checker
from tlimb.plan.draw import as_json

SCHEMA = json.loads((TESTS.parent / "schema" / "v1" / "plan.json").read_text(encoding="utf-8"))
FAULTS = checker(SCHEMA)


def written(expansion):
    plan = SimpleNamespace(study=SimpleNamespace(name="s"), graph=expansion.graph)
    return json.loads(json.dumps(as_json(plan)))


def faults(value):
    return [str(fault) for fault in FAULTS(value)]


def held(expansion):
    """Hold what is written to the schema and to the graph: nothing that the planner says of a use is lost."""
    found = written(expansion)
    assert faults(found) == []
    assert found["nodes"] == [
        {"work": one.work, "kind": one.kind.value, "gated": bool(one.gates), "uses": json.loads(json.dumps(one.uses))}
        for one in expansion.graph
    ]
    assert found["edges"] == [[up, one.work] for one in expansion.graph for up in expansion.graph.needed(one)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_plan_of_an_example_fits_the_schema(path):
    held(expansion_of(path))


def test_the_plan_of_a_study_with_refits_fits_the_schema():
    held(expand_text(REFITTED))


@pytest.mark.parametrize("path", [(), ("nodes", 0), ("nodes", 0, "uses", 0)], ids=str)
def test_a_key_more_or_a_required_key_less_does_not_fit(path):
    found = written(expand_text(REFITTED))
    at = found
    for step in path:
        at = at[step]
    optional = set(at) - {"study", "nodes", "edges", "work", "kind", "gated", "uses"}
    for key in set(at) - optional:
        kept = at.pop(key)
        assert faults(found), f"nothing said that {key} is missing"
        at[key] = kept
    more = copy.deepcopy(found)
    assert faults(more) == []
    at["more"] = 1
    assert faults(found) == ["".join(f"/{step}" for step in path) + "/more: unknown key"]
