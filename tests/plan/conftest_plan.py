"""Studies expanded without data."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tlimb.language import catalogue, lower, source
from tlimb.plan.data import Declared
from tlimb.plan.expand import Expander, Expansion
from tlimb.plan.pieces import Components

TESTS = Path(__file__).parent.parent
SPECS = TESTS.parent / "specs"


def known() -> catalogue.Catalogue:
    return catalogue.load()


def expand_text(text: str, folds: Mapping[str, int] | None = None) -> Expansion:
    study = lower.lower(source.parse(text, Path("spec.yaml")))
    components = known()
    expander = Expander(study, components, Declared(study, folds), Components(components, lambda _: {}))
    return expander.expand(10_000)


def expand_file(path: Path, cohorts: Mapping[str, Mapping[str, Mapping[str, int]]] | None = None) -> Expansion:
    folds = {
        name: next(iter(facts["groups"].values())) for name, facts in (cohorts or {}).items() if facts.get("groups")
    }
    return expand_text(path.read_text(encoding="utf-8"), folds)


@pytest.fixture
def specs() -> Path:
    return SPECS
