"""What is known to be valid is not asked again, and never anything else is taken for valid."""

import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.manifest.test_contents import FIT, A, B
from tlimb.manifest.faults import manifest_checker
from tlimb.manifest.validity import Validity, manifest_validity

WHOLE = {"tlimb": 1, "work": A, "hashed": FIT, "uses": [{"stage": "x"}], "gates": [[A, 1]], "after": [B]}
PREDICT = {"tlimb": 1, "work": A, "hashed": {"kind": "predict", "parents": {"model": A}, "views": {"rows": B}}}
VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        -1,
        1.0,
        0.5,
        "",
        "loss",
        A,
        B,
        A.upper(),
        A + "a",
        [],
        [A],
        [[A, 0]],
        [[A]],
        {},
        {"a": 1},
        [{}],
        [3],
    ]
)


def places(value, here=()):
    yield here
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*here, key))


PLACES = list(places(WHOLE))


def put(value, place, new):
    changed = copy.deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    if new is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = new
    return changed


@settings(deadline=None)
@given(st.sampled_from([place for place in PLACES if place]), VALUES | st.just(...))
def test_it_agrees_with_jsonschema_on_every_single_change(place, new):
    changed = put(WHOLE, place, new)
    assert manifest_validity()(changed) == (list(manifest_checker()(changed)) == []), changed


@settings(deadline=None)
@given(st.sampled_from([(), ("hashed",)]), st.text(max_size=5), VALUES)
def test_it_agrees_with_jsonschema_on_a_key_more(place, key, new):
    changed = put(WHOLE, (*place, key), new)
    assert manifest_validity()(changed) == (list(manifest_checker()(changed)) == [])


def test_what_is_no_manifest_at_all_is_not_valid():
    for value in (None, [], {}, "x", {"hashed": 3}, {"hashed": {"kind": 1}}, {**WHOLE, "hashed": {"kind": "unknown"}}):
        assert not manifest_validity()(value)


def test_equal_parts_and_other_digests_are_not_asked_again():
    validity = Validity()
    asked = []
    for place, one in validity._parts.items():
        validity._parts[place] = _Counting(one, place, asked)
    assert validity(WHOLE)
    first = len(asked)
    other = json.loads(json.dumps(WHOLE).replace(A, "e" * 64))
    assert validity(other)
    assert len(asked) == first
    assert validity(put(other, ("hashed", "seed"), 8))
    assert asked[first:] == [("fit", "seed")]
    assert validity(PREDICT)


class _Counting:
    def __init__(self, validator, place, asked):
        self.validator, self.place, self.asked = validator, place, asked

    def is_valid(self, value):
        self.asked.append(self.place)
        return self.validator.is_valid(value)
