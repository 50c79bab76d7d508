"""What `tlimb rank --format json` writes is what its schema describes, to the key."""

import copy
import json
import math
from pathlib import Path

import pytest
from attrs import asdict, evolve

from tlimb.manifest.faults import checker
from tlimb.report import text
from tlimb.report.rank import rank
from tlimb.store import Store

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schema" / "v1" / "rank.json").read_text(encoding="utf-8"))
FAULTS = checker(SCHEMA)


def faults(value):
    return [str(fault) for fault in FAULTS(value)]


def written(table):
    return json.loads(text.to_json(table))


@pytest.fixture
def every_kind(finished, load_metric):
    """A ranking with intervals, groups, and rows that have diverged, failed and never run."""
    for name in ("ill", "broken", "untested", "waiting"):
        fit = finished.fit(name, {}, 0.1, 0)
        predict = finished.predict(fit, finished.use(name, {}, 0.1, 0))
        if name == "ill":
            finished.publish(fit, {"status": "diverged", "reason": "loss nan"})
        if name in ("broken", "untested"):
            work = fit if name == "broken" else predict
            Store(finished.store.root).add_attempt(work, {"code": 70, "reason": "KeyError in nets.py:3"})
    request = evolve(finished.request, resamples=50)
    table = rank(finished.graph, finished.store, finished.private, request, load_metric)
    group = evolve(_group(table), cells={**_group(table).cells, "cross_entropy": None})
    return evolve(table, groups=(group,))


def _group(table):
    from tlimb.report.table import Group

    row = table.rows[0]
    return Group(row.test, row.name, "site", "A", 5, 6, {name: cell.value for name, cell in row.cells.items()})


def test_a_ranking_of_every_kind_fits_its_schema(every_kind):
    found = written(every_kind)
    assert {one["absent"]["state"] for one in found["missing"]} == {"diverged", "failed", "skipped", "pending"}
    assert found["partial"]
    assert found["rows"][0]["cells"]["accuracy"]["difference"]["low"] is not None
    assert faults(found) == []


def test_no_key_has_changed_since_the_ranking_was_written_from_its_fields(every_kind):
    for table in (every_kind, evolve(every_kind, groups=())):
        plain = json.loads(json.dumps({**asdict(table), "tlimb": 1}))
        if not table.groups:
            del plain["groups"]
        assert written(table) == plain


def test_a_mean_that_is_not_finite_is_null_and_fits_the_schema(every_kind):
    row = every_kind.rows[0]
    cell = row.cells["accuracy"]
    bad = evolve(cell, value=evolve(cell.value, mean=math.inf, sd=math.nan))
    found = written(evolve(every_kind, rows=(evolve(row, cells={**row.cells, "accuracy": bad}),)))
    assert found["rows"][0]["cells"]["accuracy"]["value"]["mean"] is None
    assert faults(found) == []


@pytest.mark.parametrize(
    "path",
    [(), ("rows", 0), ("rows", 0, "cells", "accuracy"), ("rows", 0, "cells", "accuracy", "value"), ("missing", 0),
     ("missing", 0, "absent"), ("groups", 0)],
    ids=lambda path: "/".join(map(str, path)) or "whole",
)  # fmt: skip
def test_a_key_more_or_a_key_less_does_not_fit(every_kind, path):
    found = written(every_kind)
    pointer = "".join(f"/{step}" for step in path)

    def at(value):
        for step in path:
            value = value[step]
        return value

    more = copy.deepcopy(found)
    at(more)["more"] = 1
    assert faults(more) == [f"{pointer}/more: unknown key"]
    for key in at(found):
        less = copy.deepcopy(found)
        del at(less)[key]
        assert bool(faults(less)) is (key != "groups"), f"nothing said that {key} is missing"
