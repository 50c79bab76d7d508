"""The registry of codes: one page a code, which says its severity, its tier and in a line what it means.

The pages are Markdown in `docs/diagnostics` and travel in the wheel. Their heads are the only place where a code's
title, severity and tier stand, so no table can differ from them; the tests hold the source and the pages together.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from attrs import frozen

from tlimb import resources
from tlimb.problems import Severity

TIERS = {
    "spec": "the spec alone: `tlimb validate`",
    "data": "tables and file lists: `tlimb validate --data` and `tlimb plan`",
    "deep": "the networks without data: `tlimb validate --deep`",
    "run": "while something runs, or in the store",
    "use": "the command line and this machine",
}
"""What must be read before a code can be reported, and by which command it is."""
_HEAD = re.compile(r"# ([a-z0-9-]+): (.+)\n\n_(\w+)(?: or (\w+))?, (\w+)_\n")


@frozen
class Page:
    """One code, as its page explains it.

    Attributes:
        code: stable kebab-case name.
        title: what it means, one line, lower case.
        severities: how bad it can be, the usual severity first.
        tier: one of TIERS.
        text: the whole page, Markdown.
    """

    code: str
    title: str
    severities: tuple[Severity, ...]
    tier: str
    text: str


def read(path: Path) -> Page:
    """Read one page.

    Raises:
        ValueError: its head is not `# code: title` and `_severity, tier_`.
    """
    text = path.read_text(encoding="utf-8")
    head = _HEAD.match(text)
    if head is None or head[1] != path.stem or head[5] not in TIERS:
        raise ValueError(f"{path.name}: the page begins with `# {path.stem}: title` and `_severity, tier_`")
    return Page(head[1], head[2], tuple(Severity(word) for word in head.group(3, 4) if word), head[5], text)


@lru_cache(maxsize=1)
def registry() -> Mapping[str, Page]:
    """Give all codes, sorted.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    folder = resources.folder("diagnostics")
    return {path.stem: read(path) for path in sorted(folder.glob("*.md")) if path.stem != "README"}
