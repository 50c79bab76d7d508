"""What the extra `run` installs: the one list of the packages that training, ranking and phantoms need.

It is read from tlimb's own metadata, so `pyproject.toml` is the only place where it is written. Which packages a result
records is another question: those names stand in results and in keys of caches, and are no list of what is installed.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from importlib.util import find_spec

EXTRA = "run"
MODULES: Mapping[str, str] = {"pillow": "PIL", "scikit-learn": "sklearn"}
"""Distributions whose module has another name."""
INSTALL = "pip install 'tlimb[run]'"


@cache
def packages() -> tuple[str, ...]:
    """Return the distributions that the extra `run` asks for; empty where tlimb was never installed."""
    try:
        asked = metadata.requires("tlimb") or []
    except metadata.PackageNotFoundError:
        return ()
    found = set()
    for requirement in asked:
        name, marked, marker = requirement.partition(";")
        if marked and re.search(rf"\bextra\s*==\s*['\"]{EXTRA}['\"]", marker):
            match = re.match(r"[A-Za-z0-9._-]+", name.strip())
            found |= {match[0].lower()} if match else set()
    return tuple(sorted(found))


def modules() -> tuple[str, ...]:
    """Return the top-level modules of these packages."""
    return tuple(_module(name) for name in packages())


def missing() -> tuple[str, ...]:
    """Return the packages whose module is not found here; none of them is imported."""
    return tuple(name for name in packages() if not _is_found(_module(name)))


def _is_found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False


def _module(name: str) -> str:
    return MODULES.get(name, name.replace("-", "_"))
