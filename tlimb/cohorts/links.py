"""Symbolic links of a dataset: where they may lead, and what to do about one that leads elsewhere."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

HELP = (
    "links may lead anywhere inside the root, and to content that git-annex or DataLad keeps",
    "make the folder that they lead to, or one above both, a root: `roots: {archive: .}`, on the dataset "
    "`root: archive`, and on this machine `--root archive=FOLDER`",
)
"""What to do about a link that leads out of its root."""

NOT_HERE = "its content is not on this machine; fetch it with `datalad get`"
"""What is wrong with a link whose content git-annex has not fetched."""

_ANNEXED = re.compile(r"/annex/objects/[^/]+/[^/]+/([A-Z0-9_]+-[^/]*--[^/]+)/\1$")
"""A file that git-annex keeps: its name is its key, and so is its folder's.

A subdataset's content lies in the superdataset's `.git/modules`, a reckless clone's in the original, so it may well
be outside the root. Nothing that is not annexed content has such a path.
"""


def home(root: Path) -> str:
    """Give a root, all links followed, as what the real paths of its files begin with."""
    return os.path.realpath(root).rstrip("/") + "/"


def within(home: str, real: str) -> bool:
    """Tell whether a real path may be read under a root, whose `home` is given."""
    return f"{real}/".startswith(home) or _ANNEXED.search(real) is not None


def dangling(path: Path) -> bool:
    """Tell whether a path is a link to nothing, as git-annex leaves what it has not fetched."""
    return path.is_symlink() and not path.exists()


def inside(root: Path, path: Path) -> bool:
    """Tell whether a path, all links followed, lies in the root, all links followed, or is annexed content."""
    return within(home(root), os.path.realpath(path))


def leading_to(paths: Iterable[Path], with_names: bool) -> tuple[str, ...]:
    """Give a note with the folder that some links lead to, where names may be shown."""
    real = [os.path.dirname(os.path.realpath(path)) for path in paths] if with_names else []  # noqa: PTH120
    return (f"they lead to {os.path.commonpath(real)}",) if real else ()
