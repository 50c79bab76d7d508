"""Spoil every example spec at random: each mistake must give exactly one diagnostic, at its line and column."""

import os
import random

import jsonschema
import pytest
from mutating import SPECS, Mutation, apart, apply, mutations, references, reread

from tlimb.language import lower, rules, schema
from tlimb.language.checking import check, structure
from tlimb.language.source import read
from tlimb.problems import Severity

SEED = int(os.environ.get("TLIMB_SEED", "20260101"))
COUNT = int(os.environ.get("TLIMB_MUTATIONS", "20"))
WHOLE = 500
"""Mutations of every example in the long test: singles, pairs and triples together."""


@pytest.fixture(scope="module")
def reference(catalogue):
    return jsonschema.Draft7Validator(schema.spec(catalogue))


def _errors(source, catalogue):
    """Give all errors, of form and of meaning, as `tlimb validate` does."""
    found = check(source, catalogue)
    if not source.unreadable:
        found += rules.check(lower.lower(source), source, catalogue, found)
    return [problem for problem in source.resolve(found) if problem.severity is Severity.ERROR]


def _refused(text: str, reference) -> bool | None:
    """Say whether the reference refuses the text; None when it is no longer the same kind of YAML."""
    source = reread(text)
    return None if source.problems else not reference.is_valid(source.root.data())


def _mistakes(source, dice: random.Random, reference, count: int) -> list[Mutation]:
    """Give mistakes of form, which the reference refuses, and of reference, which name nothing by construction."""
    found = references(source, dice)[: max(2, count // 5)]
    for mutation in mutations(source, dice):
        text, _ = apply(source.text, [mutation])
        if _refused(text, reference):
            found.append(mutation)
        if len(found) >= count:
            break
    return found


def _groups(known: list[Mutation], dice: random.Random, count: int) -> list[list[Mutation]]:
    """Give single, double and triple mistakes in different branches, each third of the count."""
    groups = [[mutation] for mutation in known[: -(-count // 3)]]
    for size in (2, 3):
        made = tries = 0
        while len(known) >= size and made < count // 3 and tries < 20 * count:
            tries += 1
            group = dice.sample(known, size)
            if apart(group):
                groups.append(group)
                made += 1
    return groups


def _measure(seed: int, count: int, catalogue, reference) -> tuple[int, list[object]]:
    """Spoil every example and give the number tried, and those that gave other diagnostics than expected."""
    dice = random.Random(seed)
    tried, wrong = 0, []
    for path in SPECS:
        source = read(path)
        clean = [(p.place.span.line, p.place.span.column) for p in _errors(source, catalogue)]
        assert not clean, path.name
        for group in _groups(_mistakes(source, dice, reference, count), dice, count):
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
    return tried, wrong


def test_every_mistake_gives_one_diagnostic_at_its_place(catalogue, reference):
    tried, wrong = _measure(SEED, COUNT, catalogue, reference)
    assert tried > 0.8 * COUNT * len(SPECS)
    assert len(wrong) <= 0.005 * tried, f"{len(wrong)} of {tried}; the first: {wrong[:8]}"


@pytest.mark.long
def test_five_hundred_mistakes_of_every_example_give_one_diagnostic_each(catalogue, reference, capsys):
    tried, wrong = _measure(SEED, WHOLE, catalogue, reference)
    with capsys.disabled():
        print(f"\n  seed {SEED}: {tried - len(wrong)} of {tried} groups of mistakes are reported exactly")
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
