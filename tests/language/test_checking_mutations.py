"""Spoil every example spec at random: each mistake must give exactly one diagnostic, at its line and column."""

import os
import random

import jsonschema
import pytest
from mutating import SPECS, Mutation, apart, apply, mutations, reread

from tlimb.language import schema
from tlimb.language.checking import check, structure
from tlimb.language.source import read
from tlimb.problems import Severity

SEED = int(os.environ.get("TLIMB_SEED", "20260101"))
COUNT = int(os.environ.get("TLIMB_MUTATIONS", "20"))


@pytest.fixture(scope="module")
def reference(catalogue):
    return jsonschema.Draft7Validator(schema.spec(catalogue))


def _errors(source, catalogue):
    return [problem for problem in check(source, catalogue) if problem.severity is Severity.ERROR]


def _refused(text: str, reference) -> bool | None:
    """Say whether the reference refuses the text; None when it is no longer the same kind of YAML."""
    source = reread(text)
    return None if source.problems else not reference.is_valid(source.root.data())


def _mistakes(source, dice: random.Random, reference, count: int) -> list[Mutation]:
    found: list[Mutation] = []
    for mutation in mutations(source, dice):
        text, _ = apply(source.text, [mutation])
        if _refused(text, reference):
            found.append(mutation)
        if len(found) == count:
            break
    return found


def test_every_mistake_gives_one_diagnostic_at_its_place(catalogue, reference):
    dice = random.Random(SEED)
    tried, wrong = 0, []
    for path in SPECS:
        source = read(path)
        known = _mistakes(source, dice, reference, COUNT)
        groups = [[mutation] for mutation in known]
        for size in (2, 3):
            groups += [dice.sample(known, size) for _ in range(len(known) // size) if len(known) >= size]
        for group in groups:
            if not apart(group):
                continue
            text, expected = apply(source.text, group)
            spans = [problem.place.span for problem in _errors(reread(text), catalogue)]
            found = sorted((span.line, span.column) for span in spans)
            # a mapping in place of a name is marked at its brace, its key or its value, whichever is wrong
            if any(m.kind == "mapping" for m in group):
                inside = {(line, column + more): (line, column) for line, column in expected for more in (1, 8)}
                found = sorted(inside.get(place, place) for place in found)
            tried += 1
            if found != expected:
                wrong.append((path.name, [(m.kind, m.pointer, m.new) for m in group], expected, found))
    assert tried > 20 * len(SPECS)
    assert len(wrong) <= 0.005 * tried, f"{len(wrong)} of {tried}; the first: {wrong[:8]}"


def test_the_checks_find_an_error_exactly_when_jsonschema_does(catalogue, reference):
    dice = random.Random(SEED + 1)
    agreed = refused = 0
    for path in SPECS:
        source = read(path)
        for mutation in mutations(source, dice)[:COUNT]:
            spoiled = reread(apply(source.text, [mutation])[0])
            if spoiled.problems:
                continue
            by_reference = not reference.is_valid(spoiled.root.data())
            errors = [p for p in structure(spoiled, catalogue).problems if p.severity is Severity.ERROR]
            known_beyond = {"empty-range"}
            by_us = any(p.code not in known_beyond for p in errors)
            assert by_reference == by_us, (path.name, mutation, [p.message for p in errors])
            agreed += 1
            refused += by_reference
    assert refused > agreed / 4
    assert agreed - refused > agreed / 20
