"""In an editor, every example spec is clean, and every mapping of it is completed with just the keys it may have."""

from pathlib import Path

import pytest
from places import places

from tlimb.language import catalogue
from tlimb.language.grammar import grammar
from tlimb.language.source import read

NAMES = sorted(path.name for path in (Path(__file__).resolve().parents[2] / "specs").glob("*.yaml"))
PROPERTY = 10
"""The protocol's number for a completion that is a key."""


@pytest.mark.parametrize("name", NAMES)
def test_an_example_spec_has_no_diagnostics(server, project, name):
    path = project / name
    assert server.problems(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", NAMES)
def test_completion_offers_the_keys_that_are_allowed_and_not_yet_written(server, project, name):
    source = read(project / name)
    wrong = {}
    probes = list(places(source, grammar(catalogue.load())))
    for place in probes:
        offered = server.offers(source.path, place.text, place.line, place.column)
        keys = sorted(item["label"] for item in offered if item["kind"] == PROPERTY)
        if keys != sorted(place.keys):
            wrong[place.pointer] = (keys, sorted(place.keys))
    assert len(probes) > 10
    assert wrong == {}, "pointer -> (offered, allowed)"
