"""What a well-formed study must still mean: the checks that need the spec alone.

Each module holds rules of one theme; a function marked with `rule` is found by its mark, so that a new rule is a
new function and nothing else. Rules expect any tree, also one whose form is wrong elsewhere.
"""

import importlib
import pkgutil
from collections.abc import Iterable

from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Study
from tlimb.language.rules import counting
from tlimb.language.rules.facts import Facts, Rule
from tlimb.language.rules.sifting import sift
from tlimb.language.source import Source
from tlimb.problems import Problem


def _discover() -> tuple[Rule, ...]:
    found: list[Rule] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        content = vars(importlib.import_module(f"{__name__}.{module}"))
        found += [value for value in content.values() if getattr(value, "is_rule", False)]
    return tuple(found)


RULES: tuple[Rule, ...] = _discover()
"""All rules, by module and in the order of their files."""


def check(study: Study, source: Source, catalogue: Catalogue, found: Iterable[Problem] = ()) -> list[Problem]:
    """Give what is wrong with the meaning of a study, by position and each mistake once.

    Args:
        study: the lowered study.
        source: what it was lowered from; gives the places.
        catalogue: the components there are.
        found: problems of form that are known already; what only follows from them is left out.
    """
    facts = Facts(study, source, catalogue)
    problems = source.resolve(problem for each in RULES for problem in each(facts))
    return sift(problems, found)


def noted(study: Study, source: Source, catalogue: Catalogue, found: Iterable[Problem]) -> list[Problem]:
    """Give problems of form again, with what only the whole study tells: how many trainings a mended value means."""
    return list(counting.noted(Facts(study, source, catalogue), found))
