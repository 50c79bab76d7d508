"""What `tlimb status` counts, and that its JSON is what the schema describes."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tlimb.api.watching import status
from tlimb.manifest import Gate
from tlimb.manifest.faults import checker
from tlimb.manifest.structure import unstructure
from tlimb.report.status import STATES
from tlimb.store import Store

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schema" / "v1" / "status.json").read_text(encoding="utf-8"))
FAULTS = checker(SCHEMA)


@pytest.fixture
def written(study):
    """Runs of which one is done, one has diverged, one failed, one yielded, and others wait or never run."""
    fits = [study.fit("finetune", {}, rate, 0) for rate in range(6)]
    select = study.select("finetune", {}, [[fits[0]], [fits[1]]])
    for place, fit in enumerate(fits):
        study.predict(fit, study.use("finetune", {}, place, 0), Gate(select, place) if place < 2 else None)
    study.publish(fits[0], {})
    study.publish(fits[1], {"status": "diverged", "reason": "loss nan"})
    study.publish(select, {"chosen": 0})
    store = Store(study.store.root)
    store.add_attempt(fits[0], {"began": 10.0, "ended": 14.5, "code": 0, "reason": ""})
    store.add_attempt(fits[2], {"began": 1.0, "ended": 2.0, "code": 70, "reason": "KeyError in nets.py:3"})
    store.add_attempt(fits[3], {"began": 1.0, "ended": 2.0, "code": 75, "reason": "deadline"})
    place = SimpleNamespace(store=study.store.root, private=study.private)
    return json.loads(json.dumps(unstructure(status(study.graph, place))))


def faults(value):
    return [str(fault) for fault in FAULTS(value)]


def test_each_step_has_a_count_for_each_state_and_each_run_has_one(written):
    steps = {step["name"]: step for step in written["steps"]}
    states = [run["state"] for run in written["runs"]]
    assert list(steps) == ["fit", "select held_out", "predict held_out"]
    assert steps["fit"]["counts"] == dict.fromkeys(STATES, 0) | {
        "done": 1, "diverged": 1, "failed": 1, "yielded": 1, "queued": 2,
    }  # fmt: skip
    assert steps["predict held_out"]["counts"] == dict.fromkeys(STATES, 0) | {
        "queued": 4, "skipped": 1, "not selected": 1,
    }  # fmt: skip
    for step in steps.values():
        assert sum(step["counts"].values()) == step["runs"]
    assert sum(step["runs"] for step in steps.values()) == len(states)


def test_a_run_names_why_it_did_not_end_well_and_how_long_it_took(written):
    runs = {run["state"]: run for run in written["runs"] if not run["step"].startswith("select")}
    assert (runs["done"]["reason"], runs["done"]["host"], runs["done"]["seconds"]) == (None, None, 4.5)
    assert runs["failed"]["reason"] == "KeyError in nets.py:3 (exit 70)"
    assert runs["skipped"]["reason"].endswith(" failed")
    assert written["left"]["finished_runs"] == 1


def test_a_status_fits_its_schema_which_is_closed(written):
    assert faults(written) == []
    for path in ((), ("steps", 0), ("steps", 0, "counts"), ("runs", 0), ("left",)):
        pointer = "".join(f"/{step}" for step in path)
        more = copy.deepcopy(written)
        at = more
        for step in path:
            at = at[step]
        for key in list(at):
            kept = at.pop(key)
            assert faults(more), f"nothing said that {key} is missing"
            at[key] = kept
        at["more"] = 1
        assert faults(more) == [f"{pointer}/more: unknown key"]
