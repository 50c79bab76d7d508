"""The catalogue of this installation: what is shipped, and what installed packages offer, read from their source."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tlimb.describe import installed, static
from tlimb.language import catalogue
from tlimb.language.catalogue import Catalogue
from tlimb.problems import Problem


@lru_cache(maxsize=1)
def load() -> Catalogue:
    """Give the components that may be written here by name.

    A name that two packages give, or that is tlimb's own, means what tlimb means by it or nothing: see `clashes`.
    """
    shipped = catalogue.load()
    found: dict[str, dict[str, Any]] = {}
    for offer in installed.offers():
        if len(_givers(shipped, offer.kind, offer.name)) == 1:
            found.setdefault(offer.kind, {})[offer.name] = listing(offer)
    return shipped.with_extra(found) if found else shipped


def listing(offer: installed.Offer) -> dict[str, Any]:
    """Describe an offer; one whose source is not found takes any option."""
    told = static.component(offer.path, installed.folders(offer.path), offer.kind)
    return {"class": offer.path, "package": offer.package, "open": True, **(told or {})}


def clashes(text: str) -> Iterator[Problem]:
    """Give the names in a spec that more than one package gives."""
    shipped = catalogue.load()
    several: dict[tuple[str, str], list[str]] = defaultdict(list)
    for offer in installed.offers():
        givers = _givers(shipped, offer.kind, offer.name)
        if len(givers) > 1:
            several[offer.kind, offer.name] = givers
    for (kind, name), givers in several.items():
        if re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text):
            message = f"the {kind} `{name}` is given by {' and by '.join(givers)}"
            yield Problem("name-twice", message, help=f"remove one, or write the class path instead of `{name}`")


def _givers(shipped: Catalogue, kind: str, name: str) -> list[str]:
    own = ["tlimb"] if shipped.get(kind, name) is not None else []
    return own + sorted({one.package for one in installed.offers() if (one.kind, one.name) == (kind, name)})
